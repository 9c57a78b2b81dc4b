//! What lies on the ground of a zone, compared with what lay there before.
//!
//! Light scales luma, so luma alone never makes a difference: texture relative to luma and colour
//! do, after what the whole zone has in common is taken out. The baseline follows slow changes only
//! in cells that do not differ, so that it cannot swallow what was put down.

mod compare;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GroundCell, GroundPatch};
use crate::domain::Timestamp;
use crate::domain::geometry::{BoundingBox, Polygon};
use crate::domain::time::{after, before, elapsed};
use compare::Common;

/// A cell is not looked at for this long after something stood on it; detectors miss a standing lorry
/// for a look or two.
const OCCUPIED_HOLD: Duration = Duration::from_secs(8);
/// Free looks before a cell has a baseline.
const LEARN_LOOKS: u8 = 3;
/// Time constants: of what is seen now, of the baseline, of the usual noise.
const NOW_S: f32 = 4.0;
const BASELINE_S: f32 = 600.0;
const NOISE_S: f32 = 60.0;
/// After a longer gap than this, what differs is as likely to be new as to be noise.
const NOISE_GAP_S: f32 = 5.0;
/// A change that shows no later than this after its cells became free lay there before they did.
const JUST_FREED: Duration = Duration::from_secs(4);
/// A difference that nothing explains becomes the baseline after this.
const ADOPT_AFTER: Duration = Duration::from_secs(600);
/// More of the ground than this differs only when the weather or the lamps have changed.
const GLOBAL_RATIO: f64 = 0.85;

/// A cell's look with light divided out as far as one cell allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Appearance {
    pub(super) luma: f32,
    /// Texture relative to luma.
    pub(super) contrast: f32,
    pub(super) cb: f32,
    pub(super) cr: f32,
}

impl From<GroundCell> for Appearance {
    fn from(cell: GroundCell) -> Self {
        Self { luma: cell.luma, contrast: cell.texture / (cell.luma + 16.0), cb: cell.cb, cr: cell.cr }
    }
}

impl Appearance {
    fn follow(&mut self, other: &Self, share: f32) {
        let pairs = [
            (&mut self.luma, other.luma),
            (&mut self.contrast, other.contrast),
            (&mut self.cb, other.cb),
            (&mut self.cr, other.cr),
        ];
        for (own, new) in pairs {
            *own += (new - *own) * share;
        }
    }
}

/// One cell's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) base: Option<Appearance>,
    pub(super) now: Option<Appearance>,
    /// Usual distance of a look from `now`: contrast, colour.
    pub(super) noise: (f32, f32),
    free_looks: u8,
    free_from: Option<Timestamp>,
    changed_since: Option<Timestamp>,
}

/// What is known of one cell at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellStatus {
    /// Outside the zone, something stands on it, or nothing was known before.
    Unknown,
    /// As before.
    Same,
    /// Different from before.
    Changed,
}

/// One look at the ground.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroundReading {
    /// One per cell of the patch.
    pub(crate) cells: Vec<CellStatus>,
    /// Share of all the zone's cells that differ, 0–1; zero when all do, for then it is the light.
    pub(crate) changed_ratio: f64,
    /// The changed cells are less like the rest of the ground than before: something came, rather
    /// than went.
    pub(crate) added: bool,
    /// What came is as even as ground inside its rim: a sheet, a carpet of grain, paint.
    pub(crate) even: bool,
    /// Since when what differs has been uncovered, if most of it was covered until just now.
    pub(crate) uncovered_at: Option<Timestamp>,
}

/// The memory of one zone's ground.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Ground {
    bounds: Option<BoundingBox>,
    columns: u16,
    rows: u16,
    cells: Vec<Cell>,
}

impl Ground {
    /// Takes in one look. `occupied` are the boxes of what stands there, `frozen` holds differences
    /// back from becoming the baseline. `None` if the patch has no cells.
    pub(crate) fn observe(
        &mut self,
        patch: &GroundPatch,
        polygon: &Polygon,
        occupied: &[BoundingBox],
        (at, gap): (Timestamp, Duration),
        frozen: bool,
    ) -> Option<GroundReading> {
        if patch.cells.is_empty() || patch.cells.len() != usize::from(patch.columns) * usize::from(patch.rows) {
            return None;
        }
        self.fit(patch, polygon);
        let seconds = gap.as_secs_f32();
        for index in 0..self.cells.len() {
            let rect = self.cell_box(index)?;
            let covered = occupied.iter().any(|bbox| bbox.intersection(&rect) > 0.0);
            self.cells[index].see(patch.cells[index], covered, at, seconds);
        }
        let common = Common::of(&self.cells);
        let mut cells = compare::statuses(&self.cells, &common, usize::from(self.columns), at);
        for (cell, status) in self.cells.iter_mut().zip(&cells) {
            cell.adapt(*status, at, seconds, frozen);
        }
        compare::drop_scattered(&mut cells, usize::from(self.columns));
        let inside = patch.cells.iter().flatten().count().max(1);
        let known = cells.iter().filter(|status| **status != CellStatus::Unknown).count();
        let changed = cells.iter().filter(|status| **status == CellStatus::Changed).count();
        let global = ratio(changed, known) > GLOBAL_RATIO;
        Some(GroundReading {
            changed_ratio: if global { 0.0 } else { ratio(changed, inside) },
            added: compare::is_addition(&self.cells, &cells),
            uncovered_at: self.uncovered_at(&cells, at),
            even: compare::is_even(&self.cells, &cells, &common, usize::from(self.columns)),
            cells,
        })
    }

    fn uncovered_at(&self, statuses: &[CellStatus], at: Timestamp) -> Option<Timestamp> {
        let changed = self.cells.iter().zip(statuses).filter(|(_, status)| **status == CellStatus::Changed);
        let freed: Vec<Option<Timestamp>> =
            changed.map(|(cell, _)| cell.free_from.filter(|from| elapsed(*from, at) <= JUST_FREED)).collect();
        let latest = freed.iter().flatten().max().filter(|_| 2 * freed.iter().flatten().count() > freed.len());
        latest.map(|from| before(*from, OCCUPIED_HOLD))
    }

    /// Starts anew if the grid or the zone is another one.
    fn fit(&mut self, patch: &GroundPatch, polygon: &Polygon) {
        let bounds = bounds_of(polygon);
        if self.bounds != Some(bounds) || (self.columns, self.rows) != (patch.columns, patch.rows) {
            let cells = vec![Cell::default(); patch.cells.len()];
            *self = Self { bounds: Some(bounds), columns: patch.columns, rows: patch.rows, cells };
        }
    }

    /// Takes what is seen now for what was always there.
    pub(crate) fn absorb(&mut self) {
        for cell in &mut self.cells {
            (cell.base, cell.changed_since) = (cell.now.or(cell.base), None);
        }
    }

    /// Takes differences for the baseline that are older than `age`: they have nothing to do with
    /// what begins now.
    pub(crate) fn absorb_older_than(&mut self, at: Timestamp, age: Duration) {
        for cell in &mut self.cells {
            if cell.changed_since.is_some_and(|since| elapsed(since, at) > age) {
                (cell.base, cell.changed_since) = (cell.now.or(cell.base), None);
            }
        }
    }

    /// Where a cell lies in the picture.
    pub(crate) fn cell_box(&self, index: usize) -> Option<BoundingBox> {
        let bounds = self.bounds?;
        let index = u16::try_from(index).ok()?;
        let (column, row) = (index.checked_rem(self.columns)?, index.checked_div(self.columns)?);
        let (width, height) = (bounds.width / f32::from(self.columns), bounds.height / f32::from(self.rows));
        let (left, top) = (bounds.left + f32::from(column) * width, bounds.top + f32::from(row) * height);
        Some(BoundingBox { left, top, width, height })
    }
}

impl Cell {
    fn see(&mut self, seen: Option<GroundCell>, covered: bool, at: Timestamp, gap_s: f32) {
        let Some(seen) = seen.map(Appearance::from) else { return };
        if covered {
            self.free_from = Some(after(at, OCCUPIED_HOLD));
            self.free_looks = 0;
        }
        if !self.is_free(at) {
            return;
        }
        self.free_looks = self.free_looks.saturating_add(1);
        match &mut self.now {
            Some(now) if self.free_looks > 1 => {
                let off = ((seen.contrast - now.contrast).abs(), (seen.cb - now.cb).hypot(seen.cr - now.cr));
                if self.changed_since.is_none() {
                    let gap_s = gap_s.min(NOISE_GAP_S);
                    let share = gap_s / (gap_s + NOISE_S);
                    self.noise.0 += (off.0 - self.noise.0) * share;
                    self.noise.1 += (off.1 - self.noise.1) * share;
                }
                now.follow(&seen, gap_s / (gap_s + NOW_S));
            }
            _ => self.now = Some(seen),
        }
        if self.base.is_none() && self.free_looks >= LEARN_LOOKS {
            self.base = self.now;
        }
    }

    /// Whether nothing stands on it, or did a moment ago.
    pub(super) fn is_free(&self, at: Timestamp) -> bool {
        self.free_from.is_none_or(|from| at >= from)
    }

    fn adapt(&mut self, status: CellStatus, at: Timestamp, gap_s: f32, frozen: bool) {
        let (Some(base), Some(now)) = (&mut self.base, &self.now) else { return };
        match status {
            CellStatus::Unknown => {}
            CellStatus::Same => {
                self.changed_since = None;
                base.follow(now, gap_s / (gap_s + BASELINE_S));
            }
            CellStatus::Changed => {
                let since = *self.changed_since.get_or_insert(at);
                if !frozen && elapsed(since, at) >= ADOPT_AFTER {
                    (*base, self.changed_since) = (*now, None);
                }
            }
        }
    }
}

fn bounds_of(polygon: &Polygon) -> BoundingBox {
    let start = (1.0_f64, 1.0_f64, 0.0_f64, 0.0_f64);
    let (left, top, right, bottom) =
        polygon.points().fold(start, |(l, t, r, b), p| (l.min(p.x), t.min(p.y), r.max(p.x), b.max(p.y)));
    #[allow(clippy::cast_possible_truncation, reason = "picture coordinates, 0–1")]
    let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| edge as f32);
    BoundingBox { left, top, width: right - left, height: bottom - top }
}

#[allow(clippy::cast_precision_loss, reason = "numbers of cells")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
