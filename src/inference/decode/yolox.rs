//! YOLOX: rows of centre, size, objectness and class scores, both scores already 0–1.

use super::{Candidate, DecodeError, Outputs, Scope, corners, greatest, whole};
use crate::inference::manifest::Yolox;

pub(super) fn decode(params: &Yolox, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let cells = params.strides.iter().map(|stride| scope.cell_count(*stride)).sum();
    let rows = outputs.matrix(&params.output, Some(cells), Some(5 + scope.classes))?;
    let grid = params.strides.iter().flat_map(|&stride| scope.cells(stride).map(move |cell| (cell, whole(stride))));
    let candidate = |(row, (cell, stride)): (&[f32], _)| {
        let &[x, y, width, height, objectness, ref classes @ ..] = row else { return None };
        // A product of two shares cannot exceed either: most rows end here.
        if objectness < scope.min_score {
            return None;
        }
        let (class, strength) = greatest(classes.iter().copied())?;
        let bbox = if params.decoded { [x, y, width, height] } else { pixels([x, y, width, height], cell, stride) };
        scope.candidate(class, strength * objectness, corners(bbox))
    };
    Ok(rows.iter().zip(grid).filter_map(candidate).collect())
}

/// Raw exports give the centre as an offset in cells and the size as a logarithm in cells.
fn pixels([x, y, width, height]: [f32; 4], (column, row): (f32, f32), stride: f32) -> [f32; 4] {
    [(x + column) * stride, (y + row) * stride, width.exp() * stride, height.exp() * stride]
}
