//! Limits that every incoming payload meets before a parser sees it: brokers and platforms are run by others.

use serde::de::DeserializeOwned;

/// Largest payload accepted, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024;
/// Deepest nesting of arrays and objects accepted.
pub const MAX_DEPTH: usize = 16;

/// Why an incoming message is not acted upon. Never repeats the message's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Larger than [`MAX_PAYLOAD_BYTES`].
    #[error("payload of {0} bytes is over the limit of {MAX_PAYLOAD_BYTES}")]
    TooLarge(usize),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("payload is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("payload does not have the expected form at line {line}, column {column}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field has a value that is not allowed.
    #[error("field `{field}`: {problem}")]
    Field {
        /// Path of the field.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Parses JSON within the limits.
pub(super) fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Refused> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Refused::TooLarge(payload.len()));
    }
    if depth(payload) > MAX_DEPTH {
        return Err(Refused::TooDeep);
    }
    serde_json::from_slice(payload).map_err(|error| Refused::Malformed { line: error.line(), column: error.column() })
}

/// Refuses text that is empty, longer than `limit` characters, or holds control characters.
pub(super) fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), Refused> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.chars().count() > limit {
        "is too long"
    } else if text.chars().any(char::is_control) {
        "holds control characters"
    } else {
        return Ok(());
    };
    Err(Refused::Field { field, problem })
}

/// Deepest nesting of brackets outside strings.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
