//! When a cell of the ground is another one than before.

use super::super::change::median;
use super::{Appearance, Cell, CellStatus};
use crate::domain::Timestamp;

/// Least difference of relative texture and of colour that counts, and how often the noise it must be.
const MIN_CONTRAST: f32 = 0.06;
const MIN_COLOUR: f32 = 9.0;
const TIMES_NOISE: f32 = 4.0;
/// Change of relative luma (logarithm) that makes a cell lit or shaded.
const SHADE: f32 = 0.14;
/// What the zone may have in common; more than this is no light but half the ground replaced.
const MAX_COMMON_COLOUR: f32 = 8.0;
const MAX_COMMON_CONTRAST: f32 = 0.04;
/// Mean colour below this: infrared or a grey picture, whose colour says nothing.
const GREY: f32 = 2.5;

/// What all cells' changes have in common: the light.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    luma_log: f32,
    contrast: f32,
    cb: f32,
    cr: f32,
    colour_counts: bool,
}

fn pairs(cells: &[Cell]) -> impl Iterator<Item = (Appearance, Appearance)> + '_ {
    cells.iter().filter_map(|cell| Some((cell.base?, cell.now?)))
}

fn luma_log(base: &Appearance, now: &Appearance) -> f32 {
    ((now.luma + 16.0) / (base.luma + 16.0)).ln()
}

fn middle(values: impl Iterator<Item = f32>) -> f32 {
    median(&mut values.collect::<Vec<_>>())
}

impl Common {
    pub(super) fn of(cells: &[Cell]) -> Self {
        let colourfulness = |pick: fn((Appearance, Appearance)) -> Appearance| {
            middle(pairs(cells).map(pick).map(|a| (a.cb - 128.0).hypot(a.cr - 128.0)))
        };
        let colour_counts = (colourfulness(|pair| pair.0) < GREY) == (colourfulness(|pair| pair.1) < GREY);
        let limit = |value: f32, most: f32| value.clamp(-most, most);
        Self {
            luma_log: middle(pairs(cells).map(|(base, now)| luma_log(&base, &now))),
            contrast: limit(middle(pairs(cells).map(|(base, now)| now.contrast - base.contrast)), MAX_COMMON_CONTRAST),
            cb: limit(middle(pairs(cells).map(|(base, now)| now.cb - base.cb)), MAX_COMMON_COLOUR),
            cr: limit(middle(pairs(cells).map(|(base, now)| now.cr - base.cr)), MAX_COMMON_COLOUR),
            colour_counts,
        }
    }
}

/// A thing that shows badly shows in a few patches at most; from so many on, those that are smaller than two cells,
/// or than this part of the largest, are not things.
const MANY_PATCHES: usize = 5;
const MIN_PATCH: usize = 2;
const SCATTERED: usize = 4;

/// What came, less what went, as a share of both.
const MOSTLY_ADDED: f32 = 0.3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Difference {
    Unknown,
    None,
    /// Lighter or darker, and otherwise the same ground.
    Light,
    /// Another texture, the same colour: a new thing, or the edge of a shadow.
    Texture,
    /// Another colour.
    Colour,
}

fn difference(cell: &Cell, common: &Common, at: Timestamp) -> Difference {
    let (Some(base), Some(now), true) = (cell.base, cell.now, cell.is_free(at)) else { return Difference::Unknown };
    let colour = (now.cb - base.cb - common.cb).hypot(now.cr - base.cr - common.cr);
    if common.colour_counts && colour > MIN_COLOUR.max(TIMES_NOISE * cell.noise.1) {
        return Difference::Colour;
    }
    let contrast = (now.contrast - base.contrast - common.contrast).abs();
    if contrast > MIN_CONTRAST.max(TIMES_NOISE * cell.noise.0) {
        return Difference::Texture;
    }
    let light = (luma_log(&base, &now) - common.luma_log).abs();
    if light > SHADE { Difference::Light } else { Difference::None }
}

/// The status of every cell. A difference of texture beside ground that only became lighter or darker
/// is the edge of a shadow or of a beam.
pub(super) fn statuses(cells: &[Cell], common: &Common, columns: usize, at: Timestamp) -> Vec<CellStatus> {
    let differences: Vec<Difference> = cells.iter().map(|cell| difference(cell, common, at)).collect();
    let lit_beside = |index| beside(index, columns).any(|near| differences.get(near) == Some(&Difference::Light));
    differences
        .iter()
        .enumerate()
        .map(|(index, difference)| match difference {
            Difference::Unknown => CellStatus::Unknown,
            Difference::None | Difference::Light => CellStatus::Same,
            Difference::Texture if lit_beside(index) => CellStatus::Same,
            Difference::Texture | Difference::Colour => CellStatus::Changed,
        })
        .collect()
}

/// Takes back changes of cells that hang together with few others, where there are many such: a thing lies in one place, and what differs
/// here and there is the light that has changed, or the camera's exposure.
pub(super) fn drop_scattered(statuses: &mut [CellStatus], columns: usize) {
    let mut patch_of: Vec<Option<usize>> = vec![None; statuses.len()];
    let mut sizes: Vec<usize> = Vec::new();
    for start in 0..statuses.len() {
        if statuses[start] != CellStatus::Changed || patch_of[start].is_some() {
            continue;
        }
        let patch = sizes.len();
        let (mut size, mut open) = (0, vec![start]);
        patch_of[start] = Some(patch);
        while let Some(index) = open.pop() {
            size += 1;
            for near in around(index, columns) {
                if statuses.get(near) == Some(&CellStatus::Changed) && patch_of[near].is_none() {
                    patch_of[near] = Some(patch);
                    open.push(near);
                }
            }
        }
        sizes.push(size);
    }
    if sizes.len() < MANY_PATCHES {
        return;
    }
    let largest = sizes.iter().copied().max().unwrap_or(0);
    for (status, patch) in statuses.iter_mut().zip(patch_of) {
        if patch.is_some_and(|patch| sizes[patch] * SCATTERED < largest || sizes[patch] < MIN_PATCH) {
            *status = CellStatus::Same;
        }
    }
}

/// Whether the changed cells have become less like the zone's typical ground, taken together: a bin that
/// is put back beside its place uncovers as much as it covers.
pub(super) fn is_addition(cells: &[Cell], statuses: &[CellStatus]) -> bool {
    let typical = |pick: fn(&Appearance) -> f32| {
        let unchanged = cells.iter().zip(statuses).filter(|(_, status)| **status == CellStatus::Same);
        middle(unchanged.filter_map(|(cell, _)| cell.base.as_ref()).map(pick))
    };
    let ground =
        Appearance { luma: 0.0, contrast: typical(|a| a.contrast), cb: typical(|a| a.cb), cr: typical(|a| a.cr) };
    let strangeness = |a: &Appearance| {
        (a.contrast - ground.contrast).abs() / MIN_CONTRAST + (a.cb - ground.cb).hypot(a.cr - ground.cr) / MIN_COLOUR
    };
    let changed = cells.iter().zip(statuses).filter(|(_, status)| **status == CellStatus::Changed);
    let gains =
        changed.filter_map(|(cell, _)| Some(strangeness(cell.now.as_ref()?) - strangeness(cell.base.as_ref()?)));
    let (net, gross) = gains.fold((0.0, 0.0), |(net, gross): (f32, f32), gain| (net + gain, gross + gain.abs()));
    net > MOSTLY_ADDED * gross
}

/// Cells whose neighbours differ as well that are needed to know the inside of what came.
const MIN_INSIDE: usize = 4;

/// Whether the inside of what differs, where nothing of its rim is in the cells, has no more texture than
/// the ground had. Muck is rough; what is spread out to dry, or laid or painted, is not.
pub(super) fn is_even(cells: &[Cell], statuses: &[CellStatus], common: &Common, columns: usize) -> bool {
    let changed = |index: usize| statuses.get(index) == Some(&CellStatus::Changed);
    let inside =
        |&index: &usize| changed(index) && beside(index, columns).all(|near| near >= cells.len() || changed(near));
    let gain = |index: usize| Some(cells[index].now?.contrast - cells[index].base?.contrast - common.contrast);
    let mut gains: Vec<f32> = (0..cells.len()).filter(inside).filter_map(gain).collect();
    gains.len() >= MIN_INSIDE && median(&mut gains) < MIN_CONTRAST / 2.0
}

/// The cells beside this one, also by a corner; some may lie beyond the grid.
fn around(index: usize, columns: usize) -> impl Iterator<Item = usize> {
    let columns = columns.max(1);
    let column = index % columns;
    let across = column.saturating_sub(1)..(column + 2).min(columns);
    let row = index / columns;
    let along = row.saturating_sub(1)..row + 2;
    along
        .flat_map(move |row| across.clone().map(move |column| row * columns + column))
        .filter(move |near| *near != index)
}

/// The cells left, right, above and below; the last may lie beyond the grid.
fn beside(index: usize, columns: usize) -> impl Iterator<Item = usize> {
    let columns = columns.max(1);
    let column = index % columns;
    let left = (column > 0).then(|| index - 1);
    let right = (column + 1 < columns).then_some(index + 1);
    [left, right, index.checked_sub(columns), Some(index + columns)].into_iter().flatten()
}
