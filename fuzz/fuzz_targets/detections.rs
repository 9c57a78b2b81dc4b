//! Whatever numbers a model gives, boxes are finite and scores are scores. The first bytes choose the family and the shape.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use gridwatch::inference::decode::{Output, Scope, Values, decode};
use gridwatch::inference::manifest::{Decoder, Manifest};
use gridwatch::inference::nms::suppress;
use libfuzzer_sys::fuzz_target;

static MANIFESTS: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../models/street-n.toml"),
        include_str!("../../models/yolox-nano.toml"),
        include_str!("../../models/yolo11n.toml"),
        include_str!("../../models/nanodet-m.toml"),
        include_str!("../../models/picodet-s.toml"),
        include_str!("../../models/deimv2-atto.toml"),
        include_str!("../../models/dfine-s.toml"),
    ];
    texts.iter().map(|text| Manifest::parse(text, Path::new("fuzz.toml"), None).expect("a right one")).collect()
});

/// Outputs by name, and how many numbers a row has.
fn names(decoder: &Decoder, classes: usize) -> Vec<(String, usize)> {
    match decoder {
        Decoder::Yolox(one) => vec![(one.output.clone(), 5 + classes)],
        Decoder::Ultralytics(one) => vec![(one.output.clone(), 4 + classes)],
        Decoder::Nanodet(one) => {
            let scores = one.scores.iter().map(|name| (name.clone(), classes));
            scores.chain(one.boxes.iter().map(|name| (name.clone(), 4 * (one.reg_max + 1)))).collect()
        }
        Decoder::Picodet(one) => {
            let scores = one.scores.iter().map(|name| (name.clone(), classes));
            scores.chain(one.boxes.iter().map(|name| (name.clone(), 4 * (one.reg_max + 1)))).collect()
        }
        Decoder::Detr(one) => {
            let labels = one.labels.iter().map(|name| (name.clone(), 1));
            [(one.boxes.clone(), 4), (one.scores.clone(), classes)].into_iter().chain(labels).collect()
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, numbers)) = data.split_first_chunk::<8>() else { return };
    let manifest = &MANIFESTS[usize::from(head[0]) % MANIFESTS.len()];
    let classes = manifest.labels.len();
    let (width, height) = (32 * u32::from(head[1] % 8 + 1), 32 * u32::from(head[2] % 8 + 1));
    let floats: Vec<f32> = numbers.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let labels: Vec<i64> = numbers.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let cells: usize = [8, 16, 32].iter().map(|stride| (width / stride * (height / stride)) as usize).sum();
    let rows = if head[3] & 1 == 0 { cells } else { usize::from(head[4]) };
    let named = names(&manifest.decoder, classes);
    // Repeated as often as the shape asks for, so that few bytes fill any tensor.
    let full: Vec<Vec<f32>> = named
        .iter()
        .map(|(_, columns)| floats.iter().copied().cycle().take(if floats.is_empty() { 0 } else { rows * columns }).collect())
        .collect();
    let full_labels: Vec<i64> = labels.iter().copied().cycle().take(if labels.is_empty() { 0 } else { rows }).collect();
    let shapes: Vec<Vec<i64>> = named
        .iter()
        .map(|(_, columns)| match head[5] % 6 {
            0 => vec![1, *columns as i64, rows as i64],
            1 => vec![rows as i64, *columns as i64],
            2 => vec![1, i64::from(head[6]) - 128, i64::from(head[7]) << 24],
            3 => vec![1, rows as i64],
            _ => vec![1, rows as i64, *columns as i64],
        })
        .collect();
    let outputs: Vec<Output<'_>> = named
        .iter()
        .zip(full.iter().zip(&shapes))
        .map(|((name, columns), (values, shape))| Output {
            name,
            shape,
            values: if *columns == 1 && head[3] & 2 == 0 { Values::I64(&full_labels) } else { Values::F32(values) },
        })
        .collect();
    let scope = Scope { input_width: width, input_height: height, classes, min_score: f32::from(head[6]) / 300.0 };
    let Ok(mut candidates) = decode(&manifest.decoder, &outputs, &scope) else { return };
    candidates.truncate(2000);
    for found in &candidates {
        assert!([found.left, found.top, found.right, found.bottom].iter().all(|corner| corner.is_finite()), "{found:?}");
        assert!(found.left < found.right && found.top < found.bottom, "{found:?}");
        assert!((0.0..=1.0).contains(&found.score) && usize::from(found.class_id) < classes, "{found:?}");
    }
    suppress(&mut candidates, manifest.nms_iou, manifest.max_detections);
    assert!(candidates.len() <= manifest.max_detections);
});
