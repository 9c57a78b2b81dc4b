//! What the platform says about an incident, as far as the analyzer has to act on it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One word of the platform on one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The incident.
    pub event_id: Uuid,
    /// What is said of it.
    pub verdict: Verdict,
}

/// What the platform decided, or wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// No case is made of it: closed as `retracted`, and the zone and kind are silent for the cool-down.
    Rejected,
    /// It never was one: as `Rejected`, and what stands or lies there now is taken for part of the scene.
    FalseAlarm,
    /// Somebody has been there.
    Handled {
        /// Look again after two minutes and say what is seen.
        verify: bool,
        /// The feedback's number, handed back in the answer.
        seq: Option<u64>,
    },
    /// The case is over: no more updates; what is still there later is a new, related incident.
    Closed,
    /// Look again now and say what is seen.
    Verify {
        /// The feedback's number, if it was feedback and not a command.
        seq: Option<u64>,
    },
}
