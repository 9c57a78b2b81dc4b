//! DETR and its descendants: a fixed number of final boxes, each for one thing.

use super::{Candidate, DecodeError, Outputs, Scope, corners, greatest, whole};
use crate::inference::manifest::{BoxFormat, BoxUnit, Detr, ScoreForm};

pub(super) fn decode(params: &Detr, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let boxes = outputs.matrix(&params.boxes, None, Some(4))?;
    let classified: Vec<Option<(usize, f32)>> = if let Some(labels) = &params.labels {
        let labels = outputs.integers(labels, boxes.rows)?;
        let scores = outputs.row(&params.scores, boxes.rows)?;
        let pair = |(label, score): (&i64, &f32)| Some((usize::try_from(*label).ok()?, *score));
        labels.iter().zip(scores).map(pair).collect()
    } else {
        let rows = outputs.matrix(&params.scores, Some(boxes.rows), Some(scope.classes))?;
        rows.iter().map(|row| greatest(row.iter().copied())).collect()
    };
    let candidate = |(numbers, classified): (&[f32], Option<(usize, f32)>)| {
        let (class, strength) = classified?;
        scope.candidate(class, probability(params.score_form, strength), pixels(params, scope, numbers)?)
    };
    Ok(boxes.iter().zip(classified).filter_map(candidate).collect())
}

fn probability(form: ScoreForm, score: f32) -> f32 {
    match form {
        ScoreForm::Probability => score,
        ScoreForm::Logit => 1.0 / (1.0 + (-score).exp()),
    }
}

fn pixels(params: &Detr, scope: &Scope, numbers: &[f32]) -> Option<[f32; 4]> {
    let numbers: [f32; 4] = numbers.try_into().ok()?;
    let [left, top, right, bottom] = match params.box_format {
        BoxFormat::Corners => numbers,
        BoxFormat::CenterSize => corners(numbers),
    };
    let (width, height) = match params.box_unit {
        BoxUnit::Pixels => (1.0, 1.0),
        BoxUnit::Share => (whole(scope.input_width), whole(scope.input_height)),
    };
    Some([left * width, top * height, right * width, bottom * height])
}
