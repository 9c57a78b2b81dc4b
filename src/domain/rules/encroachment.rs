//! Encroachment.
use serde::{Deserialize, Serialize};

use super::params::EncroachmentRule;
use super::{Assessment, Look, Sight};
use crate::domain::incident::{CloseReason, Measure};
use crate::domain::snapshots::Snapshots;
use crate::domain::zone::Zone;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Encroachment {}

impl Encroachment {
    pub(crate) fn observe(
        &mut self,
        look: Look<'_>,
        rule: &EncroachmentRule,
        zone: &Zone,
        open: bool,
        snapshots: &mut Snapshots,
    ) -> Assessment {
        Assessment {
            met: false,
            back: false,
            sight: Sight::NotSeen,
            first_seen: look.at,
            subkind: "street_occupation",
            measure: Measure::Occupation { objects: 0, attendants: 0, occupied_ratio: 0.0 },
            magnitude: 0.0,
            score: 0.0,
            frames_hit: 0,
            frames_seen: 0,
            boxes: vec![],
            exceptions_checked: vec![],
            evidence: vec![],
        }
    }
    pub(crate) fn has_candidate(&self) -> bool {
        false
    }
    pub(crate) fn opened(&mut self) {}
    pub(crate) fn closed(&mut self, reason: CloseReason) {}
    pub(crate) fn dismiss(&mut self) {}
    pub(crate) fn suspend(&mut self, snapshots: &mut Snapshots) {}
}
