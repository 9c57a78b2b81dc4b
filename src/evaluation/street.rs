//! A picture's measures without its pixels: the thumbnail and the ground that a camera would have
//! measured, made up from the truth. A street of its own for each scene, and the noise of each look.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::ground::{Look, paint};
use super::noise::{normal, random};
use super::truth::{Picture, TruthBox, View};
use crate::domain::geometry::BoundingBox;
use crate::domain::scene::{GroundPatch, SceneMeasures, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH};
use crate::domain::zone::Zone;

/// Cells of the thumbnail that show the same wall, roof or piece of road.
const BLOCK: usize = 3;
/// How much of its box a thing fills.
const FILL: f32 = 0.85;
/// Where a picture's own numbers stand among all that are drawn for a scene.
const VIEW_HERE: u64 = u64::MAX;
const VIEW_ELSEWHERE: u64 = u64::MAX - 1;

/// The grid of one zone's ground: patch without looks, and each cell's place.
#[derive(Debug, Clone)]
struct Grid {
    patch: GroundPatch,
    places: Vec<BoundingBox>,
}

/// What a camera looks at, in two views: where it should look, and elsewhere.
#[derive(Debug, Clone)]
pub struct Street {
    grids: Vec<Grid>,
    here: Aspect,
    elsewhere: Aspect,
    grey: bool,
    /// Looks of standing things, by their identifiers.
    things: BTreeMap<u64, Look>,
}

/// The look of everything when nothing is there.
#[derive(Debug, Clone)]
struct Aspect {
    thumbnail: Vec<f32>,
    ground: Vec<Vec<Look>>,
}

impl Street {
    /// The street of `scene`; `patches` are a meter's answer for `zones`, for the shape of their grids.
    /// `grey` is a camera without colour, such as one in infrared light.
    #[must_use]
    pub fn new(scene: &str, seed: u64, zones: &[Zone], patches: Vec<GroundPatch>, grey: bool) -> Self {
        let grids = zones.iter().zip(patches).map(|(zone, patch)| Grid { places: places(zone, &patch), patch });
        let grids: Vec<Grid> = grids.collect();
        let aspect = |index| Aspect::new(&mut random(seed, scene, 0, index), &grids, index == VIEW_ELSEWHERE);
        let (here, elsewhere) = (aspect(VIEW_HERE), aspect(VIEW_ELSEWHERE));
        Self { grids, here, elsewhere, grey, things: BTreeMap::new() }
    }

    /// What a camera would measure.
    pub fn measures(&mut self, picture: &Picture, rng: &mut ChaCha8Rng) -> SceneMeasures {
        for thing in &picture.boxes {
            self.things.entry(thing.id).or_insert_with(|| Look::of_thing(thing.id));
        }
        let aspect = if picture.view == View::Moved { &self.elsewhere } else { &self.here };
        // A camera evens light out: a night is darker than a day, and neither black nor white.
        let light = 0.25 + 1.5 * picture.light;
        let thumbnail = match picture.view {
            View::TooDark => (0..aspect.thumbnail.len()).map(|_| 5.0 + 1.0 * normal(rng)).collect(),
            View::Occluded => (0..aspect.thumbnail.len()).map(|_| 60.0 + 1.5 * normal(rng)).collect(),
            View::Clear | View::Moved => self.shown(&aspect.thumbnail, &picture.boxes, light, rng),
        };
        let ground =
            self.grids.iter().zip(&aspect.ground).map(|(grid, cells)| self.patch(grid, cells, picture, light, rng));
        let ground = ground.collect();
        let (brightness, contrast) = moments(&thumbnail);
        let thumbnail = thumbnail.into_iter().map(to_byte).collect();
        SceneMeasures { brightness, contrast, thumbnail, ground }
    }

    fn patch(&self, grid: &Grid, cells: &[Look], picture: &Picture, light: f32, rng: &mut ChaCha8Rng) -> GroundPatch {
        let mut looks = cells.to_vec();
        match picture.view {
            View::Clear | View::Moved => paint(&mut looks, &grid.places, picture, &self.things),
            View::Occluded => looks.fill(Look { luma: 60.0, texture: 1.0, cb: 128.0, cr: 128.0 }),
            View::TooDark => looks.fill(Look { luma: 5.0, texture: 1.0, cb: 128.0, cr: 128.0 }),
        }
        let mut patch = grid.patch.clone();
        for (cell, look) in patch.cells.iter_mut().zip(looks) {
            if cell.is_some() {
                let shakes = [normal(rng), normal(rng), normal(rng), normal(rng)];
                *cell = Some(look.measured(light, self.grey, shakes));
            }
        }
        patch
    }
}

impl Street {
    /// The thumbnail with everything that stands in the picture.
    fn shown(&self, empty: &[f32], boxes: &[TruthBox], light: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut cells = empty.to_vec();
        #[allow(clippy::cast_precision_loss, reason = "a thumbnail's sides")]
        let (width, height) = (1.0 / THUMBNAIL_WIDTH as f32, 1.0 / THUMBNAIL_HEIGHT as f32);
        for thing in boxes {
            let Some(own) = self.things.get(&thing.id) else { continue };
            for (x, y) in cells_under(&thing.bbox) {
                #[allow(clippy::cast_precision_loss, reason = "a thumbnail's sides")]
                let cell = BoundingBox { left: x as f32 * width, top: y as f32 * height, width, height };
                let share = FILL * thing.seen * thing.bbox.intersection(&cell) / cell.area();
                let value = &mut cells[y * THUMBNAIL_WIDTH + x];
                *value += (own.luma - *value) * share;
            }
        }
        cells.into_iter().map(|luma| (luma * light + normal(rng)).clamp(0.0, 255.0)).collect()
    }
}

impl Aspect {
    fn new(rng: &mut ChaCha8Rng, grids: &[Grid], strange: bool) -> Self {
        let columns = THUMBNAIL_WIDTH.div_ceil(BLOCK);
        let blocks: Vec<f32> =
            (0..columns * THUMBNAIL_HEIGHT.div_ceil(BLOCK)).map(|_| rng.random_range(50.0..150.0)).collect();
        let of_cell = |cell: usize| {
            let (x, y) = (cell % THUMBNAIL_WIDTH, cell / THUMBNAIL_WIDTH);
            blocks[x / BLOCK + y / BLOCK * columns]
        };
        let thumbnail = (0..THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT).map(|cell| of_cell(cell) + rng.random_range(-8.0..8.0));
        let thumbnail = thumbnail.collect();
        let ground = grids.iter().map(|grid| {
            // One pavement: its slabs differ a little. Another view shows walls, roofs and trees.
            let spread = if strange { 8.0 } else { 1.0 };
            grid.places
                .iter()
                .map(|_| Look {
                    luma: 110.0 + spread * rng.random_range(-5.0..5.0),
                    texture: 6.5 + spread * rng.random_range(-0.8..1.2),
                    cb: 126.0 + spread * rng.random_range(-0.7..0.7),
                    cr: 130.0 + spread * rng.random_range(-0.7..0.7),
                })
                .collect()
        });
        let ground = ground.collect();
        Self { thumbnail, ground }
    }
}

/// Where each cell of a zone's grid lies.
fn places(zone: &Zone, patch: &GroundPatch) -> Vec<BoundingBox> {
    let start = (1.0_f64, 1.0_f64, 0.0_f64, 0.0_f64);
    let (left, top, right, bottom) =
        zone.polygon.points().fold(start, |(l, t, r, b), p| (l.min(p.x), t.min(p.y), r.max(p.x), b.max(p.y)));
    #[allow(clippy::cast_possible_truncation, reason = "picture coordinates, 0–1")]
    let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| edge as f32);
    let (width, height) = ((right - left) / f32::from(patch.columns), (bottom - top) / f32::from(patch.rows));
    let cells = (0..patch.rows).flat_map(|row| (0..patch.columns).map(move |column| (column, row)));
    cells
        .map(|(column, row)| BoundingBox {
            left: left + f32::from(column) * width,
            top: top + f32::from(row) * height,
            width,
            height,
        })
        .collect()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "0–1 times a side"
)]
fn cells_under(bbox: &BoundingBox) -> impl Iterator<Item = (usize, usize)> + use<> {
    let range = |low: f32, high: f32, cells: usize| {
        let of = |share: f32| (share.clamp(0.0, 1.0) * cells as f32) as usize;
        of(low)..(of(high) + 1).min(cells)
    };
    let rows = range(bbox.top, bbox.bottom(), THUMBNAIL_HEIGHT);
    let columns = range(bbox.left, bbox.right(), THUMBNAIL_WIDTH);
    rows.flat_map(move |y| columns.clone().map(move |x| (x, y)))
}

/// Mean and deviation, 0–1.
fn moments(thumbnail: &[f32]) -> (f32, f32) {
    #[allow(clippy::cast_precision_loss, reason = "a thumbnail's cells")]
    let count = thumbnail.len().max(1) as f32;
    let mean = thumbnail.iter().sum::<f32>() / count;
    let square = thumbnail.iter().map(|luma| (luma - mean).powi(2)).sum::<f32>() / count;
    (mean / 255.0, square.sqrt() / 255.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
fn to_byte(luma: f32) -> u8 {
    luma.clamp(0.0, 255.0).round() as u8
}

#[cfg(test)]
mod tests;
