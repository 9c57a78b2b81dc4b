//! Integration tests: pictures made from real streets.
//!
//! The results stay in `target/tmp/evidence_*.jpg` for a person to judge.

use std::path::{Path, PathBuf};
use std::process::Command;

use gridwatch::config;
use gridwatch::domain::Timestamp;
use gridwatch::domain::detection::{Detection, Role};
use gridwatch::domain::frame::{ColorSpace, Frame};
use gridwatch::domain::geometry::{BoundingBox, Point, Polygon};
use gridwatch::evidence::{Picture, RedactionState, make_picture};
use mozjpeg::Decompress;

const OPTIONS: config::Evidence = config::Evidence { max_bytes: 256 * 1024, max_width: 1280, seal_originals_to: None };

/// A clip, a moment in it, its size.
struct Scene {
    clip: &'static str,
    second: &'static str,
    size: (u32, u32),
}

const TOWN_CENTRE: Scene = Scene { clip: "street_towncentre_1920x1080.mp4", second: "3", size: (1920, 1080) };
const ROAD: Scene = Scene { clip: "street_road_traffic_854x480.mp4", second: "12", size: (854, 480) };

/// Drawn by hand: left, top, right, bottom of people in the town centre, as shares of the picture.
const PEDESTRIANS: [[f32; 4]; 6] = [
    [0.289, 0.559, 0.367, 0.816],
    [0.474, 0.637, 0.537, 0.862],
    [0.837, 0.777, 0.896, 1.000],
    [0.489, 0.132, 0.521, 0.281],
    [0.520, 0.140, 0.549, 0.289],
    [0.275, 0.138, 0.306, 0.293],
];

/// Cars on the road, all coming or going with a plate in view.
const CARS: [[f32; 4]; 3] = [[0.234, 0.500, 0.326, 0.688], [0.186, 0.381, 0.263, 0.521], [0.474, 0.371, 0.530, 0.490]];

fn data_dir(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("GRIDWATCH_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {test}: no shared data");
    None
}

fn extract(data: &Path, scene: &Scene) -> Frame {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-ss", scene.second, "-i"])
        .arg(data.join("videos").join(scene.clip))
        .args(["-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
        .output()
        .expect("the ffmpeg command");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (width, height) = scene.size;
    let luma = width as usize * height as usize;
    let (y, chroma) = output.stdout.split_at(luma);
    let (u, v) = chroma.split_at(luma / 4);
    Frame {
        captured_at: Timestamp::UNIX_EPOCH,
        width,
        height,
        color: ColorSpace { full_range: false, bt709: true },
        y: y.to_vec(),
        u: u.to_vec(),
        v: v.to_vec(),
    }
}

fn detections(role: Role, boxes: &[[f32; 4]]) -> Vec<Detection> {
    let found = boxes.iter().map(|&[left, top, right, bottom]| Detection {
        class_id: 0,
        roles: [role].into_iter().collect(),
        score: 0.2,
        bbox: BoundingBox::from_corners(left, top, right, bottom).expect("a box in the picture"),
    });
    found.collect()
}

/// Grey samples of a decoded JPEG.
struct Grey {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Grey {
    fn of(picture: &Picture) -> Self {
        let mut started = Decompress::new_mem(&picture.jpeg).expect("a JPEG").grayscale().expect("luma");
        let (width, height) = (started.width(), started.height());
        assert_eq!((picture.width as usize, picture.height as usize), (width, height));
        Self { width, height, samples: started.read_scanlines::<u8>().expect("all rows") }
    }

    fn at(&self, x: usize, y: usize) -> f64 {
        f64::from(self.samples[y * self.width + x])
    }

    /// The sample less the mean of the 7×7 around it: what makes a face a face at this size.
    fn fine(&self, x: usize, y: usize) -> f64 {
        let around = (y - 3..=y + 3).flat_map(|y| (x - 3..=x + 3).map(move |x| (x, y)));
        self.at(x, y) - around.map(|(x, y)| self.at(x, y)).sum::<f64>() / 49.0
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "pixels")]
    fn pixels(&self, area: BoundingBox) -> Vec<(usize, usize)> {
        let scale = |share: f32, length: usize| ((share * length as f32) as usize).clamp(3, length - 4);
        let columns = scale(area.left, self.width)..scale(area.right(), self.width);
        let rows = scale(area.top, self.height)..scale(area.bottom(), self.height);
        rows.flat_map(|y| columns.clone().map(move |x| (x, y))).collect()
    }
}

/// Correlation of fine detail in an area of two pictures of the same moment: 1 is the same, 0 is nothing left.
fn resemblance(original: &Grey, redacted: &Grey, area: BoundingBox) -> f64 {
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in original.pixels(area) {
        let (a, b) = (original.fine(x, y), redacted.fine(x, y));
        both += a * b;
        left += a * a;
        right += b * b;
    }
    both / (left * right).sqrt().max(1.0)
}

/// Where the head of an upright person certainly is.
fn head(bbox: BoundingBox) -> BoundingBox {
    let BoundingBox { left, top, width, height } = bbox;
    BoundingBox { left: left + width * 0.15, top, width: width * 0.7, height: height / 5.0 }
}

/// Where the plates of a car seen from above certainly are.
fn plates(bbox: BoundingBox) -> BoundingBox {
    BoundingBox { top: bbox.top + bbox.height * 0.6, height: bbox.height * 0.4, ..bbox }
}

fn keep(picture: &Picture, name: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("evidence_{name}.jpg"));
    std::fs::write(&path, &picture.jpeg).expect("target/tmp is writable");
}

fn compare(scene: &Scene, role: Role, boxes: &[[f32; 4]], sensitive: fn(BoundingBox) -> BoundingBox, name: &str) {
    let Some(data) = data_dir(name) else { return };
    let frame = extract(&data, scene);
    let found = detections(role, boxes);
    let untouched = make_picture(&frame, Some(&[]), &[], &OPTIONS).expect("a picture");
    let redacted = make_picture(&frame, Some(&found), &[], &OPTIONS).expect("a picture");
    keep(&redacted, name);
    assert_eq!(untouched.redaction.state, RedactionState::NoneNeeded);
    assert_eq!(redacted.redaction.state, RedactionState::Applied);
    assert!(redacted.width <= OPTIONS.max_width && redacted.jpeg.len() <= OPTIONS.max_bytes, "{redacted:?}");

    let (before, after) = (Grey::of(&untouched), Grey::of(&redacted));
    for (detection, index) in found.iter().zip(0..) {
        let left = resemblance(&before, &after, sensitive(detection.bbox));
        assert!(left < 0.35, "box {index}: {left:.2} of the detail can still be seen");
    }
    let corner = BoundingBox { left: 0.6, top: 0.45, width: 0.2, height: 0.2 };
    assert!(resemblance(&before, &after, corner) > 0.8, "the street itself stays as it was");
}

#[test]
fn nobody_in_the_town_centre_can_be_recognised() {
    let boxes = &PEDESTRIANS;
    compare(&TOWN_CENTRE, Role::Person, boxes, head, "nobody_in_the_town_centre_can_be_recognised");
}

#[test]
fn no_car_on_the_road_keeps_a_plate() {
    compare(&ROAD, Role::Vehicle, &CARS, plates, "no_car_on_the_road_keeps_a_plate");
}

#[test]
fn private_ground_of_a_real_street_is_black() {
    let Some(data) = data_dir("private_ground_of_a_real_street_is_black") else { return };
    let shop = [(0.0, 0.0), (0.4, 0.0), (0.25, 0.25), (0.0, 0.45)].map(|(x, y)| Point { x, y });
    let mask = Polygon::new(&shop).expect("a shop front");
    let picture = make_picture(&extract(&data, &TOWN_CENTRE), Some(&[]), &[mask], &OPTIONS).expect("a picture");
    keep(&picture, "private_ground_of_a_real_street_is_black");
    let grey = Grey::of(&picture);
    let inside = BoundingBox { left: 0.01, top: 0.01, width: 0.2, height: 0.2 };
    assert!(grey.pixels(inside).into_iter().all(|(x, y)| grey.at(x, y) < 12.0));
}
