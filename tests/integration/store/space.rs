//! What goes for age and for space, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::Clock;
use gridwatch::config::model::Storage;
use gridwatch::contract::command::Since;
use gridwatch::contract::grid_event::Transport;
use gridwatch::domain::SignedDuration;
use gridwatch::domain::incident::{CloseReason, Phase, SnapshotId};
use gridwatch::store::{Ack, Class, Pick, Store};

use super::{camera, clock, commit_of, event, open, opened_with_picture, picture, pictures_on_disk, storage};

#[tokio::test]
async fn resync_takes_quarantined_messages_back() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for n in 1..=3 {
        store.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
    }
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    let refused = |m: &gridwatch::store::OutboxMessage| (m.id, Ack::Quarantined { reason: "no right".to_owned() });
    store.acknowledge(batch.iter().map(refused).collect()).await.unwrap();
    assert_eq!(store.accounting().await.unwrap().quarantined, 3);
    assert_eq!(store.resync(Since::Seq(2).into()).await.unwrap().messages, 2);
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.quarantined, accounting.pending, accounting.balances()), (1, 2, true));
    store.commit(commit_of(event(4), 1, Phase::Opened)).await.unwrap();
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    let newest = batch.iter().find(|message| message.event.0 == event(4)).unwrap();
    let stamp: serde_json::Value = serde_json::from_slice(&newest.body).unwrap();
    assert_eq!(stamp["gone"], serde_json::json!([{"from": 1, "to": 1, "reason": "quarantined"}]));
}

#[tokio::test]
async fn old_pictures_go_also_without_a_closed_incident() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(&storage(directory.path()), Arc::new(clock.clone())).unwrap();
    for n in 1..=4 {
        store.keep_snapshot(camera(), SnapshotId(n), picture(10)).await.unwrap();
    }
    // 1 was delivered, 2 was not, 3 was held back, 4 belongs to no incident; none is ever closed.
    store.commit(opened_with_picture(1)).await.unwrap();
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    store.acknowledge(batch.into_iter().map(|m| (m.id, Ack::Released)).collect()).await.unwrap();
    store.commit(opened_with_picture(2)).await.unwrap();
    let mut held = opened_with_picture(3);
    held.drafts.clear();
    store.commit(held).await.unwrap();
    assert_eq!(store.housekeep().await.unwrap().pictures_removed, 0);
    clock.advance_to(clock.now() + Duration::from_secs(2 * 86_400));
    let done = store.housekeep().await.unwrap();
    assert_eq!((done.pictures_removed, done.messages_lost, done.balanced), (3, 0, true));
    assert_eq!(pictures_on_disk(directory.path()), 1);
    assert_eq!(store.evidence_of(event(2), Transport::Mqtt).await.unwrap()[0].transport, Transport::Mqtt);
    assert_eq!(store.evidence_of(event(1), Transport::Mqtt).await.unwrap()[0].transport, Transport::Gone);
    assert!(store.latest_event(event(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_picture_that_cannot_be_read_waits_and_a_missing_one_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.keep_snapshot(camera(), SnapshotId(1), picture(10)).await.unwrap();
    store.commit(opened_with_picture(1)).await.unwrap();
    let (file, aside) = (directory.path().join("evidence/1.jpg"), directory.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    // Reading a folder is an error, and not that nothing is there.
    std::fs::create_dir(&file).unwrap();
    assert_eq!(store.next_batch(9, Vec::new()).await.unwrap().len(), 1);
    assert_eq!(store.accounting().await.unwrap().lost, 0);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(store.next_batch(9, Vec::new()).await.unwrap().len(), 2);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(store.next_batch(9, Vec::new()).await.unwrap().len(), 1);
    assert_eq!(store.accounting().await.unwrap().lost, 1);
}

#[tokio::test]
async fn timelines_go_before_messages_and_never_all_messages() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Storage { database_max_bytes: 300 << 10, ..storage(directory.path()) };
    let (store, _) = Store::open(&limits, Arc::new(clock())).unwrap();
    let long = |n: u64, revision: u32, phase: Phase| {
        let mut commit = commit_of(event(n), revision, phase);
        commit.transitions[0].rule = "r".repeat(4000);
        commit.drafts.clear();
        commit
    };
    store.commit(commit_of(event(9), 1, Phase::Opened)).await.unwrap();
    for revision in 1..100 {
        store.commit(long(1, revision, Phase::Updated)).await.unwrap();
        store.commit(long(2, revision, Phase::Updated)).await.unwrap();
    }
    store.commit(long(1, 100, Phase::Closed(CloseReason::Cleared))).await.unwrap();
    let done = store.housekeep().await.unwrap();
    assert_eq!((done.messages_lost, done.balanced), (0, true));
    assert!(store.timeline(event(1)).await.unwrap().len() <= 1, "the closed one's goes first");
    let open = store.timeline(event(2)).await.unwrap();
    assert!(open.len() >= 2 && open.len() < 99);
    assert_eq!((open[0].revision, open.last().unwrap().revision), (1, 99));

    // What cannot be given up fills the database.
    let mut state = commit_of(event(8), 1, Phase::Opened);
    state.analyzer_state = Some("s".repeat(400 << 10));
    store.commit(state).await.unwrap();
    assert_eq!(store.housekeep().await.unwrap().messages_lost, 0);
    let left = store.next_batch(9, Vec::new()).await.unwrap();
    assert_eq!(left.iter().filter(|message| message.class == Class::Opened).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_taken_back_beside_a_store_that_is_busy() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in 1..=150 {
            writer.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
            let batch = writer.next_batch(1, Vec::new()).await.unwrap();
            let refused = |m: &gridwatch::store::OutboxMessage| (m.id, Ack::Quarantined { reason: "no".to_owned() });
            writer.acknowledge(batch.iter().map(refused).collect()).await.unwrap();
        }
    });
    let folder = directory.path().to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let mut taken = 0;
        while !writing.is_finished() {
            taken += Store::requeue_beside(&folder, &[Pick::Quarantined]).unwrap()[0].again;
        }
        taken
    });
    assert!(taken.await.unwrap() > 0);
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.produced, accounting.lost, accounting.balances()), (150, 0, true));
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_deletes_nothing_until_it_is_vouched_for() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(&storage(directory.path()), Arc::new(clock.clone())).unwrap();
    store.keep_snapshot(camera(), SnapshotId(1), picture(10)).await.unwrap();
    store.commit(opened_with_picture(1)).await.unwrap();
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    store.acknowledge(batch.into_iter().map(|m| (m.id, Ack::Released)).collect()).await.unwrap();
    store.housekeep().await.unwrap();
    let rows = store.audit_head().await.unwrap().number;
    let (right, leapt) = (SignedDuration::ZERO, SignedDuration::from_hours(400 * 24));
    // Wrong for a while; wrong after a power cut as well; and vouched for, for a minute.
    clock.set_wall(leapt, false);
    assert_eq!(store.housekeep().await.unwrap().pictures_removed, 0);
    store.close().await.unwrap();
    let (store, _) = Store::open(&storage(directory.path()), Arc::new(clock.clone())).unwrap();
    clock.set_wall(leapt, true);
    assert_eq!(store.housekeep().await.unwrap().pictures_removed, 0);
    clock.set_wall(right, true);
    assert_eq!(store.housekeep().await.unwrap().pictures_removed, 0);
    assert_eq!((pictures_on_disk(directory.path()), store.audit_head().await.unwrap().number), (1, rows));
    // And this time it is true.
    clock.set_wall(leapt, true);
    store.housekeep().await.unwrap();
    clock.advance_to(clock.now() + Duration::from_secs(3600));
    assert_eq!(store.housekeep().await.unwrap().pictures_removed, 1);
}
