//! From a document to raw tables, noting everything that does not fit on the way.
//!
//! `serde` stops at the first mistake. So the key it stumbles over is noted, taken out of a copy of the
//! document, and the copy is tried again, until it passes.

use serde::Deserialize;
use toml::de::DeValue;

use super::document::{Document, path_at, remove};
use super::key_path::KeyPath;
use super::raw::RawConfig;
use super::section::Problem;
use super::shape;

/// How `serde` begins when it meets a key that a table does not have; the table's own keys follow.
const UNKNOWN_KEY: &str = "unknown field";

/// More mistakes than anybody reads at once.
const MAX_PROBLEMS: usize = 200;

/// Raw tables of whatever fits.
pub(super) struct Structure {
    pub(super) raw: RawConfig,
    pub(super) refused: Vec<KeyPath>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn read(document: &Document<'_>) -> Structure {
    let mut tree = document.tree();
    let shape::Findings { mut problems, mut refused } = shape::check(tree.get_ref());
    for path in &refused {
        remove(tree.get_mut(), path);
    }
    for _ in 0..MAX_PROBLEMS {
        let error = match RawConfig::deserialize(toml::Deserializer::from(tree.clone())) {
            Ok(raw) => return Structure { raw, refused, problems },
            Err(error) => error,
        };
        let Some(place) = error.span().and_then(|span| path_at(tree.get_ref(), &span)) else { break };
        let Some(path) = place.to_last_key().filter(|path| remove(tree.get_mut(), path)) else { break };
        if !problems.iter().any(|problem| problem.path == path) {
            let (message, advice) = explain(error.message(), document.value(&place));
            problems.push(Problem { path: path.clone(), message, advice, is_warning: false });
        }
        // The key that was meant is not missing as well.
        let meant = meant_key(error.message()).map(|key| path.parent().key(key));
        refused.extend(meant.filter(|meant| document.value(meant).is_none()));
        refused.push(path);
    }
    // Nothing more can be said about the rest until these are corrected.
    if problems.is_empty() {
        let message = "this is not a configuration of gridwatch".to_owned();
        let advice = "start from config/example.toml".to_owned();
        problems.push(Problem { path: KeyPath::default(), message, advice, is_warning: false });
    }
    Structure { raw: RawConfig::default(), refused: vec![KeyPath::default()], problems }
}

/// A message of `serde` in plain words. Values are named by their type only: one may be a password
/// under the wrong key.
fn explain(message: &str, value: Option<&DeValue<'_>>) -> (String, String) {
    let found = value.map_or("something else", type_name);
    let quoted = quoted(message);
    if let (true, Some((_, known))) = (message.starts_with(UNKNOWN_KEY), quoted.split_first()) {
        let known = || format!("known here: {}", known.join(", "));
        let advice = meant_key(message).map_or_else(known, |key| format!("did you mean `{key}`?"));
        return ("unknown key".to_owned(), advice);
    }
    if let (true, Some((choice, known))) = (message.starts_with("unknown variant"), quoted.split_first()) {
        let advice = format!("write one of: {}", known.join(", "));
        return (format!("`{}` is not one of the choices", shortened(choice)), advice);
    }
    if let Some((_, expected)) = message.split_once(", expected ") {
        if message.starts_with("invalid length") {
            return ("a point has two numbers".to_owned(), "write [x, y], each from 0 to 1".to_owned());
        }
        let (expected, advice) = expectation(expected);
        return (format!("must be {expected}, not {found}"), advice);
    }
    ("cannot be read".to_owned(), format!("found {found}; see config/reference.md for what belongs here"))
}

fn expectation(expected: &str) -> (String, String) {
    let (words, advice) = match expected {
        "u64" => ("a whole number", "write it without quotes and without a fraction"),
        "f64" => ("a number", "write it without quotes"),
        "a boolean" => ("true or false", "write it without quotes"),
        "a string" | "path string" => ("a text", "put it in \"quotes\""),
        "a sequence" => ("a list", "put it in [brackets]"),
        "an array of length 2" => ("a point", "write [x, y], each from 0 to 1"),
        _ if expected.starts_with("struct ") => ("a table", "see config/reference.md for its keys"),
        _ if expected.starts_with("enum ") => ("one of the choices in quotes", "see config/reference.md"),
        other => return (other.to_owned(), String::new()),
    };
    (words.to_owned(), advice.to_owned())
}

pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// The known key that looks most like the unknown one, if it looks much like it.
fn meant_key(message: &str) -> Option<&str> {
    let quoted = quoted(message);
    let (key, known) = quoted.split_first().filter(|_| message.starts_with(UNKNOWN_KEY))?;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.8)
        .map(|(_, candidate)| candidate)
}

fn shortened(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}
