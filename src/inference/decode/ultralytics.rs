//! Exports of the Ultralytics tool for `YOLOv8` and 11: centre and size in input pixels, class scores of
//! 0–1, no objectness; the tensor lies on its side.

use super::{Candidate, DecodeError, Outputs, Scope, corners, greatest};
use crate::inference::manifest::Ultralytics;

pub(super) fn decode(params: &Ultralytics, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let numbers = 4 + scope.classes;
    if params.rows {
        let rows = outputs.matrix(&params.output, None, Some(numbers))?;
        return Ok(rows.iter().filter_map(|row| candidate(scope, |index| row[index])).collect());
    }
    let matrix = outputs.matrix(&params.output, Some(numbers), None)?;
    let boxes = matrix.columns;
    let value = |column: usize| move |index: usize| matrix.values[index * boxes + column];
    Ok((0..boxes).filter_map(|column| candidate(scope, value(column))).collect())
}

fn candidate(scope: &Scope, value: impl Fn(usize) -> f32) -> Option<Candidate> {
    let (class, strength) = greatest((0..scope.classes).map(|class| value(4 + class)))?;
    scope.candidate(class, strength, corners([value(0), value(1), value(2), value(3)]))
}
