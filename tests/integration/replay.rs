//! The commands that are run by hand, on the demo's clips: `replay`, `probe`, `check`, `emit-test`, and a
//! gateway without a broker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use serde_json::Value;

use crate::main_job::platform::{Platform, validate};
use crate::main_job::site::{self, CAMERA_PASSWORD, Site};
use crate::support::broker::{Broker, BrokerOptions, free_port};
use crate::support::lab::{SCENES, clip};

/// Exit code, standard output, standard error.
fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("not killed"), text(&output.stdout), text(&output.stderr))
}

fn with_spool(site: &mut Site, mqtt_port: u16) {
    site.replace(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {mqtt_port}\n"), "[spool]\ndirectory = \"spool\"\n");
}

#[test]
fn a_replay_gives_the_same_bytes_twice_and_the_right_kind() {
    let site = Site::new(1, 1);
    for (scene, camera) in SCENES.into_iter().zip(["cam-walkway", "cam-lot", "cam-square", "cam-quiet"]) {
        let clip = clip(scene).display().to_string();
        let pictures = site.path().join(scene).display().to_string();
        let replay = || output(&mut site.gridwatch(&["replay", "--camera", camera, &clip, "--evidence", &pictures]));
        let (first, second) = (replay(), replay());
        assert_eq!((first.0, second.0), (0, 0), "{}", first.2);
        assert!(first.1 == second.1, "{scene}: two replays differ:\n{}\n{}", first.1, second.1);
        let events: Vec<Value> = first.1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for event in &events {
            validate("envelope", event);
            assert_eq!(event["data"]["kind"], scene);
        }
        let phases: Vec<_> = events.iter().filter_map(|event| event["data"]["phase"].as_str()).collect();
        let wanted: &[&str] = if scene == "quiet" { &[] } else { &["opened", "closed"] };
        assert_eq!(phases.iter().filter(|phase| **phase != "updated").copied().collect::<Vec<_>>(), wanted, "{scene}");
        assert_eq!(Path::new(&pictures).exists(), scene != "quiet");
    }
}

#[test]
fn probe_describes_a_camera_behind_a_login_and_takes_a_picture() {
    let cameras = site::cameras(0);
    let folder = tempfile::tempdir().unwrap();
    let (password, picture) = (folder.path().join("password"), folder.path().join("view.jpg"));
    std::fs::write(&password, CAMERA_PASSWORD).unwrap();
    let mut probe = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    probe.args(["probe", cameras.url("encroachment").as_str(), "--username", "demo", "--seconds", "6"]);
    probe.args(["--log-level", "trace", "--password-file"]).arg(&password).arg("--snapshot").arg(&picture);
    let (code, stdout, stderr) = output(&mut probe);
    assert_eq!(code, 0, "{stdout}{stderr}");
    for words in ["h264", "640x360", "igest"] {
        assert!(stdout.contains(words), "no {words} in\n{stdout}");
    }
    assert!(!format!("{stdout}{stderr}").contains(CAMERA_PASSWORD));
    assert_eq!(std::fs::read(&picture).unwrap()[..2], [0xff, 0xd8]);
}

#[tokio::test]
async fn check_tries_everything_and_names_the_culprit() {
    let cameras = site::cameras(0);
    let passwords = vec![("gw-demo".to_owned(), site::BROKER_PASSWORD.to_owned())];
    let broker = Broker::start(BrokerOptions { passwords, ..BrokerOptions::default() }).await;
    let configured = || {
        let mut site = Site::new(cameras.port(), broker.port);
        super::main_job::with_login(&mut site, "auto");
        site.keep_cameras(&["cam-walkway", "cam-quiet"]);
        site
    };
    let (code, stdout, stderr) = output(&mut configured().gridwatch(&["check", "--all"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    for words in ["ok: model street-n", "ok: broker 127.0.0.1", "ok: camera cam-walkway", "ok: camera cam-quiet"] {
        assert!(stdout.contains(words), "no {words} in\n{stdout}");
    }

    let failed = |site: &Site, change: &dyn Fn(&mut Command), culprit: &str| {
        let mut check = site.gridwatch(&["check", "--all"]);
        change(&mut check);
        let (code, stdout, stderr) = output(&mut check);
        let line = stdout.lines().find(|line| line.starts_with("failed: ")).unwrap_or_default();
        assert_eq!((code, stderr.as_str()), (4, ""), "{stdout}");
        assert!(line.contains(culprit), "no {culprit} in\n{stdout}");
        assert!(!stdout.contains("CANARY"), "{stdout}");
    };
    let wrong_password = |check: &mut Command| {
        check.env("GRIDWATCH_TEST_BROKER_PASSWORD", "CANARY-wrong");
    };
    failed(&configured(), &wrong_password, "user name, password or rights");
    let mut site = configured();
    site.replace("street-n.toml", "nowhere.toml");
    failed(&site, &|_| {}, "nowhere.toml");
    let mut site = configured();
    let nobody = free_port().await;
    site.replace(&format!("{}/quiet", cameras.port()), &format!("{nobody}/quiet"));
    failed(&site, &|_| {}, "camera cam-quiet");
}

#[tokio::test]
async fn a_simulated_event_arrives_marked_as_a_test() {
    let broker = Broker::open_to_all().await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(1, broker.port);
    let (code, stdout, stderr) = output(&mut site.gridwatch(&["emit-test", "--kind", "dumping"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("event/dumping"), "{stdout}");
    let event = platform.event("dumping", "opened", 15).await;
    assert_eq!(event["test"], true);
    platform.assert_all_valid();

    with_spool(&mut site, broker.port);
    let (code, stdout, stderr) = output(&mut site.gridwatch(&["emit-test", "--kind", "crowding"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let path = stdout.trim().strip_prefix("sent: ").unwrap();
    let event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    validate("envelope", &event);
    assert_eq!(event["data"]["test"], true);
}

#[tokio::test]
async fn without_a_broker_incidents_go_into_the_spool() {
    let mut site = Site::new(1, 1);
    with_spool(&mut site, 1);
    site.keep_cameras(&["cam-walkway"]);
    let clip = clip("encroachment");
    site.replace("rtsp://127.0.0.1:1/encroachment", &format!("file:{}", clip.display()));
    site.replace("username = \"demo\"\npassword = { env = \"GRIDWATCH_DEMO_PASSWORD\" }\n", "");
    let daemon = site.run("info");
    let spool = site.path().join("spool");
    let asked = Instant::now();
    let message = loop {
        if let Some(message) = found(&spool, "1.json") {
            break message;
        }
        assert!(asked.elapsed() < Duration::from_secs(180), "nothing in the spool:\n{}", site.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let event: Value = serde_json::from_slice(&std::fs::read(&message).unwrap()).unwrap();
    validate("envelope", &event);
    let (status, _) = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", site.log());
    // What the event speaks of is there at the latest when the program has stopped.
    for picture in event["data"]["evidence"].as_array().unwrap() {
        let file = message.with_file_name(format!("{}.jpg", picture["id"].as_str().unwrap()));
        assert_eq!(std::fs::read(file).unwrap().len() as u64, picture["bytes"].as_u64().unwrap());
    }
}

/// A file of this name in any folder of `spool`.
fn found(spool: &Path, name: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir(spool).ok()?;
    folders.filter_map(Result::ok).map(|folder| folder.path().join(name)).find(|path| path.exists())
}
