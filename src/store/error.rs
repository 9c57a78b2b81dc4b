//! Why the store could not do it.

use std::path::PathBuf;

use crate::contract::sequence::Epoch;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A file or folder says no.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Written by a later version of this program.
    #[error(
        "{path}: written by a newer gridwatch (schema {found}, this one knows {known}); install that version again"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Nothing to read.
    #[error("{0}: there is no store; is `state_dir` of [storage] the right folder, and has gridwatch run with it?")]
    Missing(PathBuf),
    /// Something else of that name.
    #[error("{0}: not a database of gridwatch")]
    NotAStore(PathBuf),
    /// The disk or the database says no.
    #[error("{path}: cannot be opened or read: {source}")]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Written by a version that had no audit.
    #[error("{0}: this store has no audit yet; it begins when this version of gridwatch has run with it")]
    NoAudit(PathBuf),
    /// Another process writes for longer than we wait.
    #[error("{0}: another process has kept it from being written for ten seconds; try again")]
    Busy(PathBuf),
    /// A picture that is not what was stored.
    #[error("{0}: damaged, its SHA-256 is another one")]
    Altered(PathBuf),
    /// Numbers of another life of the outbox are asked for.
    #[error("epoch {asked} is over or was never this gateway's; its numbers are of epoch {ours}")]
    ForeignEpoch {
        /// That was asked for.
        asked: Epoch,
        /// That runs.
        ours: Epoch,
    },
    /// Another process works here.
    #[error("{0}: in use by another gridwatch")]
    Locked(PathBuf),
    /// Kept JSON cannot be read back.
    #[error("kept state: {0}")]
    Json(#[from] serde_json::Error),
    /// A commit names a picture that is not kept.
    #[error("camera {camera}: snapshot {snapshot} is not kept")]
    NoSnapshot {
        /// Camera.
        camera: String,
        /// Snapshot.
        snapshot: u64,
    },
    /// The store's thread has ended.
    #[error("the store is closed")]
    Closed,
}
