//! Numbers that are asked for: exactly those come again, and those that cannot are named.

use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::{Clock, ManualClock};
use gridwatch::config::model::Storage;
use gridwatch::contract::command::{NotKept, NotKeptReason, Resync, Since};
use gridwatch::contract::sequence::{Epoch, Seq};
use gridwatch::domain::incident::{CloseReason, Phase};
use gridwatch::store::{Ack, Store, StoreError};
use uuid::Uuid;

use super::{clock, commit_of, event, open, storage};

const CLOSED: Phase = Phase::Closed(CloseReason::Cleared);

fn hole(first: u64, last: u64, epoch: Epoch) -> Resync {
    Resync { since: Since::Seq(first), until: Some(last), epoch: Some(epoch) }
}

fn range(from: u64, to: u64, reason: NotKeptReason) -> NotKept {
    NotKept { from: Seq(from), to: Seq(to), reason }
}

async fn release_all(store: &Store) {
    let batch = store.next_batch(100, Vec::new()).await.unwrap();
    store.acknowledge(batch.into_iter().map(|m| (m.id, Ack::Released)).collect()).await.unwrap();
}

async fn numbers(store: &Store) -> Vec<u64> {
    let batch = store.next_batch(100, Vec::new()).await.unwrap();
    let mut numbers: Vec<_> = batch.iter().filter_map(|m| m.seq).map(|seq| seq.0).collect();
    numbers.sort_unstable();
    numbers
}

/// 1 to 4 delivered and of closed incidents, 5 superseded, 6 and 7 delivered and still open, 8 waiting.
async fn history(store: &Store) {
    for n in [1, 2] {
        store.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
        store.commit(commit_of(event(n), 2, CLOSED)).await.unwrap();
    }
    release_all(store).await;
    store.commit(commit_of(event(3), 1, Phase::Updated)).await.unwrap();
    store.commit(commit_of(event(3), 2, Phase::Updated)).await.unwrap();
    store.commit(commit_of(event(4), 1, Phase::Opened)).await.unwrap();
    release_all(store).await;
    store.commit(commit_of(event(5), 1, Phase::Opened)).await.unwrap();
}

fn aged(directory: &std::path::Path) -> (Store, ManualClock, Epoch) {
    let clock = clock();
    let limits = Storage { evidence_max_age: Duration::from_secs(86_400), ..storage(directory) };
    let (store, report) = Store::open(&limits, Arc::new(clock.clone())).unwrap();
    (store, clock, report.epoch)
}

#[tokio::test]
async fn exactly_the_hole_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, epoch) = aged(directory.path());
    history(&store).await;
    let resent = store.resync(hole(2, 6, epoch)).await.unwrap();
    assert_eq!((resent.messages, resent.more), (4, false));
    assert_eq!(resent.not_kept.unwrap(), [range(5, 5, NotKeptReason::Superseded)]);
    assert_eq!(numbers(&store).await, [2, 3, 4, 6, 8]);
    // A hole beyond the last number that was given, and a question of before there were such.
    assert_eq!(store.resync(hole(9, 20, epoch)).await.unwrap().not_kept.unwrap(), []);
    assert_eq!(store.resync(Since::Seq(7).into()).await.unwrap().not_kept, None);
    assert_eq!(numbers(&store).await, [2, 3, 4, 6, 7, 8]);
}

#[tokio::test]
async fn what_was_delivered_and_deleted_since_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock, epoch) = aged(directory.path());
    history(&store).await;
    clock.advance_to(clock.now() + Duration::from_secs(2 * 86_400));
    assert!(store.housekeep().await.unwrap().balanced);
    let resent = store.resync(hole(1, 8, epoch)).await.unwrap();
    let expected = [range(1, 4, NotKeptReason::Expired), range(5, 5, NotKeptReason::Superseded)];
    assert_eq!((resent.messages, resent.not_kept.unwrap()), (2, expected.to_vec()));
    // It is told to nobody who does not ask: all the others have it.
    store.commit(commit_of(event(6), 1, Phase::Opened)).await.unwrap();
    let batch = store.next_batch(100, Vec::new()).await.unwrap();
    let newest = batch.iter().find(|message| message.event.0 == event(6)).unwrap();
    let stamp: serde_json::Value = serde_json::from_slice(&newest.body).unwrap();
    assert_eq!(stamp.get("gone"), None, "{stamp}");
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.acknowledged, accounting.lost, accounting.balances()), (6, 0, true));
}

#[tokio::test]
async fn numbers_of_another_epoch_are_refused_in_plain_words() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, epoch) = aged(directory.path());
    history(&store).await;
    let error = store.resync(hole(1, 8, Epoch(Uuid::from_u128(1)))).await.unwrap_err();
    assert!(matches!(error, StoreError::ForeignEpoch { ours, .. } if ours == epoch));
    assert!(error.to_string().contains(&format!("its numbers are of epoch {epoch}")), "{error}");
    assert_eq!(numbers(&store).await, [8], "nothing is sent again");
}

#[tokio::test]
async fn one_answer_names_so_many_ranges_and_says_that_there_are_more() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, epoch) = aged(directory.path());
    // Every second update is superseded by the next one of its event.
    for n in 0..70 {
        store.commit(commit_of(event(n), 1, Phase::Updated)).await.unwrap();
        store.commit(commit_of(event(n), 2, Phase::Updated)).await.unwrap();
    }
    let resent = store.resync(hole(1, 200, epoch)).await.unwrap();
    let named = resent.not_kept.unwrap();
    assert_eq!((named.len(), resent.more), (64, true));
    let next = named.last().unwrap().to.0 + 1;
    let resent = store.resync(hole(next, 200, epoch)).await.unwrap();
    assert_eq!((resent.not_kept.unwrap().len(), resent.more), (6, false));
}

#[tokio::test]
async fn what_is_lost_in_quarantine_takes_no_other_number_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Storage { database_max_bytes: 160 << 10, ..storage(directory.path()) };
    let (store, report) = Store::open(&limits, Arc::new(clock())).unwrap();
    for n in 1..=3 {
        store.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
    }
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    let refused = |m: &gridwatch::store::OutboxMessage| (m.id, Ack::Quarantined { reason: "no".to_owned() });
    store.acknowledge(batch.iter().map(refused).collect()).await.unwrap();
    // This one tells of all three. Then there is want of space: one has been delivered by then, the others are lost.
    let mut large = commit_of(event(4), 1, Phase::Opened);
    large.drafts[0].render = Box::new(|_| vec![b'x'; 150 << 10]);
    store.commit(large).await.unwrap();
    store.resync(Resync { since: Since::Seq(2), until: Some(2), epoch: None }).await.unwrap();
    let again = store.next_batch(9, Vec::new()).await.unwrap();
    let second = again.iter().find(|m| m.seq == Some(Seq(2))).unwrap();
    store.acknowledge(vec![(second.id, Ack::Released)]).await.unwrap();
    assert_eq!(store.housekeep().await.unwrap().messages_lost, 3);
    let resent = store.resync(hole(1, 4, report.epoch)).await.unwrap();
    let lost = |from, to| range(from, to, NotKeptReason::Lost);
    assert_eq!(resent.not_kept.unwrap(), [lost(1, 1), range(2, 2, NotKeptReason::Expired), lost(3, 4)]);
}

#[tokio::test]
async fn a_store_of_nothing_has_no_holes() {
    let directory = tempfile::tempdir().unwrap();
    let (store, report) = open(directory.path());
    let resent = store.resync(hole(0, 5, report.epoch)).await.unwrap();
    assert_eq!((resent.messages, resent.not_kept), (0, Some(Vec::new())));
}
