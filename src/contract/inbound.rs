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
    /// A name that nothing here has.
    #[error("no such {what} here; there are: {known}")]
    Unknown {
        /// Of what.
        what: &'static str,
        /// The names that there are.
        known: String,
    },
    /// It was to last until a moment that has passed.
    #[error("field `until`: has passed by the gateway's clock")]
    Over,
}

impl Refused {
    /// What is counted.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge(_) => Reason::TooLarge,
            Self::TooDeep => Reason::TooDeep,
            Self::Malformed { .. } => Reason::Malformed,
            Self::Field { .. } => Reason::InvalidValue,
            Self::Unknown { .. } => Reason::UnknownName,
            Self::Over => Reason::Expired,
        }
    }
}

/// Why messages are not acted upon, as `metrics` and the audit count it: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "said by `in_words`")]
pub enum Reason {
    TooLarge,
    TooDeep,
    Malformed,
    InvalidValue,
    UnknownName,
    ForeignTopic,
    ForeignResponseTopic,
    NoCorrelation,
    Retained,
    Expired,
    Replayed,
    RateLimited,
    UnknownEvent,
    NotPossible,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::TooLarge,
        Self::TooDeep,
        Self::Malformed,
        Self::InvalidValue,
        Self::UnknownName,
        Self::ForeignTopic,
        Self::ForeignResponseTopic,
        Self::NoCorrelation,
        Self::Retained,
        Self::Expired,
        Self::Replayed,
        Self::RateLimited,
        Self::UnknownEvent,
        Self::NotPossible,
    ];

    /// Its name in `metrics` (after `refused_`) and in the audit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::Malformed => "malformed",
            Self::InvalidValue => "invalid_value",
            Self::UnknownName => "unknown_name",
            Self::ForeignTopic => "foreign_topic",
            Self::ForeignResponseTopic => "foreign_response_topic",
            Self::NoCorrelation => "no_correlation",
            Self::Retained => "retained",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::RateLimited => "rate_limited",
            Self::UnknownEvent => "unknown_event",
            Self::NotPossible => "not_possible",
        }
    }

    /// For whoever asked.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooLarge => "the payload is too large",
            Self::TooDeep => "the payload is nested too deeply",
            Self::Malformed => "the payload does not have the expected form",
            Self::InvalidValue => "a field has a value that is not allowed",
            Self::UnknownName => "a name that nothing here has",
            Self::ForeignTopic => "the topic is not this gateway's",
            Self::ForeignResponseTopic => "there is no response topic below this gateway's own `rsp/`",
            Self::NoCorrelation => "correlation data is missing, or longer than 256 bytes",
            Self::Retained => "it is retained: it would act at every start",
            Self::Expired => "it came too late",
            Self::Replayed => "the same was asked or said before",
            Self::RateLimited => "too many in a minute; ask again later",
            Self::UnknownEvent => "no such event here",
            Self::NotPossible => "it cannot be done here",
        }
    }
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
