//! What the analyzer says about an incident. The message made of it is the contract's `GridEvent`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::detection::Role;
use super::geometry::BoundingBox;
use super::time::moved;
use super::{SignedDuration, Timestamp};

/// The three things this program looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 占道经营, 店外经营: goods or a stall on a walkway, or beyond a shop line.
    Encroachment,
    /// 渣土偷倒, 乱倾倒: fly-tipping.
    Dumping,
    /// 人群聚集: people standing together.
    Crowding,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Encroachment, Self::Dumping, Self::Crowding];

    /// The name used in topics, events and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encroachment => "encroachment",
            Self::Dumping => "dumping",
            Self::Crowding => "crowding",
        }
    }
}

/// Why an incident is no longer reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Seen to be gone.
    Cleared,
    /// No longer known: pictures stopped.
    CameraLost,
    /// No longer known: the camera looks elsewhere.
    ViewChanged,
    /// The rule or zone was removed or switched off.
    RuleDisabled,
    /// Another incident took its place.
    Superseded,
    /// Never was one.
    Retracted,
    /// Still there, reported for long enough.
    MaxDuration,
}

/// Where in its life an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", content = "reason", rename_all = "snake_case")]
pub enum Phase {
    /// First report.
    Opened,
    /// Better known, or a verification.
    Updated,
    /// Last report.
    Closed(CloseReason),
}

/// What a picture shows of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRole {
    /// The place before it happened.
    Before,
    /// First sight.
    FirstSeen,
    /// Whoever brought it, at work.
    During,
    /// The place when they had left.
    After,
    /// When the rule was met.
    Confirmed,
    /// The latest view.
    Latest,
    /// When it was gone.
    Closed,
    /// Asked for by the platform after handling.
    Verification,
    /// Nobody blurred, encrypted to the township: of dumping only.
    OriginalSealed,
}

/// Names one kept picture of one camera; unique for the camera's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(pub u64);

/// The analyzer's wish about the picture it has just been given (or one it had kept).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotRequest {
    /// Keep the current picture under this name.
    Keep(SnapshotId),
    /// Keep it with nobody left to be seen in this zone: it shows crowding there.
    KeepCrowd(SnapshotId, String),
    /// The picture just kept shows dumping: its original may be kept too, where the site seals originals.
    KeepOriginal(SnapshotId),
    /// The named picture will not be needed.
    Discard(SnapshotId),
}

/// A kept picture that belongs to a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// The picture.
    pub snapshot: SnapshotId,
    /// What it shows.
    pub role: EvidenceRole,
    /// When it was taken.
    pub captured_at: Timestamp,
}

/// Numbers that say how big an incident is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Measure {
    /// Encroachment.
    Occupation {
        /// Standing things that count as stalls, goods or tricycles.
        objects: u32,
        /// People beside them.
        attendants: u32,
        /// Share of the zone's area that the boxes cover, 0–1.
        occupied_ratio: f64,
    },
    /// Dumping.
    GroundChange {
        /// Share of the zone's ground that differs from before, 0–1.
        changed_ratio: f64,
        /// Whether somebody was seen bringing it.
        act_seen: bool,
    },
    /// Crowding, published in bands only.
    Crowd {
        /// People who stand.
        standing: u32,
        /// All people in the zone.
        present: u32,
        /// People per m², where the ground is calibrated.
        density: Option<f64>,
    },
}

/// A box shown with an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelledBox {
    /// What it is.
    pub role: Role,
    /// 0–1.
    pub score: f32,
    /// Where.
    pub bbox: BoundingBox,
}

/// Answer to the platform's "handled, please look again".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationResult {
    /// It is gone.
    Cleared,
    /// It is still there.
    StillPresent,
    /// No usable picture in time.
    CannotTell,
}

/// One step in an incident's life, complete: a later revision replaces an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTransition {
    /// Stable for the incident's life; a `UUIDv7` in form.
    pub event_id: Uuid,
    /// 1 for `Opened`, then one more each time.
    pub revision: u32,
    /// What happened.
    pub phase: Phase,
    /// Which of the three.
    pub kind: Kind,
    /// Finer kind, a key of the catalogue: `street_occupation`, `out_of_store`, `roaming_vendor`,
    /// `muck_pile`, `exposed_garbage`, `crowd`.
    pub subkind: String,
    /// Zone of the configuration.
    pub zone: String,
    /// Rule of the configuration.
    pub rule: String,
    /// When this was decided.
    pub at: Timestamp,
    /// First sight.
    pub first_seen: Timestamp,
    /// When the rule was met.
    pub confirmed: Timestamp,
    /// Latest sight.
    pub last_seen: Timestamp,
    /// When it was seen to be gone.
    pub cleared: Option<Timestamp>,
    /// How big.
    pub measure: Measure,
    /// 0–1.
    pub score: f64,
    /// Good looks at which it was seen, in the dwell window.
    pub frames_hit: u32,
    /// Good looks in the dwell window.
    pub frames_seen: u32,
    /// Boxes to draw, at most 50; none for crowding.
    pub boxes: Vec<LabelledBox>,
    /// Pictures new with this revision; earlier ones stay with the incident.
    pub evidence: Vec<EvidenceRef>,
    /// Exceptions that were looked at and did not apply: `permit_window`, `loading_window`, …
    pub exceptions_checked: Vec<String>,
    /// An earlier incident of the same place.
    pub related: Option<Uuid>,
    /// Set on the step that answers a verification.
    pub verification: Option<Verification>,
}

/// Outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What was seen.
    pub result: VerificationResult,
    /// When.
    pub checked_at: Timestamp,
    /// The platform's feedback number that asked, if it was feedback and not a command.
    pub feedback_seq: Option<u64>,
}

impl IncidentTransition {
    /// The same step on a time line that runs ahead by `by`: between the box's own time and UTC.
    #[must_use]
    pub fn moved(self, by: SignedDuration) -> Self {
        let to = |at| moved(at, by);
        Self {
            at: to(self.at),
            first_seen: to(self.first_seen),
            confirmed: to(self.confirmed),
            last_seen: to(self.last_seen),
            cleared: self.cleared.map(to),
            evidence: self.evidence.iter().map(|e| EvidenceRef { captured_at: to(e.captured_at), ..*e }).collect(),
            verification: self.verification.map(|v| Verification { checked_at: to(v.checked_at), ..v }),
            ..self
        }
    }
}
