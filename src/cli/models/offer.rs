//! A model of the catalogue together with its manifest.

use std::path::{Path, PathBuf};

use crate::catalogue::{Entry, part_file};
use crate::domain::detection::RoleSet;
use crate::inference::manifest::{Manifest, ManifestError};

/// What can be fetched, and what it would be here.
#[derive(Debug)]
pub(super) struct Offer {
    /// The one in the folder, if there is one: a site may have changed scores and roles.
    pub(super) manifest: Manifest,
    /// Where the manifest is, or will be.
    pub(super) manifest_file: PathBuf,
}

/// An entry that cannot be fetched into this folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfferError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{manifest}: `{key}` is not that of the catalogue; one of the two is wrong")]
    Disagrees { manifest: PathBuf, key: &'static str },
    #[error("{manifest}: `file` must be a name without a folder")]
    Elsewhere { manifest: PathBuf },
    #[error("{manifest} is here already and wants another file; move it away, or give another folder with --dir")]
    OwnManifest { manifest: PathBuf },
}

impl Offer {
    pub(super) fn new(entry: &Entry, folder: &Path) -> Result<Self, OfferError> {
        let shipped = Manifest::parse(&entry.manifest, &entry.manifest_file, Some(folder))?;
        if shipped.sha256.as_str() != entry.sha256 {
            return Err(OfferError::Disagrees { manifest: shipped.path, key: "sha256" });
        }
        if shipped.model_file.parent() != Some(folder) {
            return Err(OfferError::Elsewhere { manifest: shipped.path });
        }
        let manifest_file = folder.join(format!("{}.toml", entry.name));
        if !manifest_file.exists() {
            return Ok(Self { manifest: shipped, manifest_file });
        }
        let manifest = Manifest::load(&manifest_file, None)?;
        if manifest.sha256 != shipped.sha256 {
            return Err(OfferError::OwnManifest { manifest: manifest_file });
        }
        Ok(Self { manifest, manifest_file })
    }

    /// The file's name in a folder of models.
    pub(super) fn file_name(&self) -> String {
        self.manifest.model_file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// What is here of a model, by size alone; `verify` reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Presence {
    Yes,
    /// A download that was broken off.
    Part,
    /// A file of another size.
    Wrong,
    No,
}

impl Presence {
    /// `bytes` is `None` where nobody has said how large the file is.
    pub(super) fn of(model_file: &Path, bytes: Option<u64>) -> Self {
        match std::fs::metadata(model_file) {
            Ok(metadata) if bytes.is_none_or(|bytes| metadata.len() == bytes) => Self::Yes,
            Ok(_) => Self::Wrong,
            Err(_) if part_file(model_file).exists() => Self::Part,
            Err(_) => Self::No,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Part => "part",
            Self::Wrong => "wrong",
            Self::No => "no",
        }
    }
}

/// Every role that some class of the model has.
pub(super) fn roles(manifest: &Manifest) -> Vec<&'static str> {
    let all: RoleSet = manifest.roles.iter().flat_map(|roles| roles.iter()).collect();
    all.iter().map(crate::domain::detection::Role::name).collect()
}
