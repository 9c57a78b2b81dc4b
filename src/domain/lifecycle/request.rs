//! A look that the platform asked for, until it is answered: of an incident that is open, or has ended.

use serde::{Deserialize, Serialize};

use super::VERIFY_PATIENCE;
use crate::domain::Timestamp;
use crate::domain::incident::{Verification, VerificationResult};
use crate::domain::time::after;

/// What was asked, if anything was. A new request replaces the one before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Request(Option<Pending>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) due: Timestamp,
    seq: Option<u64>,
    pub(super) looks: u32,
    pub(super) seen: bool,
}

impl Request {
    pub(super) fn ask(&mut self, due: Timestamp, seq: Option<u64>) {
        self.0 = Some(Pending { due, seq, looks: 0, seen: false });
    }

    /// When its first look is wanted.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.0.map(|pending| pending.due)
    }

    pub(super) fn is_due(&self, at: Timestamp) -> bool {
        self.due().is_some_and(|due| due <= at)
    }

    /// When it is answered without a look; not before the incident `may_speak` again.
    pub(super) fn deadline(&self, may_speak: Timestamp) -> Option<Timestamp> {
        Some(after(self.due()?, VERIFY_PATIENCE).max(may_speak))
    }

    /// The request whose looks are taken now.
    pub(super) fn at_work(&mut self, at: Timestamp) -> Option<&mut Pending> {
        self.0.as_mut().filter(|pending| pending.due <= at)
    }

    /// Ends the request with this answer.
    pub(super) fn answer(&mut self, result: VerificationResult, at: Timestamp) -> Option<Verification> {
        let Pending { seq, .. } = self.0.take()?;
        Some(Verification { result, checked_at: at, feedback_seq: seq })
    }
}
