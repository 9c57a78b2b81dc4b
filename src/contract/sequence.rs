//! Numbers that let a platform see what it has missed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one life of the outbox: a store that had to start anew counts from 1 under a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Uuid);

/// Number of an event message within its epoch: from 1, one more for each, never used twice.
/// Pictures carry none: an event binds them by SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why numbers will never arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneReason {
    /// A newer revision of the same event was written before they were sent.
    Superseded,
    /// Given up for want of space.
    Lost,
    /// Refused by the broker for good.
    Quarantined,
}

/// Numbers that will never arrive, and must not be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneRange {
    /// First number.
    pub from: Seq,
    /// Last number.
    pub to: Seq,
    /// Why.
    pub reason: GoneReason,
}

/// Ranges told in one message at most; more wait for the next.
pub const MAX_GONE_RANGES: usize = 64;

/// What the outbox adds to an event when it writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Life of the outbox.
    pub epoch: Epoch,
    /// Number in it.
    pub seq: Seq,
    /// Holes not told before, at most [`MAX_GONE_RANGES`].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gone: Vec<GoneRange>,
}
