//! What a catalogue file says.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

/// The catalogue that is part of the program.
const EMBEDDED: &str = include_str!("../../models/catalogue.toml");
/// Its manifests.
const EMBEDDED_MANIFESTS: [(&str, &str); 5] = [
    ("yolox-nano", include_str!("../../models/yolox-nano.toml")),
    ("yolox-tiny", include_str!("../../models/yolox-tiny.toml")),
    ("yolox-s", include_str!("../../models/yolox-s.toml")),
    ("nanodet-m", include_str!("../../models/nanodet-m.toml")),
    ("dfine-s", include_str!("../../models/dfine-s.toml")),
];
/// More than fits on an edge box.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Models that can be fetched, in the order of the file.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Each name once.
    pub entries: Vec<Entry>,
}

/// One model.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What people call it, and the stem of its manifest.
    pub name: String,
    /// Where the file is.
    pub url: Url,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the two before were taken from.
    pub source_of_fact: SourceOfFact,
    /// What somebody who chooses should know.
    pub note: Option<String>,
    /// Where the manifest's text was read from; a bare file name in the program's own catalogue.
    pub manifest_file: PathBuf,
    /// The manifest, unread.
    pub manifest: String,
}

/// What size and SHA-256 were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceOfFact {
    /// The file itself, which was also run.
    File,
    /// The publisher's Git LFS pointer.
    LfsPointer,
    /// Several projects that do not know one another.
    Quoted,
}

impl fmt::Display for SourceOfFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "run here; size and SHA-256 are those of the file",
            Self::LfsPointer => "not run here; size and SHA-256 as its publisher's store states them",
            Self::Quoted => "not run here; size and SHA-256 as several independent projects quote them",
        })
    }
}

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The catalogue or a manifest beside it.
    #[error("{path}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Of the system.
        reason: std::io::Error,
    },
    /// Not what a catalogue looks like.
    #[error("{path}: {reason}")]
    Invalid {
        /// The catalogue.
        path: PathBuf,
        /// In words.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogue {
    model: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: String,
    url: Url,
    bytes: u64,
    sha256: String,
    source_of_fact: SourceOfFact,
    note: Option<String>,
}

impl Catalogue {
    /// The catalogue that is part of the program.
    pub fn embedded() -> Result<Self, CatalogueError> {
        let manifest = |name: &str| {
            let found = EMBEDDED_MANIFESTS.into_iter().find(|(stem, _)| *stem == name);
            found.map(|(_, text)| text.to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        parse(EMBEDDED, Path::new("catalogue.toml"), manifest)
    }

    /// A catalogue in a file; the manifests stand beside it.
    pub fn load(path: &Path) -> Result<Self, CatalogueError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| CatalogueError::Unreadable { path: path.to_owned(), reason })?;
        parse(&text, path, |name| std::fs::read_to_string(path.with_file_name(format!("{name}.toml"))))
    }

    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// `manifest` gives the text of a model's manifest.
fn parse(
    text: &str,
    path: &Path,
    manifest: impl Fn(&str) -> std::io::Result<String>,
) -> Result<Catalogue, CatalogueError> {
    let invalid = |reason: String| CatalogueError::Invalid { path: path.to_owned(), reason };
    let raw: RawCatalogue = toml::from_str(text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))?;
    let mut entries: Vec<Entry> = Vec::with_capacity(raw.model.len());
    for model in raw.model {
        refuse(&model).map_err(|reason| invalid(format!("model `{}`: {reason}", model.name)))?;
        if entries.iter().any(|entry| entry.name == model.name) {
            return Err(invalid(format!("model `{}` is named twice", model.name)));
        }
        let manifest_file = path.with_file_name(format!("{}.toml", model.name));
        let manifest = manifest(&model.name)
            .map_err(|reason| CatalogueError::Unreadable { path: manifest_file.clone(), reason })?;
        entries.push(Entry {
            manifest_file,
            manifest,
            name: model.name,
            url: model.url,
            bytes: model.bytes,
            sha256: model.sha256,
            source_of_fact: model.source_of_fact,
            note: model.note,
        });
    }
    Ok(Catalogue { entries })
}

/// What is wrong with an entry's values. A name becomes a file's, so it may not lead elsewhere.
fn refuse(model: &RawEntry) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    let is_stem = model.name.starts_with(|c: char| c.is_ascii_alphanumeric()) && model.name.chars().all(plain);
    let hexadecimal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if !is_stem || model.name.len() > 64 {
        Err("a name has 1 to 64 small letters, digits, dots and dashes")
    } else if !["https", "http"].contains(&model.url.scheme()) {
        Err("`url` must begin with https:// (or http://)")
    } else if !(1..=MAX_BYTES).contains(&model.bytes) {
        Err("`bytes` must lie between 1 and 512 MiB")
    } else if model.sha256.len() != 64 || !model.sha256.bytes().all(hexadecimal) {
        Err("`sha256` must have 64 small hexadecimal digits")
    } else {
        Ok(())
    }
}
