//! Incidents that no camera has seen, for whatever stores and sends them.

use gridwatch::domain::Timestamp;
use gridwatch::domain::incident::{IncidentTransition, Kind, Measure, Phase};
use uuid::Uuid;

/// One step of a dumping incident, without pictures.
pub(crate) fn step(event_id: Uuid, revision: u32, phase: Phase, at: Timestamp) -> IncidentTransition {
    IncidentTransition {
        event_id,
        revision,
        phase,
        kind: Kind::Dumping,
        subkind: "muck_pile".to_owned(),
        zone: "z".to_owned(),
        rule: "r".to_owned(),
        at,
        first_seen: at,
        confirmed: at,
        last_seen: at,
        cleared: None,
        measure: Measure::GroundChange { changed_ratio: 0.2, act_seen: false },
        score: 0.5,
        frames_hit: 1,
        frames_seen: 1,
        boxes: Vec::new(),
        evidence: Vec::new(),
        exceptions_checked: Vec::new(),
        related: None,
        verification: None,
    }
}
