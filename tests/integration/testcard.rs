//! Integration tests: the demo's own clips, model and configuration fit together.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gridwatch::config::{self, DecodeMode, Provider};
use gridwatch::domain::analyzer::{AnalyzerConfig, CameraAnalyzer};
use gridwatch::domain::camera::{LookPlan, StreamState};
use gridwatch::domain::detection::Detection;
use gridwatch::domain::frame::AnalyzedFrame;
use gridwatch::domain::ids::DerivedIds;
use gridwatch::domain::incident::Phase;
use gridwatch::domain::{SignedDuration, Timestamp};
use gridwatch::inference::Detector;
use gridwatch::inference::manifest::Manifest;
use gridwatch::inference::onnx::{OnnxDetector, OnnxOptions, Runtime};
use gridwatch::media::clip::ClipSource;
use gridwatch::scene::SceneMeter;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runtime_library() -> PathBuf {
    std::env::var_os("GRIDWATCH_ORT").map_or_else(|| root().join(".cache/onnxruntime/libonnxruntime.so"), PathBuf::from)
}

fn run(command: &mut Command) {
    let output = command.output().expect("python3 and ffmpeg are installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn render(scene: &str, clip: &Path, seconds: u32) -> Value {
    run(Command::new(root().join("scripts/testcard/render.py"))
        .args(["--scene", scene, "--seconds", &seconds.to_string(), "--output"])
        .arg(clip));
    let truth = std::fs::read_to_string(format!("{}.json", clip.display())).expect("truth beside the clip");
    serde_json::from_str(&truth).expect("truth is JSON")
}

/// Writes the demo's configuration for the clips in `folder`.
fn configure(folder: &Path) -> PathBuf {
    let file = folder.join("gridwatch.toml");
    run(Command::new(root().join("scripts/testcard/configure.py"))
        .args(["--rtsp-port", "8554", "--mqtt-port", "1883", "--clips"])
        .arg(folder)
        .arg("--output")
        .arg(&file)
        .arg("--runtime")
        .arg(runtime_library())
        .arg("--model")
        .arg(root().join("models/testcard.toml")));
    file
}

fn iou(found: &Detection, truth: [f64; 4]) -> f64 {
    let found = [found.bbox.left, found.bbox.top, found.bbox.right(), found.bbox.bottom()].map(f64::from);
    let side = |i: usize| (found[i + 2].min(truth[i + 2]) - found[i].max(truth[i])).max(0.0);
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let shared = side(0) * side(1);
    shared / (area(found) + area(truth) - shared)
}

#[test]
fn every_figure_that_stands_alone_is_found() {
    let manifest = Manifest::load(&root().join("models/testcard.toml"), None).expect("the test card's manifest");
    let runtime = Runtime::load(&runtime_library()).expect("ONNX Runtime, from scripts/setup");
    let options = OnnxOptions { threads: 1, provider: Provider::Cpu, allow_cpu_fallback: false };
    let mut detector = OnnxDetector::load(&runtime, &manifest, options).expect("the test card's model");

    let folder = tempfile::tempdir().expect("a folder");
    let clip = folder.path().join("encroachment.h264");
    let truth = render("encroachment", &clip, 30);
    let (width, height) = (truth["width"].as_f64().expect("pixels"), truth["height"].as_f64().expect("pixels"));
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut source = ClipSource::open(&clip, start, DecodeMode::Keyframes).expect("a clip");

    let (mut alone, mut missed) = (0, Vec::new());
    for keyframe in truth["keyframes"].as_array().expect("keyframes") {
        let second = keyframe["second"].as_f64().expect("seconds");
        let at = start + SignedDuration::from_secs_f64(second);
        let frame = source.look(LookPlan { at, max_gap: Duration::from_secs(2) }).expect("a picture");
        assert!(
            frame.captured_at.duration_since(at).abs() < SignedDuration::from_millis(50),
            "the keyframe at {second} s"
        );
        let found = detector.detect(&frame, &[]).expect("boxes");
        for figure in keyframe["boxes"].as_array().expect("boxes") {
            if figure["alone"] != true {
                continue;
            }
            alone += 1;
            let px: Vec<f64> = figure["box_px"].as_array().expect("a box").iter().filter_map(Value::as_f64).collect();
            let share = [px[0] / width, px[1] / height, px[2] / width, px[3] / height];
            let best = found.iter().map(|detection| iou(detection, share)).fold(0.0, f64::max);
            if best < 0.8 {
                missed.push(format!("{figure} at {second} s: best overlap {best:.2}"));
            }
        }
    }
    assert!(alone >= 15, "{alone} figures to look for");
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_demo_writes_a_configuration_that_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    for scene in ["encroachment", "dumping", "crowding", "quiet"] {
        render(scene, &folder.path().join(format!("{scene}.h264")), 2);
    }
    let file = configure(folder.path());
    let (config, warnings) = config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.cameras.len(), 4);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn every_story_opens_its_own_kind_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["encroachment.h264", "dumping.h264", "crowding.h264", "quiet.h264"];
    for name in names {
        render(name.trim_end_matches(".h264"), &folder.path().join(name), 90);
    }
    let file = configure(folder.path());
    let (config, _) = config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    let manifest = Manifest::load(&config.inference.model, None).expect("the test card's manifest");
    let runtime = Runtime::load(&runtime_library()).expect("ONNX Runtime, from scripts/setup");
    let options = OnnxOptions { threads: 1, provider: Provider::Cpu, allow_cpu_fallback: false };
    let mut detector = OnnxDetector::load(&runtime, &manifest, options).expect("the test card's model");

    for (camera, name) in config.cameras.iter().zip(names) {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut source = ClipSource::open(&folder.path().join(name), start, camera.decode).expect("a clip");
        let watched = AnalyzerConfig {
            camera: camera.id.clone(),
            look_interval: camera.look_interval,
            zones: camera.zones.clone(),
            rules: camera.rules.clone(),
        };
        let mut analyzer = CameraAnalyzer::new(watched, Box::new(DerivedIds), None, start);
        let zones: Vec<_> = analyzer.ground_zones().cloned().collect();
        let mut meter =
            SceneMeter::new(&zones.iter().map(|zone| (zone.id.as_str(), &zone.polygon)).collect::<Vec<_>>());
        analyzer.handle_stream_state(StreamState::Ok, start);
        let mut steps = Vec::new();
        while let Some(frame) = source.look(analyzer.poll_look()) {
            let detections = detector.detect(&frame, &[]).expect("boxes");
            analyzer.handle_frame(&AnalyzedFrame {
                captured_at: frame.captured_at,
                detections,
                faint: Vec::new(),
                scene: meter.measure(&frame),
            });
            while let Some(step) = analyzer.poll_transition() {
                let second = step.at.duration_since(start).as_secs_f64();
                steps.push((step.kind.name(), step.phase, second));
            }
            while analyzer.poll_snapshot().is_some() {}
        }
        eprintln!("{name}: {steps:?}");
        let opened: Vec<_> =
            steps.iter().filter(|(_, phase, _)| *phase == Phase::Opened).map(|(kind, ..)| *kind).collect();
        let wanted: &[&str] = if name.starts_with("quiet") { &[] } else { &[name.trim_end_matches(".h264")] };
        assert_eq!(opened, wanted, "{name}: {steps:?}");
    }
}
