//! What was not acted upon: counted by reason, and written into the audit so that a flood cannot fill the disk.
//!
//! The first of a reason is written at once. Those that follow within ten minutes are one row, with their number, at the
//! end of that time; a power cut may take that row. So each reason costs at most two rows in ten minutes, however many
//! messages come.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::contract::inbound::Reason;
use crate::domain::time::elapsed;
use crate::store::{Actor, AuditEntry, Deed};

/// Messages of one reason within this time are one row.
const TOGETHER: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    /// Not written yet.
    unwritten: u64,
}

/// Counts refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    totals: BTreeMap<Reason, u64>,
    counts: BTreeMap<(Actor, Reason), Count>,
}

impl Refusals {
    /// Counts one; what is to be written at once, if anything.
    #[must_use]
    pub fn note(&mut self, actor: Actor, reason: Reason, at: Timestamp) -> Vec<AuditEntry> {
        *self.totals.entry(reason).or_default() += 1;
        if let Some(count) = self.counts.get_mut(&(actor, reason))
            && elapsed(count.since, at) < TOGETHER
        {
            count.unwritten += 1;
            return Vec::new();
        }
        let before = self.counts.insert((actor, reason), Count { since: at, unwritten: 0 });
        let late = before.filter(|count| count.unwritten > 0).map(|count| entry(actor, reason, count.unwritten));
        late.into_iter().chain([entry(actor, reason, 1)]).collect()
    }

    /// What is to be written now; all of it where the program stops.
    #[must_use]
    pub fn due(&mut self, at: Timestamp, all: bool) -> Vec<AuditEntry> {
        let mut due = Vec::new();
        self.counts.retain(|(actor, reason), count| {
            let over = all || elapsed(count.since, at) >= TOGETHER;
            if over && count.unwritten > 0 {
                due.push(entry(*actor, *reason, count.unwritten));
            }
            !over
        });
        due
    }

    /// Since the start, by reason.
    pub fn totals(&self) -> impl Iterator<Item = (String, u64)> {
        let total = |reason: &Reason| self.totals.get(reason).copied().unwrap_or(0);
        Reason::ALL.iter().map(move |reason| (format!("refused_{}", reason.name()), total(reason)))
    }
}

fn entry(actor: Actor, reason: Reason, count: u64) -> AuditEntry {
    AuditEntry { count, ..AuditEntry::new(actor, Deed::Refused, reason.name()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_few_rows_and_every_message_is_in_one() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("in range");
        let mut refusals = Refusals::default();
        let mut rows = Vec::new();
        for n in 0..100_000 {
            let reason = if n % 2 == 0 { Reason::TooDeep } else { Reason::RateLimited };
            rows.extend(refusals.note(Actor::Command, reason, at(n / 50)));
            rows.extend(refusals.due(at(n / 50), false));
        }
        rows.extend(refusals.note(Actor::Feedback, Reason::TooDeep, at(2000)));
        rows.extend(refusals.due(at(2000), true));
        assert!(rows.len() <= 17, "{} rows for 2000 seconds", rows.len());
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 100_001);
        let totals: BTreeMap<_, _> = refusals.totals().collect();
        assert_eq!((totals["refused_too_deep"], totals["refused_rate_limited"]), (50_001, 50_000));
        assert_eq!(totals.len(), Reason::ALL.len());
        assert_eq!(refusals.due(at(9000), true), [], "once");
    }
}
