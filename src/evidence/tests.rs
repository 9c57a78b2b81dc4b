//! What a published picture promises.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small pictures, whole samples"
)]

use mozjpeg::Decompress;
use proptest::prelude::*;

use super::*;
use crate::domain::Timestamp;
use crate::domain::detection::{Role, RoleSet};
use crate::domain::frame::ColorSpace;
use crate::domain::geometry::{BoundingBox, Point};

const OPTIONS: config::Evidence = config::Evidence { max_bytes: 256 * 1024, max_width: 1280, seal_originals_to: None };

fn blank(width: u32, height: u32, [y, u, v]: [u8; 3], color: ColorSpace) -> Frame {
    let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    Frame {
        captured_at: Timestamp::UNIX_EPOCH,
        width,
        height,
        color,
        y: vec![y; width as usize * height as usize],
        u: vec![u; chroma],
        v: vec![v; chroma],
    }
}

/// Every sample as different from its neighbours as a generator makes it: the most detail there can be.
fn noise(width: u32, height: u32) -> Frame {
    let mut frame = blank(width, height, [0; 3], ColorSpace { full_range: true, bt709: false });
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for sample in frame.y.iter_mut().chain(&mut frame.u).chain(&mut frame.v) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *sample = state.to_be_bytes()[0];
    }
    frame
}

fn seen(roles: &[Role], left: f32, top: f32, width: f32, height: f32) -> Detection {
    let roles: RoleSet = roles.iter().copied().collect();
    Detection { class_id: 0, roles, score: 0.1, bbox: BoundingBox { left, top, width, height } }
}

fn decode(jpeg: &[u8]) -> RgbPicture {
    let mut started = Decompress::new_mem(jpeg).expect("a JPEG").rgb().expect("RGB");
    let (width, height) = (started.width(), started.height());
    let pixels = started.read_scanlines::<u8>().expect("all rows");
    let side = |v: usize| u32::try_from(v).expect("a picture side");
    RgbPicture { width: side(width), height: side(height), pixels }
}

fn redacted(frame: &Frame, detections: &[Detection]) -> (RgbPicture, RgbPicture) {
    let original = RgbPicture::from_frame(frame).expect("a frame");
    let mut after = original.clone();
    Regions::of(detections, None, frame.width, frame.height).expect("boxes").mosaic(&mut after);
    (original, after)
}

fn green(picture: &RgbPicture, x: usize, y: usize) -> f64 {
    f64::from(picture.pixels[3 * (y * picture.width as usize + x) + 1])
}

/// Standard deviation of what is left of neighbouring pixels' differences, in a rectangle.
fn detail(picture: &RgbPicture, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> f64 {
    let count = (x.len() * y.len()) as f64;
    let pairs = y.flat_map(|y| x.clone().map(move |x| (x, y)));
    (pairs.map(|(x, y)| (green(picture, x + 1, y) - green(picture, x, y)).powi(2)).sum::<f64>() / count).sqrt()
}

#[test]
fn colours_survive_in_every_coding() {
    // BT.601 and BT.709 by their definitions, not by the library under test.
    for (full_range, bt709) in [(false, false), (false, true), (true, false), (true, true)] {
        let (kr, kb) = if bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let (black, luma_span, chroma_span) = if full_range { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
        for colour in [
            [128.0, 128.0, 128.0],
            [30.0, 30.0, 30.0],
            [220.0, 220.0, 220.0],
            [180.0, 90.0, 60.0],
            [40.0, 120.0, 200.0_f64],
        ] {
            let [r, g, b] = colour.map(|c| c / 255.0);
            let y = kr * r + (1.0 - kr - kb) * g + kb * b;
            let coded = [
                black + luma_span * y,
                128.0 + chroma_span * (b - y) / (2.0 - 2.0 * kb),
                128.0 + chroma_span * (r - y) / (2.0 - 2.0 * kr),
            ];
            let coded = coded.map(|c| c.round() as u8);
            let frame = blank(65, 33, coded, ColorSpace { full_range, bt709 });
            let picture = make_picture(&frame, Some(&[]), &[], &OPTIONS).expect("a picture");
            let decoded = decode(&picture.jpeg);
            assert_eq!((decoded.width, decoded.height), (65, 33));
            for pixel in decoded.pixels.chunks_exact(3) {
                for (got, wanted) in pixel.iter().zip(colour) {
                    assert!((f64::from(*got) - wanted).abs() <= 4.0, "{pixel:?} for {colour:?}, {full_range} {bt709}");
                }
            }
        }
    }
}

#[test]
fn noise_of_4k_keeps_the_limit() {
    let picture = make_picture(&noise(3840, 2160), Some(&[]), &[], &OPTIONS).expect("a picture");
    assert!(picture.jpeg.len() <= OPTIONS.max_bytes, "{picture:?}");
    assert!(picture.width > 300, "{picture:?}");
    assert_eq!(picture.redaction, Redaction { persons: 0, plates: 0, state: RedactionState::NoneNeeded });
}

#[test]
fn a_limit_that_cannot_be_kept_withholds_the_picture() {
    let options = config::Evidence { max_bytes: 300, ..OPTIONS };
    let error = make_picture(&noise(320, 180), Some(&[]), &[], &options).expect_err("no JPEG is that small");
    assert_eq!(error, EvidenceError::TooLarge { max_bytes: 300 });
}

#[test]
fn the_hash_is_of_the_bytes_sent() {
    let picture = make_picture(&noise(64, 64), Some(&[]), &[], &OPTIONS).expect("a picture");
    assert_eq!(picture.sha256, hexadecimal(&Sha256::digest(&picture.jpeg)));
    assert_eq!(hexadecimal(&[0x0f, 0xa0]), "0fa0");
}

#[test]
fn what_is_not_a_person_or_a_vehicle_stays_sharp() {
    let frame = noise(320, 240);
    let others = [Role::Stall, Role::Goods, Role::Umbrella, Role::Pile];
    let detections: Vec<_> = others.iter().map(|&role| seen(&[role], 0.2, 0.2, 0.5, 0.5)).collect();
    let (original, after) = redacted(&frame, &detections);
    assert_eq!(original, after);
}

#[test]
fn heads_and_plates_are_counted_by_box() {
    let detections = [
        seen(&[Role::Person], 0.1, 0.1, 0.1, 0.5),
        seen(&[Role::Person], 0.3, 0.1, 0.1, 0.5),
        seen(&[Role::Vehicle, Role::Truck], 0.5, 0.4, 0.3, 0.4),
        seen(&[Role::Goods], 0.5, 0.4, 0.3, 0.4),
    ];
    let picture = make_picture(&noise(320, 240), Some(&detections), &[], &OPTIONS).expect("a picture");
    assert_eq!(picture.redaction, Redaction { persons: 2, plates: 1, state: RedactionState::Applied });
}

#[test]
fn a_standing_persons_feet_and_a_cars_roof_stay() {
    let frame = noise(400, 400);
    let person = seen(&[Role::Person], 0.1, 0.1, 0.2, 0.6);
    let car = seen(&[Role::Vehicle], 0.5, 0.5, 0.4, 0.3);
    let (original, after) = redacted(&frame, &[person, car]);
    assert!(detail(&after, 45..115, 45..95) < 0.3 * detail(&original, 45..115, 45..95), "the head is gone");
    assert!(detail(&after, 205..355, 265..315) < 0.3 * detail(&original, 205..355, 265..315), "so is the plate");
    for (x, y) in [(80, 270), (280, 210), (380, 20)] {
        assert_eq!(green(&original, x, y).to_bits(), green(&after, x, y).to_bits(), "{x},{y} is untouched");
    }
}

#[test]
fn half_a_person_behind_a_counter_loses_the_head() {
    let frame = noise(400, 400);
    // As wide as high: the head fills half of the box.
    let (original, after) = redacted(&frame, &[seen(&[Role::Person], 0.4, 0.4, 0.2, 0.2)]);
    assert!(detail(&after, 165..235, 165..215) < 0.3 * detail(&original, 165..235, 165..215));
}

#[test]
fn several_people_in_one_box_lose_everything() {
    // Three side by side, one of them sitting: a head may be anywhere.
    let (original, after) = redacted(&noise(400, 400), &[seen(&[Role::Person], 0.2, 0.3, 0.3, 0.4)]);
    assert!(detail(&after, 85..195, 125..275) < 0.3 * detail(&original, 85..195, 125..275));
}

/// A square on the ground in the middle of a picture.
fn square() -> Polygon {
    Polygon::new(&[(0.4, 0.6), (0.6, 0.6), (0.6, 0.8), (0.4, 0.8)].map(|(x, y)| Point { x, y })).expect("a square")
}

fn crowd(frame: &Frame, zone: &Polygon, boxes: &[Detection]) -> (RgbPicture, RgbPicture) {
    let original = RgbPicture::from_frame(frame).expect("a frame");
    let mut after = original.clone();
    CrowdArea::new(zone, boxes, frame.width, frame.height).mosaic(&mut after);
    Regions::of(boxes, Some(zone), frame.width, frame.height).expect("boxes").mosaic(&mut after);
    (original, after)
}

#[test]
fn whoever_the_model_missed_in_a_crowd_is_gone() {
    let frame = noise(400, 400);
    // One is seen, at the near edge, half as high as the feet are below the picture's upper edge.
    let (original, after) = crowd(&frame, &square(), &[seen(&[Role::Person], 0.42, 0.4, 0.1, 0.39)]);
    // Nobody else was, not even at the far edge: feet at 240, head at 120.
    for (x, y) in [(160..239, 240..319), (160..239, 120..240)] {
        let (left, before) = (detail(&after, x.clone(), y.clone()), detail(&original, x.clone(), y.clone()));
        assert!(left < 0.3 * before, "{left} of {before} in {x:?} {y:?}");
    }
    for (x, y) in [(40, 280), (360, 280), (200, 380), (200, 20)] {
        assert_eq!(green(&original, x, y).to_bits(), green(&after, x, y).to_bits(), "{x},{y} is untouched");
    }
}

#[test]
fn a_crowds_zone_is_blurred_although_nobody_is_seen() {
    let picture = make_crowd_picture(&noise(400, 400), Some(&[]), (&[], &square()), &OPTIONS).expect("a picture");
    assert_eq!(picture.redaction, Redaction { persons: 0, plates: 0, state: RedactionState::Applied });
    let (original, after) = crowd(&noise(400, 400), &square(), &[]);
    assert!(detail(&after, 160..239, 160..319) < 0.3 * detail(&original, 160..239, 160..319));
    let blind = make_crowd_picture(&noise(400, 400), None, (&[], &square()), &OPTIONS);
    assert_eq!(blind.expect_err("no picture"), EvidenceError::PersonsUnknown);
}

#[test]
fn somebody_who_leans_out_of_the_crowd_is_blurred_whole() {
    let outside = seen(&[Role::Person], 0.58, 0.4, 0.02, 0.3);
    let wide = seen(&[Role::Person], 0.5, 0.3, 0.19, 0.4);
    let (original, after) = crowd(&noise(400, 400), &square(), &[outside, wide]);
    assert!(detail(&after, 205..270, 125..275) < 0.3 * detail(&original, 205..270, 125..275));
}

#[test]
fn a_narrow_box_loses_its_upper_quarter() {
    // Seen from the side, or half hidden by a post: a head is taller than the box's width tells.
    let (original, after) = redacted(&noise(400, 400), &[seen(&[Role::Person], 0.4, 0.1, 0.1, 0.8)]);
    assert!(detail(&after, 161..199, 41..120) < 0.3 * detail(&original, 161..199, 41..120));
}

#[test]
fn private_ground_is_black_to_its_edge() {
    let corners = [(0.25, 0.25), (0.75, 0.25), (0.5, 0.75)].map(|(x, y)| Point { x, y });
    let mask = Polygon::new(&corners).expect("a triangle");
    let frame = blank(200, 200, [255, 128, 128], ColorSpace { full_range: true, bt709: false });
    let mut picture = RgbPicture::from_frame(&frame).expect("a frame");
    redact::blacken(&mut picture, &mask);
    for y in 0..200 {
        for x in 0..200 {
            let center = Point { x: (f64::from(x) + 0.5) / 200.0, y: (f64::from(y) + 0.5) / 200.0 };
            let black = green(&picture, x as usize, y as usize) == 0.0;
            assert!(black || !mask.contains(center), "{x},{y} shows");
        }
    }
    assert!(green(&picture, 10, 10) > 0.0 && green(&picture, 100, 160) > 0.0);
    let made = make_picture(&frame, Some(&[]), &[mask], &OPTIONS).expect("a picture");
    assert_eq!(made.redaction, Redaction { persons: 0, plates: 0, state: RedactionState::Applied });
}

#[test]
fn what_cannot_be_redacted_is_withheld() {
    let frame = noise(64, 64);
    let nowhere = seen(&[Role::Person], f32::NAN, 0.1, 0.1, 0.1);
    let error = make_picture(&frame, Some(&[nowhere]), &[], &OPTIONS).expect_err("a head somewhere");
    assert_eq!(error, EvidenceError::UnusableBox { index: 0, class_id: 0 });
    let cut = Frame { u: Vec::new(), ..frame };
    assert!(matches!(make_picture(&cut, Some(&[]), &[], &OPTIONS), Err(EvidenceError::MalformedFrame { .. })));
    let empty = Frame { width: 0, height: 0, y: Vec::new(), u: Vec::new(), v: Vec::new(), ..cut };
    assert!(matches!(make_picture(&empty, Some(&[]), &[], &OPTIONS), Err(EvidenceError::MalformedFrame { .. })));
}

#[test]
fn without_a_model_that_knows_persons_there_is_no_picture() {
    let error = make_picture(&noise(64, 64), None, &[], &OPTIONS).expect_err("somebody may stand there");
    assert_eq!(error, EvidenceError::PersonsUnknown);
}

#[test]
fn what_identifies_is_exactly_what_is_mosaicked() {
    for role in Role::ALL {
        let detection = seen(&[role], 0.2, 0.2, 0.5, 0.5);
        let regions = Regions::of(&[detection], None, 320, 240).expect("a box");
        assert_eq!(!regions.is_empty(), detection.roles.identifies(), "{role}");
    }
}

fn any_role() -> impl Strategy<Value = Role> {
    proptest::sample::select(Role::ALL.to_vec())
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let side = || prop_oneof![0.0..=1.0_f32, 0.0..=0.02_f32, Just(0.0), Just(1.0)];
    (any_role(), -0.2..=1.2_f32, -0.2..=1.2_f32, side(), side())
        .prop_map(|(role, left, top, width, height)| seen(&[role], left, top, width, height))
}

/// The part of a box that must be destroyed: an upper bound of where a face is, a lower bound of
/// what the product mosaics.
fn sensitive(detection: &Detection) -> Option<BoundingBox> {
    let bbox = detection.bbox;
    let (top, height) = if detection.roles.contains(Role::Person) {
        (bbox.top, bbox.height / 4.0)
    } else if [Role::Vehicle, Role::Truck, Role::Tricycle, Role::Cycle].iter().any(|&r| detection.roles.contains(r)) {
        (bbox.top + bbox.height * 2.0 / 3.0, bbox.height / 3.0)
    } else {
        return None;
    };
    BoundingBox::from_corners(bbox.left, top, bbox.right(), top + height)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_boxes_panic_and_no_sensitive_pixel_keeps_its_neighbours(
        width in 1_u32..150, height in 1_u32..150,
        detections in proptest::collection::vec(any_detection(), 0..8),
    ) {
        let frame = noise(width, height);
        let picture = make_picture(&frame, Some(&detections), &[], &OPTIONS).expect("a picture");
        let decoded = decode(&picture.jpeg);
        prop_assert_eq!((decoded.width, decoded.height), (width, height));
        let (original, after) = redacted(&frame, &detections);
        for place in detections.iter().filter_map(sensitive) {
            let x = (place.left * width as f32) as usize..((place.right() * width as f32) as usize).min(width as usize - 1);
            let y = (place.top * height as f32) as usize..(place.bottom() * height as f32) as usize;
            if x.len() * y.len() >= 64 {
                let (before, left) = (detail(&original, x.clone(), y.clone()), detail(&after, x, y));
                prop_assert!(left < 0.4 * before, "{left} of {before} at {place:?}");
            }
        }
    }

    #[test]
    fn private_ground_of_any_shape_is_black(
        width in 1_u32..80, height in 1_u32..80,
        corners in proptest::array::uniform3((0.0..=1.0_f64, 0.0..=1.0_f64)),
    ) {
        let Ok(mask) = Polygon::new(&corners.map(|(x, y)| Point { x, y })) else { return Ok(()) };
        let frame = blank(width, height, [255, 128, 128], ColorSpace { full_range: true, bt709: false });
        let mut picture = RgbPicture::from_frame(&frame).expect("a frame");
        redact::blacken(&mut picture, &mask);
        for y in 0..height {
            for x in 0..width {
                let center = |v: u32, length: u32| (f64::from(v) + 0.5) / f64::from(length);
                let private = mask.contains(Point { x: center(x, width), y: center(y, height) });
                prop_assert!(!private || green(&picture, x as usize, y as usize) == 0.0, "{x},{y} shows");
            }
        }
    }

    #[test]
    fn pixels_outside_every_region_are_untouched(
        detections in proptest::collection::vec(any_detection(), 0..4),
    ) {
        let (original, after) = redacted(&noise(97, 61), &detections);
        let inside = |x: f32, y: f32, b: &BoundingBox| {
            // Margins reach at most a tenth of the longer side, two pixels and the rounding.
            let rim = 0.1 * (b.width * 97.0).max(b.height * 61.0) + 4.0;
            x > b.left * 97.0 - rim && x < b.right() * 97.0 + rim && y > b.top * 61.0 - rim && y < b.bottom() * 61.0 + rim
        };
        for y in 0..61_u8 {
            for x in 0..97_u8 {
                let touched = green(&original, x.into(), y.into()) != green(&after, x.into(), y.into());
                prop_assert!(!touched || detections.iter().any(|d| inside(x.into(), y.into(), &d.bbox)), "{x},{y}");
            }
        }
    }
}
