//! What the schema says and `serde` does not check: ranges, and tables that were written as lists.

use serde_json::{Map, Value};
use toml::de::{DeArray, DeTable, DeValue};

use super::key_path::KeyPath;
use super::reference::{is_section, json_schema};
use super::section::Problem;

/// What was found, and which keys cannot be looked at further.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) refused: Vec<KeyPath>,
}

pub(super) fn check(table: &DeTable<'_>) -> Findings {
    let mut findings = Findings::default();
    let schema = json_schema();
    if let Some(properties) = properties(&schema) {
        check_table(table, properties, &KeyPath::default(), &mut findings);
    }
    findings
}

/// The keys of a table's schema; `None` if it is the schema of something else.
pub(super) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    alternatives(schema).find_map(|schema| schema.get("properties")?.as_object())
}

/// The schema itself, or those that it offers for choice.
pub(super) fn alternatives(schema: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(choices) => Box::new(choices.iter().flat_map(alternatives)),
        None => Box::new(std::iter::once(schema)),
    }
}

fn check_table(table: &DeTable<'_>, properties: &Map<String, Value>, at: &KeyPath, findings: &mut Findings) {
    for (key, value) in table {
        if let Some(schema) = properties.get(key.get_ref().as_ref()) {
            check_value(value.get_ref(), schema, &at.key(key.get_ref()), findings);
        }
    }
}

fn check_value(value: &DeValue<'_>, schema: &Value, at: &KeyPath, findings: &mut Findings) {
    let rows = schema.get("items").and_then(properties);
    match (value, properties(schema), rows) {
        (DeValue::Table(table), Some(properties), _) => check_table(table, properties, at, findings),
        (DeValue::Array(array), None, Some(rows)) => {
            for (index, row) in array.iter().enumerate() {
                if let DeValue::Table(table) = row.get_ref() {
                    check_table(table, rows, &at.index(index), findings);
                }
            }
        }
        (DeValue::Array(_), Some(_), _) if is_section(schema) => {
            let advice = format!("write [{}] with single brackets, and once", at.header());
            findings.refuse(at, "must be one table, not a list", advice);
        }
        (DeValue::Table(_), None, Some(_)) => {
            let advice = if is_section(schema) {
                format!("write [[{}]] with double brackets; there can be several", at.header())
            } else {
                "put it in [brackets]; there can be several".to_owned()
            };
            findings.refuse(at, "must be a list of tables, not one table", advice);
        }
        (DeValue::Array(array), None, None) => check_list(array, schema, at, findings),
        _ => {
            if let Some(number) = number(value) {
                check_range(number, schema, at, findings);
            }
        }
    }
}

fn check_list(list: &DeArray<'_>, schema: &Value, at: &KeyPath, findings: &mut Findings) {
    let Some(items) = schema.get("items") else { return };
    // The TOML library drops what is too much; only points have a fixed length.
    let most = schema.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    if most.is_some_and(|most| list.len() > most) {
        findings.refuse(at, "a point has two numbers", "write [x, y], each from 0 to 1".to_owned());
        return;
    }
    for (index, item) in list.iter().enumerate() {
        check_value(item.get_ref(), items, &at.index(index), findings);
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok()?.to_string().parse().ok()
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn check_range(number: f64, schema: &Value, at: &KeyPath, findings: &mut Findings) {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) else { return };
    // Written so that a NaN is outside.
    if !(least..=most).contains(&number) {
        let message = format!("{number} is out of range");
        findings.add(at, message, format!("give a value from {least} to {most}"));
    }
}

impl Findings {
    fn add(&mut self, at: &KeyPath, message: impl Into<String>, advice: String) {
        self.problems.push(Problem { path: at.clone(), message: message.into(), advice, is_warning: false });
    }

    fn refuse(&mut self, at: &KeyPath, message: &str, advice: String) {
        self.add(at, message, advice);
        self.refused.extend(at.to_last_key());
    }
}
