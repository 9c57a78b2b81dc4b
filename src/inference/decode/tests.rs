use proptest::prelude::*;

use super::*;
use crate::inference::manifest::{BoxFormat, BoxUnit, Center, Detr, Nanodet, Picodet, ScoreForm, Ultralytics, Yolox};

/// A model input of 32 × 32 with two classes.
const SCOPE: Scope = Scope { input_width: 32, input_height: 32, classes: 2, min_score: 0.3 };

fn floats<'a>(name: &'a str, shape: &'a [i64], values: &'a [f32]) -> Output<'a> {
    Output { name, shape, values: Values::F32(values) }
}

fn assert_box(candidate: &Candidate, class_id: u16, score: f32, corners: [f32; 4]) {
    assert_eq!(candidate.class_id, class_id, "{candidate:?}");
    let found = [candidate.left, candidate.top, candidate.right, candidate.bottom];
    let near = found.iter().zip(corners).all(|(found, wanted)| (found - wanted).abs() < 1e-3);
    assert!(near && (candidate.score - score).abs() < 1e-4, "{candidate:?}");
}

fn yolox(decoded: bool) -> Decoder {
    Decoder::Yolox(Yolox { output: "out".to_owned(), strides: vec![16, 32], decoded })
}

#[test]
fn yolox_counts_from_its_cell() {
    // Four cells of 16 pixels, one of 32.
    let mut values = vec![0.0; 5 * 7];
    values[7..14].copy_from_slice(&[0.5, 0.25, 0.0, 2f32.ln(), 0.9, 0.1, 0.8]);
    let found = decode(&yolox(false), &[floats("out", &[1, 5, 7], &values)], &SCOPE).expect("decodes");
    assert_eq!(found.len(), 1);
    assert_box(&found[0], 1, 0.72, [16.0, -12.0, 32.0, 20.0]);
}

#[test]
fn yolox_decoded_exports_are_in_pixels() {
    let mut values = vec![0.0; 5 * 7];
    values[28..35].copy_from_slice(&[10.0, 12.0, 4.0, 6.0, 1.0, 0.5, 0.1]);
    let found = decode(&yolox(true), &[floats("out", &[1, 5, 7], &values)], &SCOPE).expect("decodes");
    assert_box(&found[0], 0, 0.5, [8.0, 9.0, 12.0, 15.0]);
}

#[test]
fn ultralytics_lies_on_its_side() {
    let decoder = |rows| Decoder::Ultralytics(Ultralytics { output: "out".to_owned(), rows });
    let lying = [10.0, 0.0, 12.0, 0.0, 4.0, 0.0, 6.0, 0.0, 0.2, 0.0, 0.6, 0.0];
    let found = decode(&decoder(false), &[floats("out", &[1, 6, 2], &lying)], &SCOPE).expect("decodes");
    assert_eq!(found.len(), 1);
    assert_box(&found[0], 1, 0.6, [8.0, 9.0, 12.0, 15.0]);
    let upright = [10.0, 12.0, 4.0, 6.0, 0.2, 0.6];
    let found = decode(&decoder(true), &[floats("out", &[1, 1, 6], &upright)], &SCOPE).expect("decodes");
    assert_box(&found[0], 1, 0.6, [8.0, 9.0, 12.0, 15.0]);
}

/// Distances of 0, 1, 1 and 0.5 cells, each a distribution over two positions.
const SIDES: [f32; 8] = [50.0, -50.0, -50.0, 50.0, -50.0, 50.0, 0.0, 0.0];

fn nanodet(output: Option<&str>, center: Center) -> Decoder {
    Decoder::Nanodet(Nanodet {
        output: output.map(str::to_owned),
        scores: vec!["scores".to_owned()],
        boxes: vec!["boxes".to_owned()],
        strides: vec![16],
        reg_max: 1,
        center,
    })
}

#[test]
fn nanodet_takes_the_mean_of_each_distribution() {
    let scores = [0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0];
    let boxes = SIDES.repeat(4);
    let outputs = [floats("scores", &[1, 4, 2], &scores), floats("boxes", &[1, 4, 8], &boxes)];
    let corner = [16.0, -16.0, 32.0, 8.0];
    for (center, offset) in [(Center::CellCorner, 0.0), (Center::CellMiddle, 8.0), (Center::PixelMiddle, 7.5)] {
        let found = decode(&nanodet(None, center), &outputs, &SCOPE).expect("decodes");
        assert_eq!(found.len(), 1);
        assert_box(&found[0], 1, 0.9, corner.map(|side| side + offset));
    }
    let params =
        Picodet { scores: vec!["scores".to_owned()], boxes: vec!["boxes".to_owned()], strides: vec![16], reg_max: 1 };
    let found = decode(&Decoder::Picodet(params), &outputs, &SCOPE).expect("decodes");
    assert_box(&found[0], 1, 0.9, corner.map(|side| side + 8.0));
}

#[test]
fn nanodet_plus_has_everything_in_one_row() {
    let mut values = vec![0.0; 4 * 10];
    values[10] = 0.9;
    values[12..20].copy_from_slice(&SIDES);
    let decoder = nanodet(Some("out"), Center::CellCorner);
    let found = decode(&decoder, &[floats("out", &[1, 4, 10], &values)], &SCOPE).expect("decodes");
    assert_eq!(found.len(), 1);
    assert_box(&found[0], 0, 0.9, [16.0, -16.0, 32.0, 8.0]);
}

fn detr(labels: Option<&str>) -> Detr {
    Detr {
        boxes: "boxes".to_owned(),
        scores: "scores".to_owned(),
        labels: labels.map(str::to_owned),
        box_format: BoxFormat::Corners,
        box_unit: BoxUnit::Pixels,
        score_form: ScoreForm::Probability,
        size_input: None,
    }
}

#[test]
fn detr_with_labels_and_without() {
    let boxes = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let labels = Output { name: "labels", shape: &[1, 2], values: Values::I64(&[1, -1]) };
    let outputs = [floats("boxes", &[1, 2, 4], &boxes), floats("scores", &[1, 2], &[0.5, 0.9]), labels];
    let found = decode(&Decoder::Detr(detr(Some("labels"))), &outputs, &SCOPE).expect("decodes");
    assert_eq!(found.len(), 1, "a label of -1 is no class");
    assert_box(&found[0], 1, 0.5, [1.0, 2.0, 3.0, 4.0]);

    let raw = Detr {
        box_format: BoxFormat::CenterSize,
        box_unit: BoxUnit::Share,
        score_form: ScoreForm::Logit,
        ..detr(None)
    };
    let outputs = [floats("boxes", &[1, 1, 4], &[0.5, 0.5, 0.25, 0.5]), floats("scores", &[1, 1, 2], &[-9.0, 0.0])];
    let found = decode(&Decoder::Detr(raw), &outputs, &SCOPE).expect("decodes");
    assert_box(&found[0], 1, 0.5, [12.0, 8.0, 20.0, 24.0]);
}

#[test]
fn errors_name_the_output() {
    let error = decode(&yolox(false), &[floats("out", &[1, 5, 8], &[0.0; 40])], &SCOPE).expect_err("too wide");
    assert_eq!(error.to_string(), "output `out` has shape [1, 5, 8], but [1, 5, 7] is expected from the manifest");
    let error = decode(&yolox(false), &[floats("other", &[1], &[0.0])], &SCOPE).expect_err("absent");
    assert_eq!(error.to_string(), "the model has no output `out` (it has: other)");
    let integers = Output { name: "out", shape: &[1, 5, 7], values: Values::I64(&[0; 35]) };
    let error = decode(&yolox(false), &[integers], &SCOPE).expect_err("integers");
    assert_eq!(error.to_string(), "output `out` does not hold 32-bit floats");
}

fn any_number() -> impl Strategy<Value = f32> {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e30, -0.0];
    prop_oneof![4 => 0.0f32..1.0, 1 => -100.0f32..100.0, 1 => proptest::sample::select(odd.to_vec())]
}

fn decoders() -> Vec<Decoder> {
    vec![
        yolox(false),
        yolox(true),
        Decoder::Ultralytics(Ultralytics { output: "out".to_owned(), rows: false }),
        Decoder::Ultralytics(Ultralytics { output: "out".to_owned(), rows: true }),
        nanodet(Some("out"), Center::CellCorner),
        nanodet(None, Center::CellMiddle),
        Decoder::Detr(detr(Some("labels"))),
        Decoder::Detr(Detr { score_form: ScoreForm::Logit, box_format: BoxFormat::CenterSize, ..detr(None) }),
    ]
}

proptest! {
    #[test]
    fn any_numbers_give_finite_boxes(
        out in proptest::collection::vec(any_number(), 40),
        scores in proptest::collection::vec(any_number(), 8),
        boxes in proptest::collection::vec(any_number(), 32),
        labels in proptest::collection::vec(any::<i64>(), 8),
    ) {
        for decoder in decoders() {
            let (length, shape): (usize, [i64; 3]) = match &decoder {
                Decoder::Yolox(_) => (35, [1, 5, 7]),
                Decoder::Ultralytics(params) if params.rows => (36, [1, 6, 6]),
                Decoder::Ultralytics(_) => (36, [1, 6, 6]),
                Decoder::Nanodet(_) | Decoder::Picodet(_) | Decoder::Detr(_) => (40, [1, 4, 10]),
            };
            let detr_labels = matches!(&decoder, Decoder::Detr(params) if params.labels.is_some());
            let (score_shape, box_shape): (&[i64], &[i64]) = match (&decoder, detr_labels) {
                (_, true) => (&[1, 8], &[1, 8, 4]),
                (Decoder::Detr(_), false) => (&[1, 4, 2], &[1, 4, 4]),
                _ => (&[1, 4, 2], &[1, 4, 8]),
            };
            let boxes = if box_shape == [1, 4, 4] { &boxes[..16] } else { &boxes[..] };
            let outputs = [
                floats("out", &shape, &out[..length]),
                floats("scores", score_shape, &scores),
                floats("boxes", box_shape, boxes),
                Output { name: "labels", shape: &[1, 8], values: Values::I64(&labels) },
            ];
            for found in decode(&decoder, &outputs, &SCOPE).expect("shapes are right") {
                prop_assert!([found.left, found.top, found.right, found.bottom].iter().all(|v| v.is_finite()));
                prop_assert!(found.right > found.left && found.bottom > found.top);
                prop_assert!((SCOPE.min_score..=1.0).contains(&found.score) && usize::from(found.class_id) < 2);
            }
        }
    }

    #[test]
    fn any_shape_is_decoded_or_refused(shape in proptest::collection::vec(-2i64..50, 0..5), length in 0usize..100) {
        let values = vec![0.5; length];
        let labels = vec![0; length];
        for decoder in decoders() {
            let outputs = [
                floats("out", &shape, &values),
                floats("scores", &shape, &values),
                floats("boxes", &shape, &values),
                Output { name: "labels", shape: &shape, values: Values::I64(&labels) },
            ];
            if let Err(error) = decode(&decoder, &outputs, &SCOPE) {
                prop_assert!(error.to_string().contains('`'));
            }
        }
    }
}
