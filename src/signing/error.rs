//! Why a key cannot be used.

use std::io;
use std::path::PathBuf;

/// Why a key cannot be made, read or changed. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk says no.
    #[error("{path}: {source}")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not what this program writes.
    #[error(
        "{path}: {problem}; put the folder `keys` back from a copy, or remove it: the gateway then begins with a new key, \
         which the platform has to be told of"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No signing key was ever made here.
    #[error("{0}: there is no signing key yet; it is made when gridwatch starts for the first time")]
    Missing(PathBuf),
    /// The system has no random numbers.
    #[error("no random numbers for a key")]
    NoRandomness,
    /// Not a public key.
    #[error("not an Ed25519 public key: {0}")]
    NotAKey(&'static str),
}

impl KeyError {
    pub(super) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, problem: &impl ToString) -> Self {
        Self::Damaged { path: path.into(), problem: problem.to_string() }
    }
}
