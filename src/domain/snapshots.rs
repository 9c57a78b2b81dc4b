//! Which pictures are wanted for evidence.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::incident::{EvidenceRef, EvidenceRole, SnapshotId, SnapshotRequest};

/// Hands out snapshot names and queues the wishes. The queue is drained by the owner after each
/// input, so it never holds more than one frame's wishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshots {
    next: u64,
    requests: VecDeque<SnapshotRequest>,
}

impl Snapshots {
    pub(crate) fn new() -> Self {
        Self { next: 1, requests: VecDeque::new() }
    }

    /// Asks for the picture that is being handled, taken at `at`.
    pub(crate) fn keep(&mut self, role: EvidenceRole, at: Timestamp) -> EvidenceRef {
        let snapshot = self.name();
        self.requests.push_back(SnapshotRequest::Keep(snapshot));
        EvidenceRef { snapshot, role, captured_at: at }
    }

    /// As [`Self::keep`], of dumping: its original may be worth keeping, sealed.
    pub(crate) fn keep_with_original(&mut self, role: EvidenceRole, at: Timestamp) -> EvidenceRef {
        let evidence = self.keep(role, at);
        self.requests.push_back(SnapshotRequest::KeepOriginal(evidence.snapshot));
        evidence
    }

    /// As [`Self::keep`], of people who stand together in `zone`.
    pub(crate) fn keep_crowd(&mut self, zone: &str, role: EvidenceRole, at: Timestamp) -> EvidenceRef {
        let snapshot = self.name();
        self.requests.push_back(SnapshotRequest::KeepCrowd(snapshot, zone.to_owned()));
        EvidenceRef { snapshot, role, captured_at: at }
    }

    fn name(&mut self) -> SnapshotId {
        let snapshot = SnapshotId(self.next);
        self.next += 1;
        snapshot
    }

    /// Gives up a picture that no transition was given.
    pub(crate) fn discard(&mut self, evidence: Option<EvidenceRef>) {
        if let Some(evidence) = evidence {
            self.requests.push_back(SnapshotRequest::Discard(evidence.snapshot));
        }
    }

    /// After a restart: pictures that were still to be given up are, but the frame that was being
    /// handled is gone, and with it what was to be kept of it.
    pub(crate) fn resume(&mut self) {
        self.requests.retain(|request| matches!(request, SnapshotRequest::Discard(_)));
    }

    pub(crate) fn poll(&mut self) -> Option<SnapshotRequest> {
        self.requests.pop_front()
    }
}
