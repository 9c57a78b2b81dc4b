//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// One mistake or doubt, placed in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The configuration file, as it was named.
    pub file: PathBuf,
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// In characters, from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// Key path, with the `id` of a table where it has one: `camera[east-gate].zone[2].polygon`.
    pub key: String,
    /// What is wrong. Never holds the value of a secret.
    pub message: String,
    /// What to do about it; may be empty.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

/// Every mistake of a configuration, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The mistakes.
    pub findings: Vec<Finding>,
    /// What else was noticed.
    pub warnings: Vec<Finding>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
