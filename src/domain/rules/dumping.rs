//! Dumping.
use serde::{Deserialize, Serialize};

use super::params::DumpingRule;
use super::{Assessment, Look};
use crate::domain::incident::CloseReason;
use crate::domain::snapshots::Snapshots;
use crate::domain::zone::Zone;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Dumping {}

impl Dumping {
    pub(crate) fn observe(
        &mut self,
        look: Look<'_>,
        rule: &DumpingRule,
        zone: &Zone,
        open: bool,
        snapshots: &mut Snapshots,
    ) -> Option<Assessment> {
        None
    }
    pub(crate) fn has_candidate(&self) -> bool {
        false
    }
    pub(crate) fn opened(&mut self) {}
    pub(crate) fn closed(&mut self, reason: CloseReason, snapshots: &mut Snapshots) {}
    pub(crate) fn dismiss(&mut self, snapshots: &mut Snapshots) {}
    pub(crate) fn suspend(&mut self, snapshots: &mut Snapshots) {}
}
