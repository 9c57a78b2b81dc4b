//! What the measures promise.

use proptest::prelude::*;

use super::*;
use crate::domain::Timestamp;
use crate::domain::frame::ColorSpace;
use crate::domain::geometry::Point;

fn frame(width: u32, height: u32, luma: impl Fn(u32, u32) -> u8) -> Frame {
    let y = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| luma(x, y)).collect();
    let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    Frame {
        captured_at: Timestamp::UNIX_EPOCH,
        width,
        height,
        color: ColorSpace { full_range: true, bt709: false },
        y,
        u: vec![100; chroma],
        v: vec![150; chroma],
    }
}

fn polygon(points: &[(f64, f64)]) -> Polygon {
    Polygon::new(&points.iter().map(|&(x, y)| Point { x, y }).collect::<Vec<_>>()).expect("a polygon")
}

fn near(left: f32, right: f32) -> bool {
    (left - right).abs() < 0.01
}

#[test]
fn a_flat_picture_has_no_contrast() {
    let measures = measure(&frame(640, 360, |_, _| 51), &[]);
    assert!(near(measures.brightness, 0.2) && near(measures.contrast, 0.0));
    assert_eq!(measures.thumbnail, vec![51; THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT]);
}

#[test]
fn limited_range_black_is_black() {
    let mut black = frame(64, 64, |_, _| 16);
    assert!(!near(measure(&black, &[]).brightness, 0.0));
    black.color.full_range = false;
    assert!(near(measure(&black, &[]).brightness, 0.0));
}

#[test]
fn halves_show_in_the_thumbnail() {
    let measures = measure(&frame(1920, 1080, |x, _| if x < 960 { 0 } else { 255 }), &[]);
    assert!(near(measures.brightness, 0.5) && near(measures.contrast, 0.5));
    assert_eq!(&measures.thumbnail[14..18], &[0, 0, 255, 255]);
}

#[test]
fn every_pixel_counts_once() {
    let (width, height) = (1283, 727);
    let picture = frame(width, height, |x, y| u8::try_from((x * 7 + y * 13) % 256).expect("a byte"));
    let sum: u64 = picture.y.iter().map(|&y| u64::from(y)).sum();
    assert_eq!(luma_thumbnail(&picture).1.sum, sum);
    assert_eq!(luma_thumbnail(&picture).1.count, u64::from(width * height));
}

#[test]
fn cells_outside_the_polygon_are_none() {
    let triangle = polygon(&[(0.2, 0.9), (0.8, 0.9), (0.5, 0.3)]);
    let measures = measure(&frame(1280, 720, |_, _| 80), &[("heap", &triangle)]);
    let patch = &measures.ground[0];
    assert_eq!(patch.zone, "heap");
    assert_eq!(patch.cells.len(), usize::from(patch.columns) * usize::from(patch.rows));
    assert!(patch.cells[0].is_none(), "the corner above a triangle's flank");
    let inside: Vec<_> = patch.cells.iter().flatten().collect();
    assert!((64..=400).contains(&inside.len()), "{} cells", inside.len());
    assert!(
        inside.iter().all(|c| near(c.luma, 80.0) && near(c.texture, 0.0) && near(c.cb, 100.0) && near(c.cr, 150.0))
    );
}

#[test]
fn a_stain_changes_only_its_cells() {
    let zone = polygon(&[(0.1, 0.5), (0.9, 0.5), (0.9, 1.0), (0.1, 1.0)]);
    let mut meter = SceneMeter::new(&[("ground", &zone)]);
    let before = meter.measure(&frame(640, 360, |_, _| 120));
    let after = meter.measure(&frame(640, 360, |x, y| if (300..340).contains(&x) && y > 300 { 60 } else { 120 }));
    let changed = |(a, b): &(&Option<_>, &Option<_>)| a != b;
    let cells = &before.ground[0].cells;
    let count = cells.iter().zip(&after.ground[0].cells).filter(changed).count();
    assert!(count > 0 && count * 8 < cells.len(), "{count} of {}", cells.len());
}

#[test]
fn the_grid_is_the_same_at_another_size_of_the_same_shape() {
    let zone = polygon(&[(0.1, 0.4), (0.9, 0.5), (0.7, 0.95)]);
    let mut meter = SceneMeter::new(&[("ground", &zone)]);
    let large = meter.measure(&frame(1920, 1080, |_, _| 120));
    let small = meter.measure(&frame(640, 360, |_, _| 120));
    let shape = |m: &SceneMeasures| (m.ground[0].columns, m.ground[0].rows);
    assert_eq!(shape(&large), shape(&small));
}

#[test]
fn a_tiny_zone_still_has_a_cell() {
    let zone = polygon(&[(0.5, 0.5), (0.501, 0.5), (0.501, 0.501)]);
    let measures = measure(&frame(320, 180, |_, _| 9), &[("speck", &zone)]);
    assert!(measures.ground[0].cells.iter().flatten().count() >= 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size_and_any_triangle_measure(
        width in 1_u32..90, height in 1_u32..90,
        corners in proptest::array::uniform3((0.0..=1.0_f64, 0.0..=1.0_f64)),
        seed in any::<u32>(),
    ) {
        let picture = frame(width, height, |x, y| (x ^ y ^ seed).to_le_bytes()[0]);
        let corners = corners.map(|(x, y)| Point { x, y });
        let Ok(zone) = Polygon::new(&corners) else { return Ok(()) };
        let measures = measure(&picture, &[("zone", &zone)]);
        prop_assert_eq!(measures.thumbnail.len(), THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT);
        prop_assert!((0.0..=1.0).contains(&measures.brightness) && (0.0..=1.0).contains(&measures.contrast));
        let patch = &measures.ground[0];
        prop_assert_eq!(patch.cells.len(), usize::from(patch.columns) * usize::from(patch.rows));
        prop_assert!(patch.cells.iter().flatten().count() >= 1);
        prop_assert!(patch.cells.iter().flatten().all(|c| (0.0..=255.0).contains(&c.luma) && c.texture <= 127.5));
        prop_assert_eq!(measures, measure(&picture, &[("zone", &zone)]));
    }
}
