//! The store's files: a sound database with some bytes changed is looked at from outside, and opened.
//! Each five bytes are a place and what it is overwritten with; the first byte chooses the file.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gridwatch::clock::ManualClock;
use gridwatch::config::model::Storage;
use gridwatch::domain::camera::CameraId;
use gridwatch::domain::incident::{IncidentTransition, Kind, Measure, Phase};
use gridwatch::store::{Class, Commit, Draft, Inspection, Store};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fn storage(folder: &Path) -> Storage {
    Storage {
        state_dir: folder.to_owned(),
        evidence_max_age: Duration::from_secs(86_400),
        evidence_max_bytes: 1 << 20,
        database_max_bytes: 16 << 20,
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(jiff::Timestamp::from_second(1_800_000_000).expect("in range")))
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

fn step(n: u64) -> IncidentTransition {
    let at = jiff::Timestamp::from_second(1_800_000_000).expect("in range");
    IncidentTransition {
        event_id: Uuid::from_u64_pair(7 << 12, n),
        revision: 1,
        phase: Phase::Opened,
        kind: Kind::Dumping,
        subkind: "muck_pile".to_owned(),
        zone: "z".to_owned(),
        rule: "r".to_owned(),
        at,
        first_seen: at,
        confirmed: at,
        last_seen: at,
        cleared: None,
        measure: Measure::GroundChange { changed_ratio: 0.2, act_seen: false },
        score: 0.5,
        frames_hit: 1,
        frames_seen: 1,
        boxes: Vec::new(),
        evidence: Vec::new(),
        exceptions_checked: Vec::new(),
        related: None,
        verification: None,
    }
}

/// Database and log of a store in mid-work.
static SOUND: LazyLock<[(&str, Vec<u8>); 3]> = LazyLock::new(|| {
    let folder = folder();
    let (store, _) = Store::open(&storage(folder.path()), clock()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for n in 1..4 {
            let step = step(n);
            let draft = Draft {
                class: Class::Opened,
                topic: "t".to_owned(),
                content_type: "application/json".to_owned(),
                event: (step.event_id, 1),
                render: Box::new(|_| b"{}".to_vec()),
            };
            let commit = Commit {
                camera: CameraId::new("cam-1").expect("legal"),
                transitions: vec![step],
                snapshots_used: Vec::new(),
                drafts: vec![draft],
                analyzer_state: Some("{}".to_owned()),
                feedback_applied: Vec::new(),
            };
            store.commit(commit).await.expect("written");
        }
        let read = |name: &str| fs::read(folder.path().join(name)).expect("readable");
        let files = [("gridwatch.db-wal", read("gridwatch.db-wal")), ("mark", read("mark"))];
        store.close().await.expect("closed");
        let [log, mark] = files;
        [("gridwatch.db", read("gridwatch.db")), log, mark]
    })
});

fuzz_target!(|data: &[u8]| {
    let Some((first, changes)) = data.split_first() else { return };
    let folder = folder();
    for (number, (name, sound)) in SOUND.iter().enumerate() {
        let mut bytes = sound.clone();
        if number == usize::from(*first) % SOUND.len() {
            for change in changes.as_chunks::<5>().0 {
                let [place @ .., value] = *change;
                let place = u32::from_le_bytes(place) as usize % (bytes.len() + 1);
                // The end of the file is a place as well: it is cut there.
                if value == 0xed { bytes.truncate(place) } else if let Some(byte) = bytes.get_mut(place) { *byte = value }
                if bytes.is_empty() {
                    break;
                }
            }
        }
        // The log belongs to the database before it was closed: alone it is tried with a new one.
        if *name == "gridwatch.db" || *first % 3 != 0 {
            fs::write(folder.path().join(name), bytes).expect("written");
        }
    }
    // One that is there is not made: in memory that takes longer than everything else.
    fs::write(folder.path().join("ballast"), b"").expect("written");
    if let Ok(beside) = Inspection::open(folder.path(), folder.path()) {
        drop((beside.accounting(), beside.damage(), beside.survey()));
    }
    let Ok((store, _)) = Store::open(&storage(folder.path()), clock()) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let camera = CameraId::new("cam-1").expect("legal");
        drop(store.next_batch(16, Vec::new()).await);
        drop(store.open_events(camera.clone()).await);
        drop(store.unapplied_feedback(camera).await);
        drop(store.housekeep().await);
        drop(store.close().await);
    });
});
