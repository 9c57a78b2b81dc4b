//! The configuration's JSON Schema and reference page, both made from the raw tables.

use std::fmt::Write as _;
use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::raw::RawConfig;
use super::shape::{alternatives, properties};

/// Marks a key that must be given; see `raw`.
const REQUIRED: &str = "x-required";

/// The JSON Schema (2020-12) of the configuration, without references.
#[must_use]
pub fn json_schema() -> Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
            let mut schema = settings.into_generator().into_root_schema_for::<RawConfig>().to_value();
            tidy(&mut schema);
            schema
        })
        .clone()
}

/// Turns the marks into `required`, and drops defaults that say only that there is none.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            let mut required = Vec::new();
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (key, property) in properties.iter_mut() {
                    let Value::Object(property) = property else { continue };
                    if property.remove(REQUIRED).is_some() {
                        required.push(Value::String(key.clone()));
                        property.remove("default");
                    }
                    let is_nothing =
                        |value: &Value| value.is_null() || value.is_object() || value == &Value::Array(vec![]);
                    if property.get("default").is_some_and(is_nothing) {
                        property.remove("default");
                    }
                }
            }
            if !required.is_empty() {
                object.insert("required".to_owned(), Value::Array(required));
            }
            object.values_mut().for_each(tidy);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The reference page, Markdown.
#[must_use]
pub fn markdown() -> String {
    let schema = json_schema();
    let mut page = String::from(
        "# Configuration reference\n\n\
         Made by `gridwatch schema config --markdown` from the program itself; do not edit.\n\
         `config/example.toml` shows the same keys at work.\n\n",
    );
    page.push_str(&description(&schema));
    page.push('\n');
    table(&mut page, &schema, "");
    page
}

/// Writes the keys of one table, then the tables below it.
fn table(page: &mut String, schema: &Value, path: &str) {
    let Some(keys) = properties(schema) else { return };
    let required = alternatives(schema).find_map(|schema| schema.get("required")).and_then(Value::as_array);
    let is_required = |key: &str| required.is_some_and(|keys| keys.iter().any(|k| k == key));
    let (tables, values): (Vec<_>, Vec<_>) = keys.iter().partition(|(_, schema)| is_section(schema));
    if !values.is_empty() {
        page.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    }
    for (key, schema) in values {
        let default = match schema.get("default") {
            Some(value) => format!("`{value}`"),
            None if is_required(key) => "**must be given**".to_owned(),
            None => "none".to_owned(),
        };
        writeln!(page, "| `{key}` | {} | {default} | {} |", value_type(schema), description(schema))
            .unwrap_or_default();
    }
    for (key, schema) in tables {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let rows = schema.get("items");
        let (open, close) = if rows.is_some() { ("[[", "]]") } else { ("[", "]") };
        writeln!(page, "\n## `{open}{path}{close}`\n").unwrap_or_default();
        let body = rows.unwrap_or(schema);
        let words = alternatives(body).map(description).find(|words| !words.is_empty()).unwrap_or_default();
        let must = if is_required(key) { " Must be given." } else { "" };
        writeln!(page, "{words}{must}").unwrap_or_default();
        table(page, body, &path);
    }
}

/// Whether a key stands for a table with a header of its own; windows and secrets are written in line.
pub(super) fn is_section(schema: &Value) -> bool {
    let rows = schema.get("items").unwrap_or(schema);
    let has = |key| properties(rows).is_some_and(|keys: &Map<String, Value>| keys.contains_key(key));
    properties(rows).is_some() && !has("from") && !has("credential")
}

/// On one line, as a cell of a table must be.
fn description(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

fn value_type(schema: &Value) -> String {
    let keys = properties(schema.get("items").unwrap_or(schema));
    if let Some(keys) = keys {
        let names: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
        return if schema.get("items").is_some() {
            format!("list of windows ({})", names.join(", "))
        } else {
            format!("text, or a table with one of {}", names.join(", "))
        };
    }
    if let Some(choices) = choices(schema) {
        return choices;
    }
    match schema.get("items").map(value_type) {
        Some(items) if items == "list of number" => "list of points `[x, y]`".to_owned(),
        Some(items) if items == "whole number" => "list of whole numbers".to_owned(),
        Some(items) => format!("list of {items}"),
        None => format!("{}{}", basic_type(schema), range(schema)),
    }
}

/// The names of an enumeration, which `schemars` writes as `enum` or as described constants.
fn choices(schema: &Value) -> Option<String> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let constants = described.flat_map(|choice| {
        choice.get("const").into_iter().chain(choice.get("enum").and_then(Value::as_array).into_iter().flatten())
    });
    let names: Vec<_> = listed.chain(constants).filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn basic_type(schema: &Value) -> &'static str {
    let kind = schema.get("type");
    let first = kind.and_then(Value::as_array).and_then(|kinds| kinds.first()).or(kind);
    match first.and_then(Value::as_str) {
        Some("integer") => "whole number",
        Some("number") => "number",
        Some("boolean") => "`true`, `false`",
        _ => "text",
    }
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(" {least}–{most}"),
        _ => String::new(),
    }
}
