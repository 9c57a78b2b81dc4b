//! What a disk has made unreadable costs itself, and not the next start.

use std::os::unix::fs::FileExt;

use gridwatch::contract::feedback::{CaseState, Feedback};
use gridwatch::contract::grid_event::Transport;
use gridwatch::domain::incident::{Phase, SnapshotId};
use gridwatch::store::StoreError;

use super::{camera, commit_of, event, open, opened_with_picture, picture};

#[tokio::test]
async fn damaged_words_steps_and_notes_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.keep_snapshot(camera(), SnapshotId(1), picture(100)).await.unwrap();
    store.commit(opened_with_picture(1)).await.unwrap();
    store.commit(commit_of(event(2), 1, Phase::Opened)).await.unwrap();
    let verdict = Feedback {
        event_id: event(1),
        revision_seen: None,
        seq: 1,
        state: CaseState::FalseAlarm,
        case_no: None,
        reason_code: None,
        handler_org: None,
        due_at: None,
        verify_on_handled: false,
    };
    store.record_feedback(verdict).await.unwrap();
    assert_eq!(store.unapplied_feedback(camera()).await.unwrap().len(), 1);
    assert_eq!(store.open_events(camera()).await.unwrap().len(), 2);
    store.close().await.unwrap();
    let database = rusqlite::Connection::open(directory.path().join("gridwatch.db")).unwrap();
    for sql in [
        "UPDATE unapplied SET body = '{\"'",
        "UPDATE event SET feedback = '{\"' WHERE feedback IS NOT NULL",
        "UPDATE evidence SET role = '\"no such\"'",
    ] {
        assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
    }
    let step = "UPDATE transition SET body = substr(body, 1, 20) WHERE event_id = ?1";
    assert_eq!(database.execute(step, [event(2)]).unwrap(), 1);
    drop(database);

    let (store, report) = open(directory.path());
    assert_eq!((report.set_aside, report.lost), (None, 0));
    assert!(store.unapplied_feedback(camera()).await.unwrap().is_empty());
    assert_eq!(store.open_events(camera()).await.unwrap().len(), 1);
    assert_eq!(store.latest_event(event(1)).await.unwrap().unwrap().feedback, None);
    assert_eq!(store.latest_event(event(2)).await.unwrap(), None);
    assert!(store.evidence_of(event(1), Transport::Mqtt).await.unwrap().is_empty());
    // And both go on.
    for n in [1, 2] {
        store.commit(commit_of(event(n), 2, Phase::Updated)).await.unwrap();
        assert_eq!(store.latest_event(event(n)).await.unwrap().unwrap().latest.revision, 2);
    }
    assert!(store.housekeep().await.unwrap().balanced);
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_noticed_and_its_numbers_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let (store, first) = open(directory.path());
    for n in 1..=3 {
        store.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
    }
    let earlier = std::fs::read(directory.path().join("gridwatch.db-wal")).unwrap();
    for n in 4..=5 {
        store.commit(commit_of(event(n), 1, Phase::Opened)).await.unwrap();
    }
    let (copy, files) = (tempfile::tempdir().unwrap(), ["gridwatch.db", "mark"]);
    for file in files {
        std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
    }
    std::fs::write(copy.path().join("gridwatch.db-wal"), earlier).unwrap();
    drop(store);

    let (store, report) = open(copy.path());
    assert_eq!((report.epoch, report.set_aside.clone(), report.lost), (first.epoch, None, 2));
    assert_eq!(store.losses().await.unwrap(), [("store_damaged".to_owned(), 2)]);
    let seq = store.commit(commit_of(event(6), 1, Phase::Opened)).await.unwrap()[0];
    assert_eq!(seq.0, 6, "no number is given twice");
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    let told = batch.iter().find(|message| message.event.0 == event(6)).unwrap();
    let stamp: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(stamp["gone"], serde_json::json!([{"from": 4, "to": 5, "reason": "lost"}]));
    assert_eq!(store.accounting().await.unwrap().difference(), 0);
    store.close().await.unwrap();
    assert_eq!(open(copy.path()).1.lost, 0, "said once");
}

#[tokio::test]
async fn a_database_without_a_byte_is_damage_and_no_new_one() {
    for (log_is_kept, mark_is_kept) in [(true, true), (true, false), (false, true), (false, false)] {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = open(directory.path());
        store.keep_snapshot(camera(), SnapshotId(1), picture(100)).await.unwrap();
        store.commit(opened_with_picture(1)).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("gridwatch.db"), "").unwrap();
        std::fs::create_dir(copy.path().join("evidence")).unwrap();
        let kept = [("gridwatch.db-wal", log_is_kept), ("mark", mark_is_kept), ("evidence/1.jpg", true)];
        for (name, _) in kept.into_iter().filter(|(_, is_kept)| *is_kept) {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        let (store, report) = open(copy.path());
        assert!(report.set_aside.unwrap().exists());
        // The opening, and its picture.
        assert_eq!(report.lost, if mark_is_kept { 2 } else { 0 });
        assert_eq!((report.orphans_removed, store.accounting().await.unwrap().lost), (0, report.lost));
        assert!(copy.path().join("evidence.bad-1/1.jpg").exists());
        assert_eq!(copy.path().join("gridwatch.db-wal.bad-1").exists(), log_is_kept);
    }
}

#[tokio::test]
async fn damage_that_comes_to_light_closes_the_store_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (store, first) = open(directory.path());
    store.commit(commit_of(event(1), 1, Phase::Opened)).await.unwrap();
    let file = directory.path().join("gridwatch.db");
    let beside = rusqlite::Connection::open(&file).unwrap();
    beside.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root: u64 =
        beside.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'event'", [], |row| row.get(0)).unwrap();
    let on_disk = std::fs::File::options().write(true).open(&file).unwrap();
    on_disk.write_all_at(&[0xa5; 1024], (root - 1) * 1024).unwrap();
    // What another process wrote makes the store look at the disk again.
    beside.execute("INSERT INTO meta VALUES('test', 1)", []).unwrap();
    drop(beside);
    assert!(store.commit(commit_of(event(2), 1, Phase::Opened)).await.is_err());
    assert!(matches!(store.pending().await, Err(StoreError::Closed)), "the watchdog sees that it does not move");
    drop(store);
    let (store, report) = open(directory.path());
    assert_ne!(report.epoch, first.epoch);
    assert_eq!((report.set_aside.is_some(), report.lost), (true, 1));
    store.commit(commit_of(event(2), 1, Phase::Opened)).await.unwrap();
}
