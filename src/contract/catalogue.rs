//! Event codes: which classes of which standards a kind and subkind stand for. Data, not code.

use serde::{Deserialize, Serialize};

use crate::domain::incident::Kind;

const BUILT_IN: &str = include_str!("../../config/catalogue.toml");

/// A class of one standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The standard, or the name of a local scheme.
    pub scheme: String,
    /// The class.
    pub code: String,
    /// Its name there.
    pub name: String,
}

/// How pressing an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information.
    Info,
    /// Ordinary.
    General,
    /// Serious.
    Serious,
    /// Urgent.
    Urgent,
}

/// Codes of one subkind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which of the three.
    pub kind: Kind,
    /// Finer kind.
    pub subkind: String,
    /// How pressing.
    pub severity: Severity,
    /// At least one.
    pub codes: Vec<Code>,
}

/// A list of codes with its version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Reported in `info`.
    pub version: String,
    /// How far the codes can be relied upon, in words.
    pub status: String,
    /// One per subkind.
    #[serde(rename = "entry")]
    entries: Vec<Entry>,
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML of the expected form.
    #[error("catalogue: {0}")]
    Malformed(#[from] toml::de::Error),
    /// An entry breaks a limit of the contract.
    #[error("catalogue entry `{kind}/{subkind}`: {problem}")]
    Entry {
        /// Kind of the entry.
        kind: &'static str,
        /// Subkind of the entry.
        subkind: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Catalogue {
    /// The codes this program ships with.
    ///
    /// # Panics
    /// Never: the built-in text is parsed by a test.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in catalogue is tested")
    }

    /// A catalogue from TOML.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text)?;
        for (index, entry) in catalogue.entries.iter().enumerate() {
            let twice =
                catalogue.entries.iter().take(index).any(|e| e.kind == entry.kind && e.subkind == entry.subkind);
            let problem = if twice { Some("is listed twice") } else { entry.problem() };
            if let Some(problem) = problem {
                let (kind, subkind) = (entry.kind.name(), entry.subkind.clone());
                return Err(CatalogueError::Entry { kind, subkind, problem });
            }
        }
        Ok(catalogue)
    }

    /// The entry of a subkind.
    #[must_use]
    pub fn entry(&self, kind: Kind, subkind: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind && entry.subkind == subkind)
    }

    /// Codes and severity of a subkind; one that the catalogue does not know gets a local code, so that
    /// an incomplete catalogue never holds an event back.
    #[must_use]
    pub fn classify(&self, kind: Kind, subkind: &str) -> (Vec<Code>, Severity) {
        if let Some(entry) = self.entry(kind, subkind) {
            return (entry.codes.clone(), entry.severity);
        }
        let (scheme, code) = ("gridwatch-local".to_owned(), kind.name().to_owned());
        (vec![Code { scheme, name: code.clone(), code }], Severity::General)
    }
}

impl Entry {
    fn problem(&self) -> Option<&'static str> {
        let subkind = &self.subkind;
        let legal = subkind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !(2..=40).contains(&subkind.len()) || !legal || !subkind.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Some("a subkind is 2 to 40 lower-case letters, digits and `_`");
        }
        if self.codes.is_empty() || self.codes.len() > 8 {
            return Some("1 to 8 codes are expected");
        }
        let fits = |text: &str, limit: usize| (1..=limit).contains(&text.chars().count());
        let code_legal = |code: &str| code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        let good = |c: &Code| fits(&c.scheme, 40) && fits(&c.code, 32) && fits(&c.name, 60) && code_legal(&c.code);
        (!self.codes.iter().all(good))
            .then_some("scheme (40), code (32 of A-Z a-z 0-9 _ . -) or name (60) does not fit")
    }
}
