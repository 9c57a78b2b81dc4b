//! The counters that go out every five minutes: one closed list.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::contract::metrics::Metrics;
use crate::domain::budget::AlertBudget;
use crate::media::boundary::MediaCounts;
use crate::pipeline::publish::retained::Descriptions;
use crate::store::{Store, StoreError};

/// Picks one number of a camera's counts.
type Count = fn(&MediaCounts) -> u64;

/// Everything that is counted, as it stands.
pub async fn collect(
    store: &Store,
    descriptions: &Descriptions,
    budget: &Mutex<AlertBudget>,
    refused: impl Iterator<Item = (String, u64)>,
) -> Result<Metrics, StoreError> {
    let now = descriptions.clock.now();
    let mut counters: BTreeMap<String, u64> = refused.collect();
    let held_back = budget.lock().unwrap_or_else(PoisonError::into_inner).held_back();
    counters.insert("alert_budget_held_back".to_owned(), held_back);
    counters.insert("accounting_mismatches".to_owned(), store.accounting_mismatches().await?);
    let cameras = descriptions.board.read();
    counters.insert("looks".to_owned(), cameras.values().map(|facts| facts.looks).sum());
    counters.insert("looks_failed".to_owned(), cameras.values().map(|facts| facts.looks_failed).sum());
    let media: [(&str, Count); 8] = [
        ("sessions", |counts| counts.sessions),
        ("pictures_received", |counts| counts.units),
        ("pictures_decoded", |counts| counts.decoded),
        ("pictures_oversize", |counts| counts.oversize),
        ("pictures_left_ring", |counts| counts.ring_dropped),
        ("frames_replaced", |counts| counts.replaced),
        ("decode_errors", |counts| counts.decode_errors),
        ("rtp_packets_lost", |counts| counts.lost_packets),
    ];
    for (name, count) in media {
        counters.insert(name.to_owned(), cameras.values().map(|facts| count(&facts.media)).sum());
    }
    Ok(Metrics {
        at: descriptions.time(now),
        uptime_s: u64::try_from(now.duration_since(descriptions.started_at).as_secs()).unwrap_or_default(),
        epoch: descriptions.epoch,
        last_seq: store.last_seq().await?.0,
        outbox: store.accounting().await?,
        lost: store.losses().await?.into_iter().collect(),
        audit: store.audit_head().await?,
        counters,
    })
}
