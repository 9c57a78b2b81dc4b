//! Cameras read by worker processes: the same pictures, and what a death costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::SystemClock;
use gridwatch::config::{DecodeMode, Transport};
use gridwatch::domain::SignedDuration;
use gridwatch::domain::camera::StreamState;
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::{AuthLedger, SourceEvent, WatchCamera};
use gridwatch::media::live::MediaOptions;
use gridwatch::media::probe::Authentication;
use gridwatch::media::workers::{Program, Workers, probe};

use super::{assert_picture, camera, file, frame, hasty, next, now, plan, report, rtsp, rtsp_as};
use crate::support::clips;
use crate::support::hostile::{Habit, HostileCamera};
use crate::support::rtsp::{CameraServer, ScriptedServer};

fn program() -> Program {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_gridwatch"));
    Program { path, arguments: vec!["media-worker".to_owned()], environment: Vec::new() }
}

fn start(options: MediaOptions) -> Workers {
    start_with(options, Arc::new(MemoryAuthLedger::default()))
}

fn start_with(options: MediaOptions, ledger: Arc<dyn AuthLedger>) -> Workers {
    Workers::start(program(), options, Arc::new(SystemClock::new()), ledger)
}

fn clip() -> PathBuf {
    let encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5", "-bf", "0"];
    clips::make("worker.mp4", "320x240", 10, 3, &encode)
}

/// A camera that shares its worker with no other: its ring fills the worker's share.
fn alone(camera: WatchCamera) -> WatchCamera {
    WatchCamera { ring_max_bytes: 64 << 20, ..camera }
}

/// This process's worker processes that live.
fn workers() -> Vec<u32> {
    let children = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let process = entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let mut fields = stat.rsplit(") ").next()?.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?.parse::<u32>().ok()?);
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
        (parent == std::process::id() && state != "Z" && command.contains("media-worker")).then_some(process)
    });
    children.collect()
}

/// The worker that has a connection to this port.
fn worker_of(port: u16) -> u32 {
    let ss = std::process::Command::new("ss").args(["-tnpH", "dport", "=", &format!(":{port}")]).output();
    let text = String::from_utf8(ss.expect("ss is installed").stdout).unwrap();
    let pid = text.split("pid=").nth(1).and_then(|rest| rest.split(',').next()).and_then(|pid| pid.parse().ok());
    pid.unwrap_or_else(|| panic!("no connection: {text}"))
}

fn kill(signal: &str, process: u32) {
    let status = std::process::Command::new("kill").args([format!("-{signal}"), process.to_string()]).status();
    assert!(status.unwrap().success());
}

fn status_of(process: u32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
}

fn process_group(process: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_through_a_worker_that_has_given_up_its_rights() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10), ("h265", clips::h265(), 10)], &[]);
    let media = start(hasty());
    let mut sources = ["h264", "h265"]
        .map(|mount| media.watch(camera(rtsp(server.url(mount), Transport::Tcp), DecodeMode::Keyframes)));
    for source in &mut sources {
        let mut reports = Vec::new();
        let first = frame(source, plan(now()), &mut reports).await;
        assert_picture(&first, 320, 240);
        let second = frame(source, plan(first.captured_at + SignedDuration::from_millis(1)), &mut reports).await;
        assert!(second.captured_at > first.captured_at && second.captured_at <= now());
        let states: Vec<_> = reports.iter().map(|report| report.state).collect();
        assert_eq!(states, [StreamState::Ok], "{reports:?}");
    }
    let worker = worker_of(server.port());
    assert_eq!(process_group(worker), worker, "Ctrl-C at a terminal does not reach it");
    assert_eq!(status_of(worker, "Seccomp:"), "2");
    assert_eq!(status_of(worker, "NoNewPrivs:"), "1");
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max data size") && !line.contains("unlimited")), "{limits}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(sources[0].counts().units > 10, "{:?}", sources[0].counts());
    assert!(media.stop(Duration::from_secs(5)).await, "TEARDOWN is sent and the worker ends");
    assert!(!workers().contains(&worker));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_plays_and_ends_in_a_worker() {
    let media = start(hasty());
    let mut source = media.watch(camera(file(&clip(), false), DecodeMode::Keyframes));
    let mut frames = 0;
    let mut at = now();
    loop {
        match next(&mut source, plan(at)).await {
            SourceEvent::Frame(frame) => {
                at = frame.captured_at + SignedDuration::from_millis(1);
                frames += 1;
            }
            SourceEvent::Ended => break,
            SourceEvent::State(_) | SourceEvent::Info(_) => {}
        }
    }
    assert!(frames > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_looks_through_a_worker_and_tells_the_same() {
    let options = ["--user", "prober", "--password", "secret", "--scheme", "digest"];
    let server = CameraServer::start(&[("h265", clips::h265(), 10)], &options);
    let ledger = Arc::new(MemoryAuthLedger::default());
    let ask = async |password| {
        let (source, clock) = (rtsp_as(server.url("h265"), "prober", password), Arc::new(SystemClock::new()));
        let ledger = Arc::clone(&ledger) as Arc<dyn AuthLedger>;
        probe(&program(), source, Duration::from_secs(10), hasty(), clock, ledger).await
    };
    let found = ask("secret").await.unwrap();
    assert_eq!((found.info.codec.as_str(), found.info.width, found.info.height), ("h265", 320, 240));
    assert!((found.info.keyframe_s.unwrap() - 1.0).abs() < 0.4);
    assert_eq!((found.transport, found.authentication), (Some(Transport::Tcp), Some(Authentication::Digest)));
    assert_eq!(found.suggested_decode, DecodeMode::Keyframes);
    assert_picture(&found.snapshot, 320, 240);
    for state in [StreamState::Offline, StreamState::AuthFailed] {
        let refused = ask("wrong").await.unwrap_err();
        assert_eq!(refused.state, state, "{refused}");
    }
}

/// The installer's own process never holds what such a camera sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_a_camera_that_sends_gigabytes_fails_in_words() {
    let camera = HostileCamera::start(clips::h264(), 10);
    camera.turn(Habit::HugeBody);
    let source = rtsp(camera.url(), Transport::Tcp);
    let options = MediaOptions { request_timeout: Duration::from_secs(20), ..hasty() };
    let ledger = Arc::new(MemoryAuthLedger::default());
    let patience = Duration::from_secs(10);
    let failed = probe(&program(), source, patience, options, Arc::new(SystemClock::new()), ledger).await.unwrap_err();
    assert_eq!(failed.state, StreamState::Offline);
    assert!(failed.detail.contains("the process that read the camera is gone"), "{failed}");
}

/// As under a supervisor that sends the gateway's log into a file, after some weeks.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_of_any_size_costs_no_worker() {
    const LONG: u64 = 256 << 20;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::File::create(&log).unwrap().set_len(LONG).unwrap();
    let script = "exec \"$0\" media-worker --log-level trace 2>>\"$1\"";
    let arguments = ["-c", script, env!("CARGO_BIN_EXE_gridwatch"), log.to_str().unwrap()].map(str::to_owned);
    let logging = Program { path: PathBuf::from("/bin/sh"), arguments: arguments.to_vec(), environment: Vec::new() };
    let ledger = Arc::new(MemoryAuthLedger::default());
    let media = Workers::start(logging, hasty(), Arc::new(SystemClock::new()), ledger);
    let mut source = media.watch(camera(file(&clip(), false), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    let written = std::fs::metadata(&log).unwrap().len();
    assert!(written > LONG, "the worker has something to say");
    assert!(media.stop(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced_and_the_other_one_never_notices() {
    let servers = [(); 2].map(|()| CameraServer::start(&[("h264", clips::h264(), 10)], &[]));
    let media = start(hasty());
    let mut sources = servers
        .each_ref()
        .map(|server| media.watch(alone(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes))));
    for source in &mut sources {
        frame(source, plan(now()), &mut Vec::new()).await;
    }
    let [victim, other] = servers.each_ref().map(|server| worker_of(server.port()));
    assert_ne!(victim, other);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let counted = sources[0].counts().units;
    kill("KILL", victim);
    let gone = report(&mut sources[0], StreamState::Offline).await;
    assert!(gone.detail.contains("media worker is gone: somebody killed it"), "{}", gone.detail);
    report(&mut sources[0], StreamState::Ok).await;
    frame(&mut sources[0], plan(now()), &mut Vec::new()).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(sources[0].counts().units > counted, "counts go on from where they were");
    let mut reports = Vec::new();
    frame(&mut sources[1], plan(now()), &mut reports).await;
    assert!(reports.is_empty(), "{reports:?}");
    assert_eq!(worker_of(servers[1].port()), other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_still_is_replaced() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    kill("STOP", worker_of(server.port()));
    let gone = report(&mut source, StreamState::Offline).await;
    assert!(gone.detail.contains("did not move"), "{}", gone.detail);
    report(&mut source, StreamState::Ok).await;
    frame(&mut source, plan(now()), &mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_two_attempts_that_an_account_has() {
    let refusal = "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
    let server = ScriptedServer::start(refusal);
    let media = start(hasty());
    let watch = |_| media.watch(alone(camera(rtsp_as(server.url(), "admin", "wrong"), DecodeMode::Auto)));
    let mut sources = [0, 1, 2].map(watch);
    for source in &mut sources {
        let refused = report(source, StreamState::AuthFailed).await;
        assert!(refused.detail.contains("no more attempts"), "{}", refused.detail);
    }
    assert_eq!(server.authorized(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_is_said_of_each_camera() {
    let missing = Program { path: Path::new("/nowhere/gridwatch").to_owned(), ..program() };
    let ledger = Arc::new(MemoryAuthLedger::default());
    let media = Workers::start(missing, hasty(), Arc::new(SystemClock::new()), ledger);
    let mut source = media.watch(camera(file(&clip(), false), DecodeMode::Keyframes));
    let offline = report(&mut source, StreamState::Offline).await;
    assert!(offline.detail.contains("could not be started"), "{}", offline.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_gone_wild_is_not_believed() {
    let shape =
        r#"{"captured_at":"2026-01-01T00:00:00Z","width":64,"height":64,"color":{"full_range":true,"bt709":true}}"#;
    let key = r#"{"host":"another","account":"admin","fingerprint":"00"}"#;
    let lies = [
        "nonsense".to_owned(),
        "\"Hello\"".to_owned(),
        format!(r#"{{"Picture":{{"camera":7,"slot":0,"shape":{shape}}}}}"#),
        format!(r#"{{"Picture":{{"camera":0,"slot":9,"shape":{shape}}}}}"#),
        format!(r#"{{"Picture":{{"camera":0,"slot":0,"shape":{}}}}}"#, shape.replace("64", "4294967295")),
        format!(r#"{{"Picture":{{"camera":0,"slot":0,"shape":{}}}}}"#, shape.replace("2026", "2099")),
        format!(r#"{{"Ask":{{"ticket":1,"ask":{{"Refused":{key}}}}}}}"#),
        r#"{"Ended":{"camera":65535}}"#.to_owned(),
    ];
    for lie in lies {
        let script = "import socket, sys, time\nwire = socket.socket(fileno=0)\nwire.send(b'\"Hello\"')\nwire.recv(65536)\n\
                      wire.send(sys.argv[1].encode())\ntime.sleep(60)";
        let arguments = vec!["-c".to_owned(), script.to_owned(), lie.clone()];
        let wild = Program { path: PathBuf::from("/usr/bin/python3"), arguments, environment: Vec::new() };
        let ledger = Arc::new(MemoryAuthLedger::default());
        let media = Workers::start(wild, hasty(), Arc::new(SystemClock::new()), ledger);
        let mut source = media.watch(camera(file(&clip(), false), DecodeMode::Keyframes));
        let offline = report(&mut source, StreamState::Offline).await;
        assert!(offline.detail.contains("said what no worker says"), "{lie}: {}", offline.detail);
        assert!(media.stop(Duration::from_secs(5)).await);
    }
}
