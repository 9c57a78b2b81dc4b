//! Configuration: TOML text → raw tables → a validated [`Config`], all mistakes at once.
//!
//! `structure` finds what TOML and the raw tables refuse, `validate` what the values get wrong; both
//! name a key by its path, and `document` turns the path into a line.

pub mod address;
mod document;
pub mod environment;
mod finding;
mod key_path;
pub mod model;
mod raw;
mod recipient;
pub mod reference;
mod secret;
mod section;
mod shape;
mod structure;
mod validate;

use std::io::Read;
use std::path::Path;

pub use finding::{ConfigErrors, Finding};
pub use model::*;
pub use recipient::Recipient;
pub use secret::SecretError;

/// A configuration of more than a thousand cameras fits; something larger was named by mistake.
const MAX_BYTES: u64 = 1 << 20;

/// Reads and validates a file. The second part of the answer are warnings: the configuration can be
/// used, but somebody should look at it.
pub fn load(file: &Path) -> Result<(Config, Vec<Finding>), ConfigErrors> {
    let text = read(file).map_err(|message| {
        let advice = "give the configuration's path with --config".to_owned();
        let file = file.to_owned();
        let finding = Finding { file, line: 0, column: 0, key: String::new(), message, advice };
        ConfigErrors { findings: vec![finding], warnings: Vec::new() }
    })?;
    parse(&text, file)
}

/// Validates a text. `file` names it in findings, and its folder is where relative paths start.
pub fn parse(text: &str, file: &Path) -> Result<(Config, Vec<Finding>), ConfigErrors> {
    validate::validate(text, file)
}

fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| format!("cannot be opened: {error}"))?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is larger than 1 MiB, so it cannot be a configuration".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("is not UTF-8 text (byte {at}); save it as UTF-8")
    })
}

#[cfg(test)]
mod tests;
