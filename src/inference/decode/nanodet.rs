//! `NanoDet`: per cell the class scores (0–1) and, for each side of the box, a distribution over its
//! distance from the cell's point, whose mean is the distance in cells.

use super::{Candidate, DecodeError, Outputs, Scope, greatest, whole};
use crate::inference::manifest::{Center, Nanodet};

pub(super) fn decode(params: &Nanodet, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let Some(output) = &params.output else {
        let heads = Heads {
            scores: &params.scores,
            boxes: &params.boxes,
            strides: &params.strides,
            bins: params.reg_max + 1,
            center: params.center,
        };
        return heads.decode(outputs, scope);
    };
    let bins = params.reg_max + 1;
    let cells = params.strides.iter().map(|stride| scope.cell_count(*stride)).sum();
    let rows = outputs.matrix(output, Some(cells), Some(scope.classes + 4 * bins))?;
    let grid = params.strides.iter().flat_map(|&stride| scope.cells(stride).map(move |cell| (cell, stride)));
    let candidate = |(row, (cell, stride)): (&[f32], _)| {
        let (scores, sides) = row.split_at(scope.classes);
        candidate(scope, scores, sides, point(params.center, cell, stride), whole(stride))
    };
    Ok(rows.iter().zip(grid).filter_map(candidate).collect())
}

/// One pair of tensors per stride: `NanoDet-m` and `PicoDet`.
pub(super) struct Heads<'a> {
    pub(super) scores: &'a [String],
    pub(super) boxes: &'a [String],
    pub(super) strides: &'a [u32],
    pub(super) bins: usize,
    pub(super) center: Center,
}

impl Heads<'_> {
    pub(super) fn decode(&self, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
        if self.scores.len() != self.strides.len() || self.boxes.len() != self.strides.len() {
            return Err(DecodeError::Shape {
                output: self.scores.first().cloned().unwrap_or_default(),
                found: format!("{} score and {} box tensors", self.scores.len(), self.boxes.len()),
                wanted: format!("one of each per stride, {}", self.strides.len()),
            });
        }
        let mut candidates = Vec::new();
        for ((scores, boxes), &stride) in self.scores.iter().zip(self.boxes).zip(self.strides) {
            let cells = Some(scope.cell_count(stride));
            let scores = outputs.matrix(scores, cells, Some(scope.classes))?;
            let sides = outputs.matrix(boxes, cells, Some(4 * self.bins))?;
            let rows = scores.iter().zip(sides.iter()).zip(scope.cells(stride));
            candidates.extend(rows.filter_map(|((scores, sides), cell)| {
                candidate(scope, scores, sides, point(self.center, cell, stride), whole(stride))
            }));
        }
        Ok(candidates)
    }
}

fn candidate(scope: &Scope, scores: &[f32], sides: &[f32], (x, y): (f32, f32), stride: f32) -> Option<Candidate> {
    let (class, strength) = greatest(scores.iter().copied())?;
    // The distributions cost more than everything before: most rows end here.
    if strength < scope.min_score {
        return None;
    }
    let distance = |side: usize| mean(&sides[side * sides.len() / 4..(side + 1) * sides.len() / 4]) * stride;
    scope.candidate(class, strength, [x - distance(0), y - distance(1), x + distance(2), y + distance(3)])
}

/// Where in the input the distances of a cell start.
fn point(center: Center, (column, row): (f32, f32), stride: u32) -> (f32, f32) {
    let stride = whole(stride);
    let offset = match center {
        Center::CellCorner => 0.0,
        Center::CellMiddle => stride / 2.0,
        Center::PixelMiddle => (stride - 1.0) / 2.0,
    };
    (column * stride + offset, row * stride + offset)
}

/// Mean position under the softmax of `logits`; NaN if they hold a NaN or nothing finite.
fn mean(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (total, weighted, _) = logits.iter().fold((0.0, 0.0, 0.0), |(total, weighted, position), logit| {
        let weight = (logit - most).exp();
        (total + weight, weighted + weight * position, position + 1.0)
    });
    weighted / total
}
