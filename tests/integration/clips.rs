//! Integration tests: the rules on real clips, seen by a public model that knows neither stalls nor muck.
//!
//! The clips are not part of this repository; the configurations beside this file say what each was
//! shortened to, and why. What is quiet here is quiet under the same settings that report a suitcase
//! or a pile once one is laid over the clip.

use std::path::{Path, PathBuf};
use std::process::Command;

use gridwatch::config;
use gridwatch::pipeline::replay::{ReplayOptions, replay};
use serde_json::Value;

use crate::support::data;

const SUITCASE_CLIP: &str = "static_avss_suitcase_720x576_mpeg2.mov";

/// A folder in which a configuration finds the model and the runtime.
struct Bench {
    folder: tempfile::TempDir,
    videos: PathBuf,
}

impl Bench {
    /// `None`, and a line that says so, where the clips or the weights are missing.
    fn for_test(test: &str) -> Option<Self> {
        let (Some(videos), Some(models)) = (data::folder("videos"), data::folder("models")) else {
            eprintln!("skipped: {test}: no shared data");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = std::env::var_os("GRIDWATCH_ORT")
            .map_or_else(|| root.join(".cache/onnxruntime/libonnxruntime.so"), PathBuf::from);
        let link = |from: &Path, name: &str| std::os::unix::fs::symlink(from, folder.path().join(name)).unwrap();
        link(&runtime, "libonnxruntime.so");
        link(&models.join("yolox_nano_416.onnx"), "yolox_nano_416.onnx");
        std::fs::copy(root.join("models/yolox-nano.toml"), folder.path().join("yolox-nano.toml")).unwrap();
        Some(Self { folder, videos })
    }

    /// Kind and rule of every incident that the clip opens for `camera` of a fixture.
    fn opened(&self, fixture: &str, camera: &str, clip: &str) -> Vec<String> {
        self.opened_by(fixture, camera, &self.videos.join(clip))
    }

    fn opened_by(&self, fixture: &str, camera: &str, clip: &Path) -> Vec<String> {
        let file = self.folder.path().join(fixture);
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clips");
        std::fs::copy(fixtures.join(fixture), &file).unwrap();
        let (config, _) = config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        let options = ReplayOptions {
            camera: camera.to_owned(),
            clip: clip.to_owned(),
            start: "2026-01-01T00:00:00Z".parse().unwrap(),
            evidence_dir: None,
        };
        let mut out = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let summary = runtime.block_on(replay(&config, &options, &mut out)).unwrap();
        assert_eq!(summary.looks_failed, 0, "{camera}");
        assert!(summary.looks > 0, "{camera}: no picture was looked at");
        let events = String::from_utf8(out).unwrap();
        let opened = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"].take());
        let opened: Vec<String> = opened
            .filter(|event| event["phase"] == "opened")
            .map(|event| format!("{} by {}", text(&event["kind"]), text(&event["rule"]["id"])))
            .collect();
        eprintln!("{fixture} {camera}: {} looks: {opened:?}", summary.looks);
        opened
    }

    /// A clip with a picture laid over it.
    fn with(&self, laid: &Laid, thing: &Thing) -> PathBuf {
        let [left, top, width, height] = laid.place;
        let output = self.folder.path().join(format!("laid-over-{}.mp4", laid.camera));
        let section =
            laid.section.map(|(from, seconds)| ["-ss".into(), from.to_string(), "-t".into(), seconds.to_string()]);
        let second = laid.second;
        let filter =
            format!("[1]scale={width}:{height}[thing];[0][thing]overlay={left}:{top}:enable='gte(t,{second})'");
        ffmpeg(
            Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y"])
                .args(section.iter().flatten())
                .arg("-i")
                .arg(self.videos.join(laid.clip))
                .args(&thing.input)
                .args(["-filter_complex", &filter, "-an", "-c:v", "libx264", "-preset", "ultrafast"])
                // Otherwise few looks find a keyframe.
                .args(["-force_key_frames", "expr:gte(t,n_forced*0.5)"])
                .arg(&output),
        );
        output
    }

    /// Asserts that each of these opens one incident, and which.
    fn assert_one_each(&self, laid: &[Laid], thing: &Thing, incident: &str) {
        for laid in laid {
            assert_eq!(
                self.opened_by("quiet.toml", laid.camera, &self.with(laid, thing)),
                [incident],
                "{}",
                laid.camera
            );
        }
    }

    /// The suitcase of the platform, cut out after its owner has left.
    fn suitcase(&self) -> Thing {
        let file = self.folder.path().join("suitcase.png");
        ffmpeg(
            Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y", "-ss", "58", "-i"])
                .arg(self.videos.join(SUITCASE_CLIP))
                .args(["-frames:v", "1", "-vf", "crop=84:132:67:264"])
                .arg(&file),
        );
        Thing { input: vec!["-i".to_owned(), file.display().to_string()] }
    }

    /// A heap of brown lumps, lit from the left.
    fn pile(&self) -> Thing {
        const WIDTH: u32 = 120;
        const HEIGHT: u32 = 64;
        let mut pixels = Vec::new();
        for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
            let slope = (std::f64::consts::PI * (f64::from(x) + 0.5) / f64::from(WIDTH)).sin().powf(0.7);
            let covered = f64::from(y) >= f64::from(HEIGHT) * (1.0 - 0.95 * slope);
            let side = if x < WIDTH / 2 { 0.15 } else { -0.15 };
            let light = 0.55 + side + 0.9 * (lump(x / 5, y / 4) - 0.5) + 0.3 * (lump(x, y) - 0.5);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0–255")]
            pixels.extend([150.0, 112.0, 75.0].map(|colour| (colour * light).clamp(0.0, 255.0) as u8));
            pixels.push(if covered { 255 } else { 0 });
        }
        let file = self.folder.path().join("pile.rgba");
        std::fs::write(&file, pixels).unwrap();
        let size = format!("{WIDTH}x{HEIGHT}");
        let input = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", &size, "-i", &file.display().to_string()];
        Thing { input: input.map(str::to_owned).to_vec() }
    }
}

/// A thing in a clip of `quiet.toml`.
#[derive(Clone, Copy)]
struct Laid {
    camera: &'static str,
    clip: &'static str,
    /// First second and number of seconds that are used, where that is not all.
    section: Option<(u32, u32)>,
    /// From when on it is there.
    second: u32,
    /// Left, top, width, height in pixels.
    place: [u32; 4],
}

/// How ffmpeg gets a picture.
struct Thing {
    input: Vec<String>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn ffmpeg(command: &mut Command) {
    let output = command.output().expect("ffmpeg is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// 0–1, the same for the same place.
fn lump(x: u32, y: u32) -> f64 {
    let mixed = (x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663)).wrapping_mul(2_654_435_761);
    f64::from((mixed.wrapping_add(12_345) >> 16) & 1023) / 1023.0
}

#[test]
fn a_suitcase_left_on_a_platform_is_one_encroachment_and_no_muck() {
    let Some(bench) = Bench::for_test("suitcase") else { return };
    assert_eq!(bench.opened("suitcase.toml", "platform", SUITCASE_CLIP), ["encroachment by goods"]);
}

#[test]
fn walkers_are_a_crowd_only_where_everybody_counts() {
    let Some(bench) = Bench::for_test("crowds") else { return };
    let everybody = ["crowding by everybody"];
    assert_eq!(bench.opened("crowds.toml", "plaza", "crowd_plaza_mono_1280x720.mp4"), everybody);
    assert_eq!(bench.opened("crowds.toml", "path", "crowd_pets09_vtest_480x360.mp4"), everybody);
}

/// The tipper fills the picture from the first moment, so there is no ground from before it came to
/// compare with, and it still stands beside its load when the clip ends: nobody has left. An act that
/// was never seen to be one is not reported.
#[test]
fn a_tipper_that_was_always_there_and_never_leaves_is_not_reported() {
    let Some(bench) = Bench::for_test("tipper") else { return };
    assert_eq!(bench.opened("tipper.toml", "roadside", "muck_flytip_tipper_640x360.mp4"), [""; 0]);
}

#[test]
fn nothing_happens_in_quiet_streets() {
    let Some(bench) = Bench::for_test("quiet streets") else { return };
    let clips = [
        ("lot", "lot_car_detection_768x432.mp4"),
        ("rubble", "muck_truck_rubble_roadside_360x640.mp4"),
        ("crossing", "street_abbeyroad_640x360.mp4"),
        ("junction", "street_india_junction_640x360.mp4"),
        ("road", "street_road_traffic_854x480.mp4"),
        ("shopfront", "street_shopfront_cctv_640x360.mp4"),
        ("town", "street_towncentre_1920x1080.mp4"),
        ("town-later", "street_towncentre2_1920x1080.mp4"),
    ];
    for (camera, clip) in clips {
        assert_eq!(bench.opened("quiet.toml", camera, clip), [""; 0], "{clip}");
    }
}

#[test]
fn nothing_happens_at_night() {
    let Some(bench) = Bench::for_test("night") else { return };
    assert_eq!(bench.opened("quiet.toml", "night", "street_night_cctv_305s_640x360.mp4"), [""; 0]);
}

/// The bag is the suitcase of the platform, large enough for this model to call it one.
#[test]
fn goods_put_down_in_a_quiet_street_are_one_encroachment() {
    let Some(bench) = Bench::for_test("goods in quiet streets") else { return };
    let laid = [
        Laid {
            camera: "shopfront",
            clip: "street_shopfront_cctv_640x360.mp4",
            section: None,
            second: 32,
            place: [420, 90, 84, 132],
        },
        Laid {
            camera: "junction",
            clip: "street_india_junction_640x360.mp4",
            section: None,
            second: 18,
            place: [250, 170, 105, 165],
        },
        Laid {
            camera: "crossing",
            clip: "street_abbeyroad_640x360.mp4",
            section: None,
            second: 10,
            place: [270, 215, 105, 140],
        },
        // The exposure swings, and with it cells all over the ground: no muck, and none under the bag.
        Laid {
            camera: "lot",
            clip: "lot_car_detection_768x432.mp4",
            section: None,
            second: 12,
            place: [450, 150, 126, 198],
        },
    ];
    bench.assert_one_each(&laid, &bench.suitcase(), "encroachment by goods");
}

/// Of the night the second of its three views, without the cuts.
#[test]
fn goods_put_down_at_night_are_one_encroachment() {
    let Some(bench) = Bench::for_test("goods at night") else { return };
    let laid = [Laid {
        camera: "night",
        clip: "street_night_cctv_305s_640x360.mp4",
        section: Some((90, 80)),
        second: 30,
        place: [300, 200, 84, 132],
    }];
    bench.assert_one_each(&laid, &bench.suitcase(), "encroachment by goods");
}

/// Some seconds each; in one of them the camera turns, and the bag with it.
#[test]
fn goods_put_down_in_a_clip_of_seconds_are_one_encroachment() {
    let Some(bench) = Bench::for_test("goods in short clips") else { return };
    let laid = [
        Laid {
            camera: "rubble",
            clip: "muck_truck_rubble_roadside_360x640.mp4",
            section: None,
            second: 2,
            place: [130, 400, 126, 198],
        },
        Laid {
            camera: "town",
            clip: "street_towncentre_1920x1080.mp4",
            section: None,
            second: 1,
            place: [700, 560, 252, 396],
        },
        Laid {
            camera: "town-later",
            clip: "street_towncentre2_1920x1080.mp4",
            section: None,
            second: 1,
            place: [700, 560, 252, 396],
        },
    ];
    bench.assert_one_each(&laid, &bench.suitcase(), "encroachment by goods");
}

#[test]
fn a_pile_put_down_in_a_quiet_street_is_one_dumping() {
    let Some(bench) = Bench::for_test("piles in quiet streets") else { return };
    let laid = [
        Laid {
            camera: "shopfront",
            clip: "street_shopfront_cctv_640x360.mp4",
            section: None,
            second: 32,
            place: [330, 190, 120, 64],
        },
        Laid {
            camera: "road",
            clip: "street_road_traffic_854x480.mp4",
            section: None,
            second: 14,
            place: [510, 250, 150, 80],
        },
        Laid {
            camera: "lot",
            clip: "lot_car_detection_768x432.mp4",
            section: None,
            second: 12,
            place: [450, 200, 150, 80],
        },
    ];
    bench.assert_one_each(&laid, &bench.pile(), "dumping by muck");
}
