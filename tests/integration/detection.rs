//! Integration tests: real models of all families on frames of real clips.
#![cfg(feature = "onnx")]

use std::path::{Path, PathBuf};
use std::process::Command;

use gridwatch::config::model::Provider;
use gridwatch::domain::Timestamp;
use gridwatch::domain::detection::{Detection, Role};
use gridwatch::domain::frame::{ColorSpace, Frame};
use gridwatch::domain::geometry::{Point, Polygon};
use gridwatch::inference::manifest::{Decoder, Manifest, ManifestError};
use gridwatch::inference::onnx::{LoadError, OnnxDetector, OnnxOptions, Runtime};
use gridwatch::inference::{Detections, Detector};

const ON_CPU: OnnxOptions = OnnxOptions { threads: 1, provider: Provider::Cpu, allow_cpu_fallback: false };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder of real clips and models; says so and gives nothing where there is none.
fn data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GRIDWATCH_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: {test}: no shared data");
        return None;
    }
    Some(folder)
}

fn runtime_path() -> PathBuf {
    let default = || root().join(".cache/onnxruntime/libonnxruntime.so");
    std::env::var_os("GRIDWATCH_ORT").map_or_else(default, PathBuf::from)
}

fn runtime() -> Runtime {
    Runtime::load(&runtime_path()).expect("scripts/setup-onnxruntime has been run")
}

fn manifest(data: &Path, name: &str) -> Manifest {
    let path = root().join("models").join(name).with_extension("toml");
    Manifest::load(&path, Some(&data.join("models"))).expect("a manifest")
}

fn detector(data: &Path, name: &str) -> OnnxDetector {
    OnnxDetector::load(&runtime(), &manifest(data, name), ON_CPU).expect("a detector")
}

/// A zebra crossing with several people, five seconds into the clip.
fn crossing(data: &Path) -> Frame {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", "5", "-i"])
        .arg(data.join("videos/street_abbeyroad_640x360.mp4"))
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (y, chroma) = output.stdout.split_at(640 * 360);
    let (u, v) = chroma.split_at(320 * 180);
    Frame {
        captured_at: Timestamp::UNIX_EPOCH,
        width: 640,
        height: 360,
        color: ColorSpace { full_range: false, bt709: false },
        y: y.to_vec(),
        u: u.to_vec(),
        v: v.to_vec(),
    }
}

fn persons(detections: &[Detection]) -> usize {
    detections.iter().filter(|detection| detection.roles.contains(Role::Person)).count()
}

#[test]
fn every_family_finds_people() {
    let Some(data) = data("every_family_finds_people") else { return };
    let frame = crossing(&data);
    for (name, least) in
        [("yolox-nano", 3), ("picodet-s", 3), ("nanodet-m", 3), ("yolov8n", 3), ("yolo11n", 2), ("deimv2-atto", 1)]
    {
        let mut detector = detector(&data, name);
        let found = detector.detect(&frame, &[]).expect("detects");
        assert!(persons(&found) >= least, "{name}: {found:?}");
        assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{name}: best first");
        assert_eq!(detector.provider_in_use(), Provider::Cpu);
        assert_eq!(detector.info().sha256, manifest(&data, name).sha256.as_str());
    }
}

#[test]
fn faint_people_are_found_for_blurring_without_changing_what_is_seen() {
    let Some(data) = data("faint_people_are_found_for_blurring_without_changing_what_is_seen") else { return };
    let frame = crossing(&data);
    let mut faint_people = 0;
    for name in ["yolox-nano", "picodet-s", "nanodet-m", "yolov8n", "yolo11n", "deimv2-atto"] {
        let manifest = manifest(&data, name);
        let narrow = Manifest { redact_min_score: manifest.min_score, ..manifest.clone() };
        let mut few = manifest.clone();
        few.max_detections = 1;
        let look = |manifest: &Manifest| {
            let mut detector = OnnxDetector::load(&runtime(), manifest, ON_CPU).expect("a detector");
            assert!(detector.info().knows_persons);
            detector.detect_all(&frame, &[]).expect("detects")
        };
        let (wide, narrow, few) = (look(&manifest), look(&narrow), look(&few));
        assert_eq!(wide.seen, narrow.seen, "{name}");
        assert!(narrow.faint.is_empty(), "{name}");
        assert!(wide.seen.iter().all(|seen| seen.score >= manifest.min_score), "{name}");
        let below = |faint: &Detection| (manifest.redact_min_score..manifest.min_score).contains(&faint.score);
        assert!(
            wide.faint.iter().all(|faint| below(faint) && (faint.roles.identifies() || faint.roles.stays())),
            "{name}"
        );
        assert_eq!(few.seen, wide.seen[..1], "{name}");
        let all = |found: &Detections| persons(&found.seen) + persons(&found.faint);
        assert_eq!(all(&few), all(&wide), "{name}: nobody is lost beyond the cap");
        faint_people += persons(&wide.faint);
    }
    assert!(faint_people > 0);
}

#[test]
fn private_ground_hides_what_stands_on_it() {
    let Some(data) = data("private_ground_hides_what_stands_on_it") else { return };
    let frame = crossing(&data);
    let mut detector = detector(&data, "yolox-nano");
    let open = detector.detect(&frame, &[]).expect("detects");
    let person = open.iter().find(|detection| detection.roles.contains(Role::Person)).expect("somebody");
    let (left, top) = (f64::from(person.bbox.left), f64::from(person.bbox.top));
    let (right, bottom) = (f64::from(person.bbox.right()), f64::from(person.bbox.bottom()));
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point { x, y });
    let mask = Polygon::new(&corners).expect("a rectangle");
    let masked = detector.detect(&frame, &[mask]).expect("detects");
    assert!(masked.iter().all(|other| other.bbox.iou(&person.bbox) < 0.5), "{masked:?}");
    assert!(persons(&masked) > 0, "the others are still there");
    assert_eq!(detector.detect(&frame, &[]).expect("detects"), open, "a mask does not stick");
}

#[test]
fn a_missing_or_wrong_runtime_is_explained() {
    let missing = Runtime::load(Path::new("no/such/libonnxruntime.so")).expect_err("missing");
    assert!(matches!(missing, LoadError::RuntimeMissing { .. }), "{missing}");
    assert!(missing.to_string().contains("scripts/setup-onnxruntime"), "{missing}");
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "version https://git-lfs.github.com/spec/v1").expect("written");
    // In a process that has a runtime, another path is refused for that reason.
    let wrong = Runtime::load(&text).expect_err("not a library");
    assert!(matches!(wrong, LoadError::RuntimeUnsuitable { .. } | LoadError::RuntimeChanged { .. }), "{wrong}");
}

#[test]
fn other_weights_are_refused() {
    let Some(data) = data("other_weights_are_refused") else { return };
    let mut manifest = manifest(&data, "yolox-nano");
    manifest.model_file = data.join("models/nanodet_m_416.onnx");
    let error = OnnxDetector::load(&runtime(), &manifest, ON_CPU).expect_err("refused");
    assert!(matches!(error, LoadError::Manifest(ManifestError::WrongHash { .. })), "{error}");
}

#[test]
fn a_manifest_that_does_not_fit_its_model_is_found_at_load() {
    let Some(data) = data("a_manifest_that_does_not_fit_its_model_is_found_at_load") else { return };
    let load = |manifest: &Manifest| OnnxDetector::load(&runtime(), manifest, ON_CPU).expect_err("refused").to_string();
    let mut larger = manifest(&data, "yolox-nano");
    larger.input.width = 640;
    assert!(load(&larger).contains("input `images` has shape [1, 3, 416, 416]"), "{}", load(&larger));
    let mut fewer = manifest(&data, "yolox-nano");
    fewer.labels.pop();
    assert!(load(&fewer).contains("output `output` has shape [1, 3549, 85]"), "{}", load(&fewer));
    let mut renamed = manifest(&data, "yolox-nano");
    if let Decoder::Yolox(params) = &mut renamed.decoder {
        params.output = "boxes".to_owned();
    }
    assert!(load(&renamed).contains("no output `boxes` (it has: output)"), "{}", load(&renamed));
}

#[test]
fn a_provider_that_is_not_there_is_an_error_unless_the_cpu_may_step_in() {
    let Some(data) = data("a_provider_that_is_not_there_is_an_error_unless_the_cpu_may_step_in") else { return };
    let manifest = manifest(&data, "yolox-nano");
    for provider in [Provider::Cuda, Provider::OpenVino] {
        let strict = OnnxOptions { provider, ..ON_CPU };
        let error = OnnxDetector::load(&runtime(), &manifest, strict).expect_err("not in this runtime");
        assert!(matches!(error, LoadError::Provider { .. }), "{error}");
        let lenient = OnnxOptions { allow_cpu_fallback: true, ..strict };
        let detector = OnnxDetector::load(&runtime(), &manifest, lenient).expect("on the CPU");
        assert_eq!(detector.provider_in_use(), Provider::Cpu);
        assert!(detector.fallback_reason().is_some());
    }
}
