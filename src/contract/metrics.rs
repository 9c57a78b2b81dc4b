//! Counters, every five minutes. Each only grows while `epoch` stays the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sequence::Epoch;
use super::time::SiteTime;

/// What became of every message: `produced = acknowledged + pending + superseded + quarantined + lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Accounting {
    /// Messages written.
    pub produced: u64,
    /// Handed over.
    pub acknowledged: u64,
    /// Not handed over yet.
    pub pending: u64,
    /// Replaced by a newer revision before they were sent.
    pub superseded: u64,
    /// Refused for good; kept for a person to look at.
    pub quarantined: u64,
    /// Given up.
    pub lost: u64,
}

impl Accounting {
    /// Whether every message is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.difference() == 0
    }

    /// Messages written that nothing became of; less than zero if more became of them than were written.
    #[must_use]
    pub fn difference(&self) -> i128 {
        let found = [self.acknowledged, self.pending, self.superseded, self.quarantined, self.lost];
        i128::from(self.produced) - found.into_iter().map(i128::from).sum::<i128>()
    }
}

/// The latest row of the audit: with it, whoever keeps it can tell whether rows were changed or taken away since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditHead {
    /// Counted from 1.
    pub number: u64,
    /// Of the row, hexadecimal.
    pub sha256: String,
}

/// Counters of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// When this was written.
    pub at: SiteTime,
    /// Seconds since the program started.
    pub uptime_s: u64,
    /// Life of the outbox.
    pub epoch: Epoch,
    /// Highest number given to an event.
    pub last_seq: u64,
    /// What became of every message.
    pub outbox: Accounting,
    /// Lost messages by reason.
    pub lost: BTreeMap<String, u64>,
    /// The latest row of the audit.
    pub audit: AuditHead,
    /// Everything else, by name.
    pub counters: BTreeMap<String, u64>,
}
