//! From raw tables to the validated configuration.
//!
//! Every function looks at all of its keys before it gives up, so that one run shows every mistake:
//! `None` means that something was reported.

mod camera;
mod delivery;
mod gateway;
mod profile;
mod resources;
mod rules;
mod schedule;
mod source;
mod zone;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::document::Document;
use super::finding::{ConfigErrors, Finding};
use super::model::{Config, Secret, SecretRef};
use super::raw::RawConfig;
use super::raw::secret::RawSecret;
use super::section::{Problem, Section};
use super::structure;

/// Something was given, and was reported.
struct Refused;

/// What the checks of one configuration share.
struct Site {
    /// Where relative paths start.
    folder: PathBuf,
}

impl Site {
    fn path(&self, path: PathBuf) -> PathBuf {
        // `join` keeps an absolute path as it is.
        self.folder.join(path)
    }
}

pub(super) fn validate(text: &str, file: &Path) -> Result<(Config, Vec<Finding>), ConfigErrors> {
    let (document, syntax) = Document::parse(text);
    if !syntax.is_empty() {
        let mut findings: Vec<_> = syntax.iter().map(|error| syntax_finding(error, &document, file)).collect();
        // What follows on the same line is the parser finding its way back.
        findings.dedup_by_key(|finding| finding.line);
        if let Some(last) = findings.last_mut() {
            "the other checks follow when this can be read".clone_into(&mut last.advice);
        }
        return Err(ConfigErrors { findings, warnings: Vec::new() });
    }
    let structure::Structure { raw, refused, problems } = structure::read(&document);
    let root = Section::root(problems, refused);
    let site = Site { folder: file.parent().unwrap_or(Path::new("")).to_owned() };
    let config = config(raw, &root, &site, text);
    let (warnings, findings): (Vec<_>, Vec<_>) = root.take_problems().into_iter().partition(|p| p.is_warning);
    let place = |problems: Vec<Problem>| {
        let mut placed: Vec<_> = problems.into_iter().map(|problem| located(problem, &document, file)).collect();
        placed.sort_by_key(|finding| (finding.line, finding.column));
        placed
    };
    let (warnings, findings) = (place(warnings), place(findings));
    match config {
        Some(config) if findings.is_empty() => Ok((config, warnings)),
        _ => Err(ConfigErrors { findings, warnings }),
    }
}

fn config(raw: RawConfig, root: &Section, site: &Site, text: &str) -> Option<Config> {
    let gateway = root.required("gateway", raw.gateway);
    let gateway = gateway.and_then(|raw| gateway::gateway(raw, &root.table("gateway"), site));
    let inference = root.required("inference", raw.inference);
    let inference = inference.and_then(|raw| resources::inference(raw, &root.table("inference"), site));
    let storage = resources::storage(raw.storage, site);
    let delivery = delivery::delivery(raw.mqtt, raw.spool, root, site, &storage);
    let evidence = resources::evidence(&raw.evidence, &root.table("evidence"));
    let alert_budget = resources::alert_budget(&raw.alert_budget);
    let cameras = camera::cameras(raw.camera, root, site, gateway.as_ref());
    let profiles = profile::profiles(raw.profile, root, cameras.as_deref());
    Some(Config {
        gateway: gateway?,
        delivery: delivery?,
        storage,
        inference: inference?,
        evidence,
        alert_budget,
        cameras: cameras?,
        profiles: profiles?,
        sha256: hexadecimal(&Sha256::digest(text)),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn located(problem: Problem, document: &Document<'_>, file: &Path) -> Finding {
    let (line, column) = document.position(document.offset_of(&problem.path));
    let Problem { path, message, advice, .. } = problem;
    Finding { file: file.to_owned(), line, column, key: document.label(&path), message, advice }
}

/// The parser's message names what it expected, never the text that it found.
fn syntax_finding(error: &toml::de::Error, document: &Document<'_>, file: &Path) -> Finding {
    let (line, column) = document.position(error.span().map_or(0, |span| span.start));
    Finding {
        file: file.to_owned(),
        line,
        column,
        key: String::new(),
        message: format!("not valid TOML: {}", error.message()),
        advice: String::new(),
    }
}

/// An identifier that is also a topic level and a file name.
fn identifier(key: &str, value: Option<String>, section: &Section) -> Option<String> {
    let value = section.required_text(key, value)?;
    let legal = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !legal || value.len() > 64 {
        section.error(key, "is not an identifier", "use letters, digits, `-` and `_`, at most 64");
        return None;
    }
    Some(value)
}

/// A code of exactly `digits` digits.
fn code(key: &str, value: Option<String>, digits: usize, section: &Section) -> Option<String> {
    let value = section.required_text(key, value)?;
    if value.len() != digits || !value.bytes().all(|b| b.is_ascii_digit()) {
        section.error(key, format!("must be {digits} digits"), "put them in \"quotes\", leading zeros included");
        return None;
    }
    Some(value)
}

/// Where a secret is.
fn secret(key: &str, raw: RawSecret, section: &Section, site: &Site) -> Result<SecretRef, Refused> {
    let raw = match raw {
        RawSecret::Inline(secret) => return inline_secret(key, secret, section),
        RawSecret::Reference(raw) => raw,
    };
    let one = "give exactly one of `credential`, `file` and `env`";
    let reference = match (raw.credential, raw.file, raw.env) {
        (Some(name), None, None) if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') => {
            section.error(key, "is not the name of a credential", "use the name before the `:` in LoadCredential=");
            return Err(Refused);
        }
        (Some(name), None, None) => SecretRef::Credential(name),
        (None, Some(path), None) => SecretRef::File(site.path(path)),
        (None, None, Some(name)) if name.is_empty() || name.contains(['=', '\0']) => {
            section.error(key, "is not the name of an environment variable", "write it without `$` and `=`");
            return Err(Refused);
        }
        (None, None, Some(name)) => SecretRef::Env(name),
        (None, None, None) => {
            section.error(key, "says not where the secret is", one);
            return Err(Refused);
        }
        _ => {
            section.error(key, "names several places for one secret", one);
            return Err(Refused);
        }
    };
    Ok(reference)
}

fn inline_secret(key: &str, secret: Secret, section: &Section) -> Result<SecretRef, Refused> {
    if secret.expose().is_empty() {
        section.error(key, "is empty", "refer to the secret, or leave the key out");
        return Err(Refused);
    }
    let advice = "use { credential = \"…\" }, { file = \"…\" } or { env = \"…\" }, and change the secret";
    section.warn(key, "a secret is written in the configuration", advice);
    Ok(SecretRef::Inline(secret))
}
