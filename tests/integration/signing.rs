//! Signed events, as somebody sees them who has nothing but files: the real program, its spool, its store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::SystemClock;
use gridwatch::config::model::Storage;
use gridwatch::contract::signature::{KEY_ID, SIGNATURE, Signer, signed_bytes};
use gridwatch::domain::Timestamp;
use gridwatch::domain::camera::CameraId;
use gridwatch::domain::incident::*;
use gridwatch::signing::SigningKeys;
use gridwatch::store::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::support::incident;

use crate::outbox::run;

const GATEWAY: &str = "urn:gridwatch:330902101:gw-0007";
const NOON: &str = "2026-11-28T12:00:00.000+08:00";

/// A box with a key, and no platform but a folder.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        let text = crate::outbox::daemon::configuration();
        fs::write(site.path("config.toml"), text).unwrap();
        SigningKeys::open_or_make(&site.path("state"), GATEWAY, NOON).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gridwatch(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.path("config.toml");
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch")).args(arguments).arg("--config").arg(config))
    }

    /// Writes what `keys show` tells.
    fn info(&self, name: &str) -> PathBuf {
        let (code, stdout, stderr) = self.gridwatch(&["keys", "show"]);
        assert_eq!(code, 0, "{stderr}");
        fs::write(self.path(name), stdout).unwrap();
        self.path(name)
    }

    /// A test event in the spool.
    fn event(&self) -> PathBuf {
        let (code, stdout, stderr) = self.gridwatch(&["emit-test", "--kind", "dumping"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        PathBuf::from(stdout.trim().strip_prefix("sent: ").unwrap())
    }
}

fn verify(event: &Path, more: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) =
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch")).arg("verify-event").arg(event).args(more));
    (code, stdout + &stderr)
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut event: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut event);
    // As another program writes it: indented, in another order.
    fs::write(path, serde_json::to_vec_pretty(&event).unwrap()).unwrap();
}

#[test]
fn anybody_can_check_an_event_with_nothing_but_a_public_key() {
    let site = Site::new();
    let (event, info) = (site.event(), site.info("info.json"));
    let info = info.to_str().unwrap();
    let (code, said) = verify(&event, &["--info", info]);
    assert!(code == 0 && said.contains("signature: good, by key ") && said.ends_with("holds\n"), "{said}");
    edit(&event, |_| {});
    assert_eq!(verify(&event, &["--info", info]).0, 0, "other bytes of the same event");
    let note: Value = serde_json::from_slice(&fs::read(info).unwrap()).unwrap();
    let key = note["keys"][0]["public_key"].as_str().unwrap();
    assert_eq!(verify(&event, &["--key", key]).0, 0);
    edit(&event, |event| event["data"]["times"]["first_seen"] = json!("2026-11-28T11:00:00.000+08:00"));
    let (code, said) = verify(&event, &["--key", key]);
    assert!(code == 4 && said.contains("signature: BAD") && said.ends_with("DOES NOT HOLD\n"), "{said}");
    edit(&event, |event| drop(event.as_object_mut().unwrap().remove(SIGNATURE)));
    assert!(verify(&event, &["--key", key]).1.contains("none: the event is not signed"));
    assert_eq!(verify(&event, &[]).0, 2, "a key has to be named");
    assert_eq!(verify(&event, &["--key", "AAAA"]).0, 1);
    assert_eq!(verify(Path::new(info), &["--key", key]).0, 1, "no event");
}

#[test]
fn a_rotation_breaks_neither_what_was_signed_before_nor_the_trust_in_the_first_key() {
    let site = Site::new();
    let before = site.event();
    let kept = site.path("before.json");
    fs::copy(before, &kept).unwrap();
    let first: Value = serde_json::from_slice(&fs::read(site.info("first.json")).unwrap()).unwrap();
    let first_key = first["keys"][0]["public_key"].as_str().unwrap();
    let (code, said, stderr) = site.gridwatch(&["keys", "rotate-signing"]);
    assert!(code == 0 && said.contains(first["current"].as_str().unwrap()), "{said}{stderr}");
    let (after, info) = (site.event(), site.info("second.json"));
    let info = info.to_str().unwrap();
    for event in [&kept, &after] {
        assert_eq!(verify(event, &["--info", info]).0, 0);
        let (code, said) = verify(event, &["--info", info, "--key", first_key]);
        assert_eq!(code, 0, "{said}");
    }
    assert!(verify(&after, &["--key", first_key]).1.contains("not among the keys given"));
    // Another box of the same name has another key.
    let other = Site::new();
    let (code, said) = verify(&other.event(), &["--info", info, "--key", first_key]);
    assert!(code == 4 && said.contains("not among the keys given"), "{said}");
}

/// An event with a picture, signed, in a store; delivered to nobody.
async fn undelivered(state: &Path, keys: Arc<SigningKeys>) {
    let (event_id, at) = (Uuid::from_u64_pair(7 << 12, 1), Timestamp::from_second(1_795_000_000).unwrap());
    let storage = Storage {
        state_dir: state.to_owned(),
        evidence_max_age: Duration::from_secs(86_400),
        evidence_max_bytes: 1 << 20,
        database_max_bytes: 64 << 20,
    };
    let (store, _) = Store::open(&storage, Arc::new(SystemClock::new())).unwrap();
    let (topic, content_type) = ("t/event/dumping".to_owned(), "application/json".to_owned());
    let render: Render = Box::new(move |stamp| {
        let mut event = json!({
            "source": GATEWAY,
            "data": {
                "event_id": event_id, "sequence": stamp, "score": 0.25,
                "evidence": [{ "id": "e1", "media_type": "image/jpeg", "sha256": hexadecimal(b"picture") }],
            },
        });
        let signature = keys.sign(&|key_id| {
            let mut named = event.clone();
            named[KEY_ID] = key_id.into();
            signed_bytes(&named)
        });
        (event[KEY_ID], event[SIGNATURE]) = (signature.key_id.into(), signature.value.into());
        event.to_string().into_bytes()
    });
    let commit = Commit {
        camera: CameraId::new("cam-1").unwrap(),
        transitions: vec![opened(event_id, at)],
        snapshots_used: Vec::new(),
        drafts: vec![Draft { class: Class::Opened, topic, content_type, event: (event_id, 1), render }],
        analyzer_state: None,
        feedback_applied: Vec::new(),
    };
    store.commit(commit).await.unwrap();
    store.close().await.unwrap();
}

pub(crate) fn opened(event_id: Uuid, at: Timestamp) -> IncidentTransition {
    incident::step(event_id, 1, Phase::Opened, at)
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test]
async fn signatures_survive_the_export_from_a_dying_disk_and_pictures_are_compared() {
    let site = Site::new();
    let keys = Arc::new(SigningKeys::open(&site.path("state")).unwrap());
    undelivered(&site.path("state"), keys).await;
    let (info, saved) = (site.info("info.json"), site.path("saved"));
    let (code, stdout, stderr) = site.gridwatch(&["outbox", "export", saved.to_str().unwrap()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let folder = saved.join(Uuid::from_u64_pair(7 << 12, 1).to_string());
    let (event, info) = (folder.join("1.json"), info.to_str().unwrap());
    let (code, said) = verify(&event, &["--info", info]);
    assert!(code == 0 && said.contains("picture e1.jpg: is not here"), "{said}");
    assert_eq!(
        verify(&event, &["--info", info, "--pictures", folder.to_str().unwrap()]).0,
        4,
        "asked for, and missing"
    );
    fs::write(folder.join("e1.jpg"), "picture").unwrap();
    assert!(verify(&event, &["--info", info]).1.contains("picture e1.jpg: is the one"));
    fs::write(folder.join("e1.jpg"), "another").unwrap();
    let (code, said) = verify(&event, &["--info", info]);
    assert!(code == 4 && said.contains("signature: good") && said.contains("ANOTHER"), "{said}");
}
