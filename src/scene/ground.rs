//! The grid of cells over a zone's bounding box.

use std::ops::Range;

use crate::domain::frame::Frame;
use crate::domain::geometry::{BoundingBox, Polygon};
use crate::domain::scene::{GroundCell, GroundPatch};

use super::{Moments, narrow, share};

/// Cells that a zone of ordinary shape gets inside its polygon.
const CELLS_INSIDE: f64 = 200.0;
/// Cells over the whole bounding box, also of a thin diagonal zone.
const MAX_CELLS: f64 = 1_600.0;
/// Shortest side of a cell in pixels: below this, chroma has a single sample per cell.
const MIN_CELL_PX: f64 = 4.0;

/// Where the cells of one zone lie in pictures of one size.
#[derive(Debug, Clone)]
pub(super) struct GroundGrid {
    columns: u16,
    rows: u16,
    cells: Vec<Option<CellArea>>,
}

/// Pixels of one cell.
#[derive(Debug, Clone)]
struct CellArea {
    x: Range<usize>,
    y: Range<usize>,
}

impl GroundGrid {
    /// A cell belongs to the zone if at least half of it lies inside; the best one always does.
    pub(super) fn new(polygon: &Polygon, (width, height): (u32, u32)) -> Self {
        let bounds = PixelBounds::of(polygon, width, height);
        let (columns, rows) = bounds.grid(polygon.area() * f64::from(width) * f64::from(height));
        let mut cells = Vec::with_capacity(usize::from(columns) * usize::from(rows));
        let mut coverages = Vec::with_capacity(cells.capacity());
        for row in 0..rows {
            let y = offset(share(row.into(), rows.into(), bounds.y.len()), bounds.y.start);
            for column in 0..columns {
                let x = offset(share(column.into(), columns.into(), bounds.x.len()), bounds.x.start);
                coverages.push(polygon.coverage_of(&normalised(&x, &y, width, height)));
                cells.push(Some(CellArea { x: x.clone(), y: y.clone() }));
            }
        }
        let best = coverages.iter().copied().fold(0.0, f64::max);
        let enough = best.min(0.5);
        for (cell, coverage) in cells.iter_mut().zip(coverages) {
            if coverage < enough {
                *cell = None;
            }
        }
        Self { columns, rows, cells }
    }

    pub(super) fn measure(&self, zone: &str, frame: &Frame) -> GroundPatch {
        let cells = self.cells.iter().map(|cell| cell.as_ref().map(|area| area.measure(frame))).collect();
        GroundPatch { zone: zone.to_owned(), columns: self.columns, rows: self.rows, cells }
    }
}

impl CellArea {
    fn measure(&self, frame: &Frame) -> GroundCell {
        let luma = moments(&frame.y, frame.width as usize, &self.x, &self.y);
        let stride = frame.chroma_size().0 as usize;
        let (x, y) = (chroma(&self.x), chroma(&self.y));
        GroundCell {
            luma: narrow(luma.mean()),
            texture: narrow(luma.deviation()),
            cb: narrow(moments(&frame.u, stride, &x, &y).mean()),
            cr: narrow(moments(&frame.v, stride, &x, &y).mean()),
        }
    }
}

fn moments(plane: &[u8], stride: usize, x: &Range<usize>, y: &Range<usize>) -> Moments {
    let mut moments = Moments::default();
    for row in y.clone() {
        moments.add(&plane[row * stride + x.start..row * stride + x.end]);
    }
    moments
}

/// Half the resolution, rounded outwards.
fn chroma(luma: &Range<usize>) -> Range<usize> {
    luma.start / 2..luma.end.div_ceil(2)
}

fn offset(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

#[allow(clippy::cast_precision_loss, reason = "pixel positions are small")]
fn normalised(x: &Range<usize>, y: &Range<usize>, width: u32, height: u32) -> BoundingBox {
    let (width, height) = (width as f32, height as f32);
    BoundingBox {
        left: x.start as f32 / width,
        top: y.start as f32 / height,
        width: x.len() as f32 / width,
        height: y.len() as f32 / height,
    }
}

/// A zone's bounding box in whole pixels, at least one in each direction.
struct PixelBounds {
    x: Range<usize>,
    y: Range<usize>,
}

impl PixelBounds {
    fn of(polygon: &Polygon, width: u32, height: u32) -> Self {
        Self { x: extent(polygon.points().map(|p| p.x), width), y: extent(polygon.points().map(|p| p.y), height) }
    }

    /// Columns and rows of nearly square cells, so many that about [`CELLS_INSIDE`] lie inside a
    /// zone of `area_px`.
    #[allow(clippy::cast_precision_loss, reason = "pixel counts are small")]
    fn grid(&self, area_px: f64) -> (u16, u16) {
        let (width, height) = (self.x.len() as f64, self.y.len() as f64);
        let side = (area_px / CELLS_INSIDE).max(width * height / MAX_CELLS).sqrt().max(MIN_CELL_PX);
        (count(width / side), count(height / side))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
fn count(cells: f64) -> u16 {
    cells.floor().clamp(1.0, MAX_CELLS) as u16
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0–1 times a picture side")]
fn extent(coordinates: impl Iterator<Item = f64>, length: u32) -> Range<usize> {
    let (low, high) = coordinates.fold((1.0_f64, 0.0_f64), |(low, high), c| (low.min(c), high.max(c)));
    let last = (length as usize).saturating_sub(1);
    let start = ((low * f64::from(length)).floor() as usize).min(last);
    let end = ((high * f64::from(length)).ceil() as usize).clamp(start + 1, last + 1);
    start..end
}
