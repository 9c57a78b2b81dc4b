//! What the rest of the box says to one camera's analysis, and what it is answered.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::contract::grid_event::Redaction;
use crate::domain::feedback::Feedback;
use crate::domain::incident::Kind;

/// Input to one camera's analyzer from the rest of the box.
#[derive(Debug)]
pub enum CameraInput {
    /// The platform said something about an incident of this camera.
    Feedback {
        /// What.
        feedback: Feedback,
        /// The platform's number of it; `None` for a command.
        seq: Option<u64>,
        /// When it reached us.
        at: Timestamp,
        /// Whoever wants to know whether the analyzer still knows the incident.
        known: Option<oneshot::Sender<bool>>,
    },
    /// The times of an incident of this camera, as they were told last, were wrong.
    Retell {
        /// Which.
        event_id: Uuid,
        /// By how much they were behind.
        by: SignedDuration,
    },
    /// Nothing new of a kind, or of any, for a while.
    Mute {
        /// Of what.
        kind: Option<Kind>,
        /// Until when; `None` lifts it.
        until: Option<Timestamp>,
        /// When it reached us.
        at: Timestamp,
        /// What is muted now.
        done: oneshot::Sender<Muted>,
    },
    /// A picture of now is wanted.
    Snapshot {
        /// When it was asked for.
        at: Timestamp,
        /// Where it goes.
        done: oneshot::Sender<SnapshotAnswer>,
    },
}

/// What became of a mute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muted {
    /// What is muted now, and until when.
    pub mutes: BTreeMap<Kind, Timestamp>,
    /// Whether that survives a power cut already.
    pub durable: bool,
}

/// A redacted picture of now.
#[derive(Debug, Clone)]
pub struct PictureOfNow {
    /// The file's bytes.
    pub jpeg: Bytes,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Of `jpeg`, hexadecimal.
    pub sha256: String,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// What was blurred.
    pub redaction: Redaction,
    /// The camera counts people, so their number is not to be told.
    pub banded: bool,
}

/// Why there is no picture of now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// It cannot be redacted.
    #[error("withheld, it could not be redacted: {0}")]
    Withheld(String),
    /// It could not be made.
    #[error("{0}")]
    Failed(String),
}

/// The picture, or why there is none.
pub type SnapshotAnswer = Result<PictureOfNow, NoPicture>;
