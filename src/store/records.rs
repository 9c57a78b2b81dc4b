//! What goes into the store and comes out of it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use crate::contract::feedback::Feedback;
use crate::contract::grid_event::Redaction;
use crate::contract::sequence::{Epoch, Seq, Stamp};
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
use crate::domain::incident::{EvidenceRole, IncidentTransition, SnapshotId};

/// What was found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Life of the outbox.
    pub epoch: Epoch,
    /// The damaged database that was set aside, and with it everything that had not been sent.
    pub set_aside: Option<PathBuf>,
    /// Files without a row that were deleted.
    pub orphans_removed: u64,
    /// Messages that wait.
    pub pending: u64,
    /// Messages that damage of the store may have taken, the broker's answers to some of which were not yet on record; they stand in
    /// the ledger of losses.
    pub lost: u64,
}

/// A picture to keep.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// The file's bytes.
    pub jpeg: bytes::Bytes,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of `jpeg`, hexadecimal.
    pub sha256: String,
    /// What was blurred.
    pub redaction: Redaction,
    /// When it was taken.
    pub captured_at: Timestamp,
}

/// A kept picture, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureMeta {
    /// Size of the file.
    pub bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Hexadecimal.
    pub sha256: String,
    /// What was blurred.
    pub redaction: Redaction,
    /// When it was taken.
    pub captured_at: Timestamp,
}

/// Lane of a message, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// First report of an incident.
    Opened = 0,
    /// Last report of an incident.
    Closed = 1,
    /// Anything between; a newer revision supersedes one that was never sent.
    Update = 2,
    /// A picture.
    #[serde(rename = "picture")]
    Evidence = 3,
}

/// Writes a message's bytes once its number is known. May be called again if the disk was full.
pub type Render = Box<dyn Fn(&Stamp) -> Vec<u8> + Send>;

/// A message to be written.
pub struct Draft {
    /// Its lane; not [`Class::Evidence`], which [`SnapshotUse`] makes.
    pub class: Class,
    /// Where it goes.
    pub topic: String,
    /// Media type.
    pub content_type: String,
    /// Event and revision.
    pub event: (Uuid, u32),
    /// Its bytes.
    pub render: Render,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("class", &self.class).field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A kept snapshot that becomes a picture of an event, and a message of its own.
#[derive(Debug, Clone)]
pub struct SnapshotUse {
    /// The event.
    pub event_id: Uuid,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its name in the event: `e1`, `e2`, …
    pub id: String,
    /// What it shows.
    pub role: EvidenceRole,
    /// Where it goes.
    pub topic: String,
}

/// Everything that one look at a camera changed, written in one transaction.
///
/// An event is published from the first commit on that holds a draft of it. Pictures of an event that is
/// not published yet are kept with it, and become messages in that commit.
#[derive(Debug)]
pub struct Commit {
    /// The camera.
    pub camera: CameraId,
    /// Steps of its incidents.
    pub transitions: Vec<IncidentTransition>,
    /// Pictures of the steps.
    pub snapshots_used: Vec<SnapshotUse>,
    /// Messages of the steps.
    pub drafts: Vec<Draft>,
    /// The analyzer's state after it.
    pub analyzer_state: Option<String>,
    /// Feedback (event and `seq`) that the analyzer's state contains.
    pub feedback_applied: Vec<(Uuid, u64)>,
}

/// Local key of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i64);

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Local key.
    pub id: MessageId,
    /// Number of an event message.
    pub seq: Option<Seq>,
    /// Lane.
    pub class: Class,
    /// Where it goes.
    pub topic: String,
    /// Media type.
    pub content_type: String,
    /// The same at every attempt.
    pub body: bytes::Bytes,
    /// Event, and its revision unless it is a picture.
    pub event: (Uuid, Option<u32>),
    /// Name of a picture in the event.
    pub evidence: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// The broker has it; kept until the platform's receipt (a picture, which gets none, is released).
    BrokerAcked,
    /// It may go.
    Released,
    /// It will not be sent again by itself.
    Quarantined {
        /// In words.
        reason: String,
    },
}

/// Messages that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// To be sent now.
    pub ready: u64,
    /// Waiting for the platform's receipt.
    pub awaiting_receipt: u64,
    /// When the next of those is to be sent again.
    pub next_due: Option<Timestamp>,
}

/// What became of a feedback message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackOutcome {
    /// The case stands as it says.
    Applied,
    /// A later one came before it.
    Stale,
    /// No such event.
    UnknownEvent,
}

/// An incident as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Camera.
    pub camera: CameraId,
    /// Latest step.
    pub latest: IncidentTransition,
    /// Latest feedback.
    pub feedback: Option<Feedback>,
    /// Whether a message of it was ever written.
    pub published: bool,
}

/// An account at a camera. The fingerprint changes when the configuration of it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthKey {
    /// Host and port.
    pub host: String,
    /// Login name.
    pub account: String,
    /// Of the credentials and their settings; never the credentials.
    pub fingerprint: String,
}

/// What housekeeping did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Housekeeping {
    /// Pictures deleted for age or space.
    pub pictures_removed: u64,
    /// Messages given up for space.
    pub messages_lost: u64,
    /// Whether the accounting balances.
    pub balanced: bool,
}
