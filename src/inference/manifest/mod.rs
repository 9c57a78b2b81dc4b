//! Model manifests: one TOML file beside each model says what it eats, what it gives and what its
//! classes stand for.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::domain::detection::{Role, RoleSet};

pub use fields::{
    BoxFormat, BoxUnit, Center, Color, Decoder, Detr, Input, Layout, Nanodet, Picodet, Resize, ScoreForm, Sha256Hex,
    Ultralytics, Yolox,
};

/// Weights larger than this are refused unread: an edge box cannot hold them.
pub const MAX_MODEL_BYTES: u64 = 512 * 1024 * 1024;
/// `redact_min_score` of a manifest that has none.
const REDACT_MIN_SCORE: f32 = 0.1;
/// A manifest larger than this is no manifest.
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

/// A manifest that has been checked; the weights have not been touched.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Where it was read from.
    pub path: PathBuf,
    /// Short name, shown in events.
    pub name: String,
    /// Version of the weights, shown in events.
    pub version: String,
    /// The ONNX file.
    pub model_file: PathBuf,
    /// Of the ONNX file.
    pub sha256: Sha256Hex,
    /// SPDX expression of the weights.
    pub licence: String,
    /// Where the weights come from, in words.
    pub origin: String,
    /// Measured quality, in words.
    pub quality: Option<String>,
    /// What the model eats.
    pub input: Input,
    /// How its outputs become boxes.
    pub decoder: Decoder,
    /// Class names, by class index.
    pub labels: Vec<String>,
    /// What each class stands for, by class index; empty for classes that mean nothing to the rules.
    pub roles: Vec<RoleSet>,
    /// Boxes below this score do not exist for the rules, 0–1.
    pub min_score: f32,
    /// Persons and vehicles are blurred down to this score, 0–`min_score`.
    pub redact_min_score: f32,
    /// Of two boxes of a class that overlap more than this, the weaker goes. Not used by end-to-end models.
    pub nms_iou: f32,
    /// At most so many boxes in a picture for the rules.
    pub max_detections: usize,
}

/// What is wrong with a manifest or its model file.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The manifest or the model file.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// The manifest's text is wrong.
    #[error("{path}:{line}: {}{reason}", key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default())]
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key at fault, if one could be named.
        key: Option<String>,
        /// In words.
        reason: String,
    },
    /// The model file is missing.
    #[error(
        "{path}: model file of manifest {manifest} is missing (origin: {origin}); gridwatch models list says what can be fetched"
    )]
    ModelMissing {
        /// The model file.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Where it can be had.
        origin: String,
    },
    /// The model file is not the one the manifest speaks of.
    #[error("{path}: SHA-256 is {found}, but manifest {manifest} wants {wanted}; the file is not loaded")]
    WrongHash {
        /// The model file.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Of the file.
        found: String,
        /// Of the manifest.
        wanted: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: fields::Name,
    version: fields::Name,
    file: PathBuf,
    sha256: Sha256Hex,
    licence: String,
    origin: String,
    quality: Option<String>,
    input: Input,
    decoder: Decoder,
    labels: Spanned<Vec<String>>,
    roles: BTreeMap<Spanned<String>, Vec<Role>>,
    #[serde(deserialize_with = "fields::share")]
    min_score: f32,
    redact_min_score: Option<Spanned<fields::Share>>,
    #[serde(default = "default_nms_iou", deserialize_with = "fields::share")]
    nms_iou: f32,
    #[serde(default = "default_max_detections", deserialize_with = "fields::detections")]
    max_detections: usize,
}

fn default_nms_iou() -> f32 {
    0.5
}

fn default_max_detections() -> usize {
    300
}

impl Manifest {
    /// Reads and checks a manifest. Its `file` is looked for in `models_dir`, or beside the manifest.
    pub fn load(path: &Path, models_dir: Option<&Path>) -> Result<Self, ManifestError> {
        let bytes = read_capped(path, MAX_MANIFEST_BYTES).map_err(|reason| unreadable(path, reason))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable(path, "not UTF-8 text".to_owned()))?;
        Self::parse(&text, path, models_dir)
    }

    /// As [`Manifest::load`], from text that was read from `path`.
    pub fn parse(text: &str, path: &Path, models_dir: Option<&Path>) -> Result<Self, ManifestError> {
        let raw: RawManifest =
            toml::from_str(text).map_err(|error| invalid(path, text, error.span(), error.message()))?;
        let classes = raw.labels.get_ref().len();
        if classes == 0 || classes > usize::from(u16::MAX) {
            let reason = "a model needs between 1 and 65535 labels";
            return Err(invalid(path, text, Some(raw.labels.span()), reason));
        }
        let mut roles = vec![RoleSet::EMPTY; classes];
        for (label, listed) in raw.roles {
            let Some(class) = raw.labels.get_ref().iter().position(|known| known == label.get_ref()) else {
                let reason = format!("`{}` is not one of the labels", label.get_ref());
                return Err(invalid(path, text, Some(label.span()), &reason));
            };
            roles[class] = listed.into_iter().collect();
        }
        let redact_min_score = match raw.redact_min_score {
            None => REDACT_MIN_SCORE.min(raw.min_score),
            Some(score) if score.get_ref().0 <= raw.min_score => score.get_ref().0,
            Some(score) => {
                let reason = "must not be more than `min_score`: what is seen is also blurred";
                return Err(invalid(path, text, Some(score.span()), reason));
            }
        };
        let folder = models_dir.or_else(|| path.parent()).unwrap_or(Path::new(""));
        Ok(Self {
            path: path.to_owned(),
            name: raw.name.0,
            version: raw.version.0,
            model_file: folder.join(raw.file),
            sha256: raw.sha256,
            licence: raw.licence,
            origin: raw.origin,
            quality: raw.quality,
            input: raw.input,
            decoder: raw.decoder,
            labels: raw.labels.into_inner(),
            roles,
            min_score: raw.min_score,
            redact_min_score,
            nms_iou: raw.nms_iou,
            max_detections: raw.max_detections,
        })
    }

    /// Whether a class has this role.
    #[must_use]
    pub fn knows(&self, role: Role) -> bool {
        self.roles.iter().any(|roles| roles.contains(role))
    }

    /// The weights, after their SHA-256 has been compared: the bytes returned are the bytes compared.
    pub fn read_model(&self) -> Result<Vec<u8>, ManifestError> {
        let path = &self.model_file;
        if !path.exists() {
            return Err(ManifestError::ModelMissing {
                path: path.clone(),
                manifest: self.path.clone(),
                origin: self.origin.clone(),
            });
        }
        let bytes = read_capped(path, MAX_MODEL_BYTES).map_err(|reason| unreadable(path, reason))?;
        let found = fields::hexadecimal(&Sha256::digest(&bytes));
        if found != self.sha256.as_str() {
            return Err(ManifestError::WrongHash {
                path: path.clone(),
                manifest: self.path.clone(),
                found,
                wanted: self.sha256.as_str().to_owned(),
            });
        }
        Ok(bytes)
    }
}

fn read_capped(path: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("larger than {} MiB", max_bytes / (1024 * 1024)));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, reason: String) -> ManifestError {
    ManifestError::Unreadable { path: path.to_owned(), reason }
}

/// The parser gives a byte span; people want a line and the key that stands on it.
fn invalid(path: &Path, text: &str, span: Option<Range<usize>>, reason: &str) -> ManifestError {
    let start = span.map_or(0, |span| span.start).min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let key =
        text.lines().nth(line - 1).and_then(|content| content.split_once('=')).map(|(key, _)| key.trim().to_owned());
    ManifestError::Invalid { path: path.to_owned(), line, key, reason: reason.trim().replace('\n', " ") }
}
