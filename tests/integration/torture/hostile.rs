//! Hostile cameras beside good ones: what the gateway pays, and what the others notice.
#![allow(clippy::disallowed_methods, reason = "measures how long things take, and watches from a thread of its own")]
#![allow(clippy::cast_precision_loss, reason = "figures of a few digits")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gridwatch::clock::{Clock, SystemClock};
use gridwatch::config::{DecodeMode, Transport};
use gridwatch::domain::SignedDuration;
use gridwatch::domain::camera::{CameraId, LookPlan};
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::{FrameSource, ResolvedSource, SourceEvent, WatchCamera};
use gridwatch::media::live::{CameraSource, MediaOptions};
use gridwatch::media::workers::{Program, Workers};
use url::Url;

use super::is_full;
use crate::support::clips;
use crate::support::hostile::{Habit, HostileCamera};
use crate::support::rtsp::CameraServer;

/// Good cameras that share the worker with the hostile one at first.
const GOOD: usize = 3;
const MIB: u64 = 1 << 20;

fn start() -> Workers {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_gridwatch"));
    let program = Program { path, arguments: vec!["media-worker".to_owned()], environment: Vec::new() };
    // Patience is shortened so that a round takes seconds; all limits are the shipped ones.
    let options = MediaOptions {
        request_timeout: Duration::from_millis(1500),
        silence_limit: Duration::from_millis(1500),
        teardown_timeout: Duration::from_millis(300),
        backoff_first: Duration::from_millis(100),
        backoff_longest: Duration::from_millis(500),
        busy_wait: Duration::from_millis(300),
        ..MediaOptions::default()
    };
    Workers::start(program, options, Arc::new(SystemClock::new()), Arc::new(MemoryAuthLedger::default()))
}

fn watch(media: &Workers, name: &str, url: Url, decode: DecodeMode) -> CameraSource {
    let source = ResolvedSource::Rtsp { url, username: None, password: None, transport: Transport::Tcp };
    let id = CameraId::new(name).unwrap();
    media.watch(WatchCamera { id, source, decode, ring_max_bytes: 4 << 20 })
}

/// Looks at a camera once a second for ever, and counts.
async fn look_for_ever(mut source: CameraSource, looks: Arc<AtomicU64>) {
    let clock = SystemClock::new();
    let mut plan = LookPlan { at: clock.now(), max_gap: Duration::from_secs(2) };
    loop {
        match source.next(plan).await {
            SourceEvent::Frame(frame) => {
                looks.fetch_add(1, Ordering::Relaxed);
                plan.at = frame.captured_at + SignedDuration::from_millis(500);
            }
            SourceEvent::Ended => return,
            SourceEvent::State(_) | SourceEvent::Info(_) => {}
        }
    }
}

/// From now to the next picture taken after now.
async fn next_picture(source: &mut CameraSource) -> Duration {
    let began = Instant::now();
    let plan = LookPlan { at: SystemClock::new().now(), max_gap: Duration::from_secs(2) };
    let found = async { while !matches!(source.next(plan).await, SourceEvent::Frame(_)) {} };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("a picture comes again");
    began.elapsed()
}

/// Kilobytes of a line of `/proc/PID/status`, in bytes.
fn memory(process: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// The largest peak of any worker of this process, watched until `over`.
fn watch_workers(over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !over.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let parent = std::fs::read_to_string(format!("/proc/{process}/stat")).ok();
            let parent = parent.and_then(|stat| stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok());
            if parent == Some(std::process::id()) {
                let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
                peak = peak.max(memory(process, "VmHWM").filter(|_| command.contains("media-worker")).unwrap_or(0));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    peak
}

/// What a trial has shown.
#[derive(Default)]
struct Figures {
    gateway_grew: u64,
    back_after: Duration,
    looks_lost_pct: f64,
}

/// One habit, so many times, beside good cameras in the same worker.
async fn endure(habit: Habit, rounds: usize) -> Figures {
    let good = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let hostile = HostileCamera::start(clips::h264(), 10);
    let media = start();
    let looks = Arc::new(AtomicU64::new(0));
    let mut watchers = tokio::task::JoinSet::new();
    for number in 0..GOOD {
        watchers.spawn(look_for_ever(
            watch(&media, &format!("good-{number}"), good.url("h264"), DecodeMode::Keyframes),
            Arc::clone(&looks),
        ));
    }
    let mut source = watch(&media, "hostile", hostile.url(), DecodeMode::Keyframes);
    next_picture(&mut source).await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut figures = Figures::default();
    let before = memory(std::process::id(), "RssAnon").unwrap();
    let (began, looked) = (Instant::now(), looks.load(Ordering::Relaxed));
    for _ in 0..rounds {
        hostile.turn(habit);
        let misled = async { while !matches!(source.next(far_future()).await, SourceEvent::Ended) {} };
        drop(tokio::time::timeout(Duration::from_secs(3), misled).await);
        figures.gateway_grew =
            figures.gateway_grew.max(memory(std::process::id(), "RssAnon").unwrap().saturating_sub(before));
        hostile.turn(Habit::Good);
        next_picture(&mut source).await;
        figures.back_after = figures.back_after.max(hostile.called().expect("it called again").elapsed());
    }
    // A keyframe a second, of which each good camera gives every one.
    let expected = began.elapsed().as_secs_f64() * GOOD as f64;
    let seen = (looks.load(Ordering::Relaxed) - looked) as f64;
    figures.looks_lost_pct = (100.0 * (1.0 - seen / expected)).max(0.0);
    watchers.shutdown().await;
    assert!(media.stop(Duration::from_secs(10)).await);
    figures
}

fn far_future() -> LookPlan {
    let at = SystemClock::new().now() + SignedDuration::from_secs(3600);
    LookPlan { at, max_gap: Duration::from_secs(2) }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_cameras_cost_the_gateway_nothing_and_their_neighbours_little() {
    let (habits, rounds) = if is_full() { (&Habit::HOSTILE[..], 10) } else { (&[Habit::HugeBody][..], 1) };
    let over = Arc::new(AtomicBool::new(false));
    let peak = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || watch_workers(&over))
    };
    let (mut worst, mut lost) = (Figures::default(), 0.0);
    for habit in habits {
        let figures = endure(*habit, rounds).await;
        println!(
            "{habit:?} x {rounds}: gateway + {} KiB, back after {:.2} s, other cameras lost {:.1} % of their looks",
            figures.gateway_grew >> 10,
            figures.back_after.as_secs_f64(),
            figures.looks_lost_pct
        );
        worst.gateway_grew = worst.gateway_grew.max(figures.gateway_grew);
        worst.back_after = worst.back_after.max(figures.back_after);
        worst.looks_lost_pct = worst.looks_lost_pct.max(figures.looks_lost_pct);
        lost += figures.looks_lost_pct;
    }
    over.store(true, Ordering::Relaxed);
    let peak = peak.join().unwrap();
    println!(
        "figure: hostile={} hostile_gateway_mib={:.1} hostile_worker_peak_mib={} hostile_back_s={:.2} hostile_looks_lost_pct={:.1} hostile_looks_lost_worst_pct={:.1}",
        habits.len() * rounds,
        worst.gateway_grew as f64 / MIB as f64,
        peak / MIB,
        worst.back_after.as_secs_f64(),
        lost / habits.len() as f64,
        worst.looks_lost_pct,
    );
    assert!(peak <= 256 * MIB, "a worker took {} MiB", peak / MIB);
    // Beside other tests in this process, memory and pace are not the cameras' doing alone.
    if is_full() {
        assert!(worst.gateway_grew <= 20 * MIB);
        assert!(worst.back_after <= Duration::from_secs(2), "{:?}", worst.back_after);
        assert!(lost / habits.len() as f64 <= 5.0, "{lost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_streams_bring_nothing_down() {
    let groups = if is_full() { 10_000 } else { 300 };
    let hostile = HostileCamera::start(clips::h264(), 10);
    let media = start();
    let over = Arc::new(AtomicBool::new(false));
    let peak = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || watch_workers(&over))
    };
    let mut source = watch(&media, "mutated", hostile.url(), DecodeMode::Continuous);
    next_picture(&mut source).await;
    let mut seed = 0;
    let mut sent = 0;
    let mut pictures = 0_u64;
    while sent < groups {
        hostile.turn(Habit::Mutated { groups: groups - sent, seed });
        // A new seed whenever the session ends; pictures are asked for all the time.
        let began = Instant::now();
        while hostile.mutated_groups() < groups - sent && began.elapsed() < Duration::from_secs(10) {
            let plan = LookPlan { at: SystemClock::new().now(), max_gap: Duration::from_secs(2) };
            let event = tokio::time::timeout(Duration::from_millis(200), source.next(plan)).await;
            pictures += u64::from(matches!(event, Ok(SourceEvent::Frame(_))));
        }
        sent += hostile.mutated_groups();
        seed += 1;
    }
    hostile.turn(Habit::Good);
    next_picture(&mut source).await;
    let back = hostile.called().expect("it called again").elapsed();
    // The worker tells its counts once a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    over.store(true, Ordering::Relaxed);
    let peak = peak.join().unwrap();
    let counts = source.counts();
    println!(
        "figure: mutated={sent} mutated_seeds={seed} mutated_pictures={pictures} mutated_units={} mutated_decode_errors={} mutated_worker_peak_mib={} mutated_back_s={:.2}",
        counts.units,
        counts.decode_errors,
        peak / MIB,
        back.as_secs_f64()
    );
    assert!(peak <= 256 * MIB, "a worker took {} MiB", peak / MIB);
    assert!(counts.decode_errors > 0, "damage reached the decoder: {counts:?}");
    assert!(!is_full() || back <= Duration::from_secs(2), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_of_cameras_comes_back_at_once() {
    let cameras = if is_full() { 64 } else { 16 };
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let (url, port) = (server.url("h264"), server.port());
    let media = start();
    let watch = |number| watch(&media, &format!("camera-{number}"), url.clone(), DecodeMode::Keyframes);
    let mut sources: Vec<_> = (0..cameras).map(watch).collect();
    futures::future::join_all(sources.iter_mut().map(next_picture)).await;
    drop(server);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _server = CameraServer::start_on(port, &[("h264", clips::h264(), 10)], &[]);
    let began = Instant::now();
    let waits = futures::future::join_all(sources.iter_mut().map(next_picture)).await;
    let longest = waits.iter().max().unwrap();
    println!("figure: comeback_cameras={cameras} comeback_s={:.1}", longest.as_secs_f64());
    assert!(began.elapsed() < Duration::from_secs(30));
}
