//! `gridwatch outbox`: the real program on real stores, also damaged ones, and beside the running gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gridwatch::clock::SystemClock;
use gridwatch::config::model::Storage;
use gridwatch::contract::grid_event::{Redaction, RedactionState};
use gridwatch::domain::Timestamp;
use gridwatch::domain::camera::CameraId;
use gridwatch::domain::incident::*;
use gridwatch::store::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{incident, lab};

pub(crate) mod daemon;
mod damage;

/// A state directory, and where things may be written.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
}

impl Site {
    /// Number 1 is delivered, 2 superseded, 3 and 4 wait, 5 is in quarantine; 1, 3 and 5 have a picture.
    pub(crate) async fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        let store = site.open();
        write(&store, 1, 1, Phase::Opened, true).await;
        settle(&store, &[1], &Ack::Released).await;
        write(&store, 2, 1, Phase::Updated, false).await;
        write(&store, 2, 2, Phase::Updated, true).await;
        write(&store, 3, 1, Phase::Closed(CloseReason::Cleared), false).await;
        write(&store, 4, 1, Phase::Opened, true).await;
        let reason = "not authorized\u{1b}[2J".to_owned();
        settle(&store, &[4], &Ack::Quarantined { reason }).await;
        store.close().await.unwrap();
        site
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn open(&self) -> Store {
        let storage = Storage {
            state_dir: self.state(),
            evidence_max_age: Duration::from_secs(86_400 * 30),
            evidence_max_bytes: 1 << 20,
            database_max_bytes: 64 << 20,
        };
        Store::open(&storage, Arc::new(SystemClock::new())).unwrap().0
    }

    /// What the program says, with its exit code.
    fn outbox(&self, arguments: &[&str]) -> (i32, String, String) {
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch"))
            .arg("outbox")
            .args(arguments)
            .arg("--state-dir")
            .arg(self.state())
            .env("TMPDIR", self.folder.path()))
    }

    fn listed(&self, arguments: &[&str]) -> Value {
        let (code, stdout, stderr) = self.outbox(&[&["list", "--json"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        serde_json::from_str(&stdout).unwrap()
    }
}

pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    command.env_remove("GRIDWATCH_LOG").env_remove("JOURNAL_STREAM").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn event(n: u64) -> Uuid {
    Uuid::from_u64_pair(7 << 12, n)
}

fn jpeg(n: u64, revision: u32) -> Bytes {
    Bytes::from(format!("\u{ff}picture {n} {revision}").repeat(100))
}

/// One step of an incident, its message, and a picture.
async fn write(store: &Store, n: u64, revision: u32, phase: Phase, picture: bool) {
    let (camera, at) = (CameraId::new("cam-1").unwrap(), Timestamp::from_second(1_795_000_000).unwrap());
    let class = match phase {
        Phase::Opened => Class::Opened,
        Phase::Updated => Class::Update,
        Phase::Closed(_) => Class::Closed,
    };
    let transition = incident::step(event(n), revision, phase, at);
    let mut snapshots_used = Vec::new();
    if picture {
        let jpeg = jpeg(n, revision);
        let sha256 = hexadecimal(&jpeg);
        let redaction = Redaction { state: RedactionState::NoneNeeded, persons: 0, plates: Some(0) };
        let (snapshot, topic) = (SnapshotId(n), format!("t/evidence/{}/e1", event(n)));
        let picture = NewPicture { jpeg, width: 640, height: 360, sha256, redaction, captured_at: at };
        store.keep_snapshot(camera.clone(), snapshot, picture).await.unwrap();
        let (id, role) = ("e1".to_owned(), EvidenceRole::Confirmed);
        snapshots_used.push(SnapshotUse { event_id: event(n), snapshot, id, role, topic });
    }
    let render: Render = Box::new(move |stamp| json!({ "event": n, "seq": stamp.seq }).to_string().into_bytes());
    let (topic, content_type) = ("t/event/dumping".to_owned(), "application/json".to_owned());
    let drafts = vec![Draft { class, topic, content_type, event: (event(n), revision), render }];
    let transitions = vec![transition];
    let feedback_applied = Vec::new();
    let commit = Commit { camera, transitions, snapshots_used, drafts, analyzer_state: None, feedback_applied };
    store.commit(commit).await.unwrap();
}

/// What became of every message of these events.
async fn settle(store: &Store, events: &[u64], ack: &Ack) {
    let batch = store.next_batch(100, Vec::new()).await.unwrap();
    let of_these = batch.into_iter().filter(|m| events.iter().any(|&n| event(n) == m.event.0));
    store.acknowledge(of_these.map(|m| (m.id, ack.clone())).collect()).await.unwrap();
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn numbers(listing: &Value) -> Vec<u64> {
    listing["messages"].as_array().unwrap().iter().filter_map(|message| message["seq"].as_u64()).collect()
}

#[tokio::test]
async fn list_says_what_waits_and_why() {
    let site = Site::new().await;
    let (code, stdout, stderr) = site.outbox(&["list"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with("NUMBER  LANE     KIND     EVENT"), "{stdout}");
    let row = |n: u64, part: &str| {
        let name = format!("{}{part}", event(n));
        lines.iter().find(|line| line.contains(&name)).map(|line| line.split_whitespace().collect::<Vec<_>>())
    };
    assert_eq!(row(1, ".1"), None, "delivered");
    let waiting = row(2, ".2").unwrap();
    assert_eq!((&waiting[..3], waiting[4]), (&["3", "update", "dumping"][..], "cam-1"));
    assert!(waiting.join(" ").ends_with("to be sent"), "{stdout}");
    assert_eq!(row(2, "/e1").unwrap()[..3], ["-", "picture", "-"]);
    // A broker's words do not move the cursor.
    assert!(row(4, ".1").unwrap().join(" ").ends_with("quarantined: not authorized\u{fffd}[2J"), "{stdout}");
    let sum = "produced 8 = acknowledged 2 + pending 3 + superseded 1 + quarantined 2 + lost 0";
    assert_eq!(lines[lines.len() - 2..], ["5 of 7 messages that are kept", sum]);

    assert_eq!(numbers(&site.listed(&[])), [3, 4, 5]);
    assert_eq!(numbers(&site.listed(&["--all"])), [1, 3, 4, 5]);
    assert_eq!(numbers(&site.listed(&["--lane", "closed", "--lane", "opened"])), [4, 5]);
    assert_eq!(numbers(&site.listed(&["--state", "delivered", "--state", "waiting"])), [1, 3, 4]);
    assert_eq!(numbers(&site.listed(&["--camera", "cam-2"])), [0; 0]);
    let listing = site.listed(&["--event", &event(4).to_string(), "--lane", "picture"]);
    let [picture] = &listing["messages"].as_array().unwrap()[..] else { panic!("{listing:#}") };
    assert_eq!(picture["state"], "quarantined");
    assert_eq!((&picture["picture"], &picture["bytes"]), (&json!("e1"), &json!(jpeg(4, 1).len())));
    assert_eq!(listing["accounting"]["produced"], 8);
}

#[tokio::test]
async fn show_gives_the_message_as_it_would_leave_and_no_pictures_bytes() {
    let site = Site::new().await;
    let (code, stdout, stderr) = site.outbox(&["show", "3"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("\n{\"event\":2,\"seq\":3}\n"), "{stdout}");
    assert!(stdout.contains(&format!("picture e1: {}", site.state().join("evidence").display())), "{stdout}");
    assert!(stdout.contains(": revision 1, updated\n") && stdout.contains(": revision 2, updated\n"), "{stdout}");
    let (code, stdout, _) = site.outbox(&["show", &format!("{}/e1", event(4))]);
    assert_eq!(code, 0);
    assert!(stdout.contains("quarantined") && stdout.contains(&hexadecimal(&jpeg(4, 1))), "{stdout}");
    assert!(!stdout.contains("picture 4 1"), "{stdout}");
    let (_, stdout, _) = site.outbox(&["show", &event(3).to_string(), "--json"]);
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(shown["messages"][0]["body"], "{\"event\":3,\"seq\":4}");
    assert_eq!((&shown["history"][0]["phase"], &shown["history"][0]["reason"]), (&json!("closed"), &json!("cleared")));

    for (which, words) in [("2", "number 2: not kept any more (superseded)"), ("9", "number 9: was never given")] {
        let (code, stdout, stderr) = site.outbox(&["show", which]);
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(stderr.contains(words), "{stderr}");
    }
    assert_eq!(site.outbox(&["show", "e1"]).0, 2);
}

#[tokio::test]
async fn requeue_sends_again_and_counts_nothing_twice() {
    let site = Site::new().await;
    let (code, stdout, _) = site.outbox(&["requeue", "--quarantined"]);
    assert_eq!((code, stdout.as_str()), (0, "quarantine: is sent again (2)\n"));
    let (code, stdout, _) = site.outbox(&["requeue", "--quarantined"]);
    assert_eq!((code, stdout.as_str()), (0, "quarantine: is empty\n"));
    // What was delivered goes out again when it is asked for.
    let picture = format!("{}/e1", event(1));
    let (code, stdout, _) = site.outbox(&["requeue", "1", "3", "2", &picture]);
    let expected = format!(
        "number 1: is sent again (1)\nnumber 3: waits to be sent anyway (1)\nnumber 2: nothing of it is kept\n\
         picture {picture}: is sent again (1)\n"
    );
    assert_eq!((code, stdout), (1, expected));
    let accounting = json!({
        "produced": 8, "acknowledged": 2, "pending": 5, "superseded": 1, "quarantined": 0, "lost": 0
    });
    assert_eq!(site.listed(&[])["accounting"], accounting);
    assert_eq!(numbers(&site.listed(&["--state", "waiting"])), [1, 3, 4, 5]);
    // The store itself agrees, and sends all of it once.
    let store = site.open();
    settle(&store, &[1, 2, 3, 4], &Ack::Released).await;
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.acknowledged, accounting.pending, accounting.balances()), (7, 0, true));
    assert_eq!(site.outbox(&["requeue"]).0, 2, "what?");
}

#[tokio::test]
async fn the_configuration_says_where_the_store_is() {
    let site = Site::new().await;
    let example = fs::read_to_string(lab::root().join("config/example.toml")).unwrap();
    let file = site.folder.path().join("config.toml");
    fs::write(&file, example.replace("#state_dir = \"/var/lib/gridwatch\"", "state_dir = \"state\"")).unwrap();
    let list =
        |file: &Path| run(Command::new(env!("CARGO_BIN_EXE_gridwatch")).args(["outbox", "list", "--config"]).arg(file));
    let (code, stdout, stderr) = list(&file);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("5 of 7 messages"), "{stdout}");
    fs::remove_dir_all(site.state()).unwrap();
    let (code, _, stderr) = list(&file);
    assert_eq!(code, 1);
    let words = "state/gridwatch.db: there is no store; is `state_dir` of [storage] the right folder";
    assert!(stderr.contains(words), "{stderr}");
    assert!(!site.state().exists(), "nothing is created");
    assert_eq!(list(Path::new("nowhere.toml")).0, 3);
}
