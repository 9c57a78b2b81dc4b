//! What is promised is done, and can be shown: deletions by age and space, and their record.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gridwatch::clock::{Clock, ManualClock, SystemClock};
use gridwatch::config::model::Storage;
use gridwatch::contract::grid_event::{Redaction, RedactionState};
use gridwatch::domain::camera::CameraId;
use gridwatch::domain::incident::*;
use gridwatch::domain::{SignedDuration, Timestamp};
use gridwatch::store::*;
use serde_json::Value;
use uuid::Uuid;

use crate::outbox::run;

const DAYS: u64 = 30;

fn storage(state_dir: &Path) -> Storage {
    Storage {
        state_dir: state_dir.to_owned(),
        evidence_max_age: Duration::from_secs(DAYS * 86_400),
        evidence_max_bytes: 10_000,
        database_max_bytes: 64 << 20,
    }
}

fn camera() -> CameraId {
    CameraId::new("cam-1").unwrap()
}

async fn keep(store: &Store, n: u64, at: Timestamp) {
    let redaction = Redaction { state: RedactionState::NoneNeeded, persons: 0, plates: Some(0) };
    let jpeg = Bytes::from(vec![0xff; 1000]);
    let picture = NewPicture { jpeg, width: 64, height: 36, sha256: "a".repeat(64), redaction, captured_at: at };
    store.keep_snapshot(camera(), SnapshotId(n), picture).await.unwrap();
}

/// An incident that opened and closed at `at`, with a picture; its messages are delivered, or not.
async fn incident(store: &Store, n: u64, at: Timestamp, delivered: bool) {
    keep(store, n, at).await;
    let event_id = Uuid::from_u64_pair(7 << 12, n);
    let opened = crate::signing::opened(event_id, at);
    let end = Phase::Closed(CloseReason::Cleared);
    let closed = IncidentTransition { revision: 2, phase: end, ..opened.clone() };
    let draft = |class, revision| Draft {
        class,
        topic: "t/event/dumping".to_owned(),
        content_type: "application/json".to_owned(),
        event: (event_id, revision),
        render: Box::new(|_| b"{}".to_vec()),
    };
    let commit = Commit {
        camera: camera(),
        transitions: vec![opened, closed],
        snapshots_used: vec![SnapshotUse {
            event_id,
            snapshot: SnapshotId(n),
            id: "e1".to_owned(),
            role: EvidenceRole::Confirmed,
            topic: "t/evidence/e1".to_owned(),
        }],
        drafts: vec![draft(Class::Opened, 1), draft(Class::Closed, 2)],
        analyzer_state: None,
        feedback_applied: Vec::new(),
    };
    store.commit(commit).await.unwrap();
    store.discard_snapshot(camera(), SnapshotId(n)).await.unwrap();
    if delivered {
        // The keys of its two messages and its picture.
        let ids = (3 * n - 2..=3 * n).map(|id| (MessageId(i64::try_from(id).unwrap()), Ack::Released));
        store.acknowledge(ids.collect()).await.unwrap();
    }
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder.join("evidence")).unwrap().count()
}

fn look(folder: &Path, now: Timestamp) -> Retention {
    let found = Inspection::open(folder, &std::env::temp_dir()).unwrap();
    found.retention(Duration::from_secs(DAYS * 86_400), now).unwrap()
}

fn deleted(found: &Retention, what: &str, why: &str) -> u64 {
    found.deleted.iter().filter(|row| row.what == what && row.why == why).map(|row| row.count).sum()
}

#[tokio::test]
async fn what_is_old_is_really_gone_and_its_deletion_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp::from_second(1_795_000_000).unwrap();
    let clock = ManualClock::new(start);
    let open = || Store::open(&storage(folder.path()), Arc::new(clock.clone())).unwrap().0;
    let store = open();
    for n in [1, 2] {
        incident(&store, n, start, n == 1).await;
    }
    // A picture that no incident wanted, let go at once.
    keep(&store, 9, start).await;
    store.discard_snapshot(camera(), SnapshotId(9)).await.unwrap();
    assert_eq!(files(folder.path()), 2);
    let found = look(folder.path(), clock.now());
    assert!(found.holds() && found.deleted.len() == 1, "{found:?}");
    assert_eq!(deleted(&found, "picture", "not_needed"), 1);

    clock.advance_to(start + SignedDuration::from_hours(24 * 31));
    let late = look(folder.path(), clock.now());
    assert!(!late.holds(), "nobody has tidied for a month: {late:?}");
    assert!(late.kept.iter().any(|kept| kept.held > 0), "what was not delivered has a reason");
    store.close().await.unwrap();
    let store = open();
    // A month in which nobody was there is believed when the clock has been vouched for.
    clock.set_wall(SignedDuration::ZERO, true);
    store.housekeep().await.unwrap();
    assert_eq!(files(folder.path()), 2);
    clock.advance_to(clock.now() + SignedDuration::from_hours(1));
    store.housekeep().await.unwrap();
    let found = look(folder.path(), clock.now());
    assert!(found.holds(), "{found:?}");
    assert_eq!(files(folder.path()), 1, "the file is unlinked; the undelivered one stays");
    assert_eq!((deleted(&found, "incident", "age"), deleted(&found, "picture", "age")), (1, 1));
    assert_eq!(deleted(&found, "message", "age"), 2);
    assert!(store.latest_event(Uuid::from_u64_pair(7 << 12, 1)).await.unwrap().is_none());

    // Too much is told apart from too old.
    for n in 20..40 {
        keep(&store, n, clock.now()).await;
    }
    let found = look(folder.path(), clock.now());
    assert!(deleted(&found, "picture", "space") >= 10, "{found:?}");
    assert_eq!(found.files, Files { present: 10, ..Files::default() });
    fs::write(folder.path().join("evidence/1.jpg"), "put back by somebody").unwrap();
    assert!(!look(folder.path(), clock.now()).holds(), "a file that should be gone");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_delays_neither_deletion_nor_sending_again() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp::from_second(1_795_000_000).unwrap();
    let clock = ManualClock::new(start);
    let store = Store::open(&storage(folder.path()), Arc::new(clock.clone())).unwrap().0;
    clock.set_wall(SignedDuration::from_hours(87_600), true);
    store.misdated().await.unwrap();
    incident(&store, 1, clock.utc(), true).await;
    incident(&store, 2, clock.utc(), false).await;
    store.acknowledge(vec![(MessageId(4), Ack::BrokerAcked)]).await.unwrap();
    clock.set_wall(SignedDuration::ZERO, true);
    assert!(store.pending().await.unwrap().next_due.unwrap() > start + SignedDuration::from_hours(87_000));
    store.misdated().await.unwrap();
    let due = store.pending().await.unwrap().next_due.unwrap();
    assert!(due <= start + SignedDuration::from_hours(1), "the receipt is waited for an hour, not ten years: {due}");
    clock.advance_to(start + SignedDuration::from_hours(24 * 31));
    store.housekeep().await.unwrap();
    assert!(store.latest_event(Uuid::from_u64_pair(7 << 12, 1)).await.unwrap().is_none(), "a month is a month");
    assert!(look(folder.path(), clock.now()).holds());
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_program_shows_it() {
    let site = tempfile::tempdir().unwrap();
    let config = site.path().join("config.toml");
    fs::write(&config, crate::outbox::daemon::configuration()).unwrap();
    let state = site.path().join("state");
    let store = Store::open(&storage(&state), Arc::new(SystemClock::new())).unwrap().0;
    incident(&store, 1, SystemClock::new().now(), true).await;
    store.close().await.unwrap();
    let retention = |more: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch")).arg("retention").args(more).arg("--config").arg(&config))
    };
    let (code, stdout, stderr) = retention(&[]);
    assert!(code == 0 && stdout.contains("promised: 30 days") && stdout.ends_with("holds\n"), "{stdout}{stderr}");
    let (code, stdout, _) = retention(&["--json"]);
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &shown["kept"][0]["count"], &shown["holds"]), (0, &1.into(), &true.into()));
    fs::write(state.join("evidence/1.jpg.copy"), "").unwrap();
    fs::remove_file(state.join("evidence/1.jpg")).unwrap();
    let (_, stdout, _) = retention(&["--json"]);
    assert!(stdout.contains("\"missing\": 1"), "{stdout}");
}
