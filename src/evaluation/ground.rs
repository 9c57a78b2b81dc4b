//! What lies or stands on a cell of the ground, and how that changes its look.

use std::collections::BTreeMap;

use rand::RngExt;

use super::noise::random;
use super::truth::{Cover, Outline, Picture};
use crate::domain::geometry::BoundingBox;
use crate::domain::scene::GroundCell;

/// Points of a cell, in each direction, that are tested against an outline.
const SAMPLES: u8 = 4;
/// How much of its box a standing thing fills.
const FILL: f32 = 0.85;

/// Look of a cell in plain daylight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) luma: f32,
    pub(super) texture: f32,
    pub(super) cb: f32,
    pub(super) cr: f32,
}

impl Look {
    /// `other` over a `share` of it. What is brighter on one side than on the other is texture.
    fn mix(self, other: Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        let lerp = |a: f32, b: f32| a + (b - a) * share;
        let edge = share * (1.0 - share) * (other.luma - self.luma).powi(2);
        let texture = lerp(self.texture.powi(2), other.texture.powi(2)) + edge;
        Self {
            luma: lerp(self.luma, other.luma),
            texture: texture.sqrt(),
            cb: lerp(self.cb, other.cb),
            cr: lerp(self.cr, other.cr),
        }
    }

    /// A standing thing: the same look for the same thing.
    pub(super) fn of_thing(id: u64) -> Self {
        let rng = &mut random(id, "a thing's look", 0, 0);
        Self {
            luma: rng.random_range(30.0..210.0),
            texture: rng.random_range(14.0..34.0),
            cb: 128.0 + rng.random_range(-14.0..14.0),
            cr: 128.0 + rng.random_range(-14.0..14.0),
        }
    }

    /// This ground under `cover`; `variety`, 0–1, tells one pile or thing from another.
    fn under(self, cover: Cover, variety: f32) -> Self {
        let Self { luma, texture, cb, cr } = self;
        match cover {
            Cover::Pile => Self {
                luma: luma * (0.65 + 0.5 * variety),
                texture: 18.0 + 12.0 * variety,
                cb: cb - 3.0 - 10.0 * (1.0 - variety),
                cr: cr + 1.0 + 8.0 * (1.0 - variety),
            },
            Cover::Water => Self { luma: luma * 0.72, texture: texture * 0.8 + 1.0, cb: cb + 1.0, cr },
            Cover::Shadow => Self { luma: luma * 0.55, texture: texture * 0.57, cb: cb + 1.5, cr: cr - 1.0 },
            Cover::Light => Self { luma: luma * 1.7, texture: texture * 1.7 + 2.0, cb: cb - 2.5, cr: cr + 2.0 },
            Cover::Snow => Self { luma: 200.0, texture: 5.0, cb: 129.0, cr: 127.0 },
            // They leave some of the ground bare.
            Cover::Leaves => self.mix(Self { luma: 100.0, texture: 15.0, cb: 114.0, cr: 138.0 }, 0.5),
            Cover::Grain => Self { luma: 160.0, texture: 8.0, cb: 106.0, cr: 138.0 },
            Cover::Thing => Self {
                luma: 40.0 + 150.0 * variety,
                texture: 20.0,
                cb: 128.0 + 20.0 * (variety - 0.5),
                cr: 128.0 - 20.0 * (variety - 0.5),
            },
        }
    }

    /// As a camera measures it.
    pub(super) fn measured(self, light: f32, grey: bool, shakes: [f32; 4]) -> GroundCell {
        let chroma = |value: f32, shake: f32| if grey { 128.0 } else { value + 0.4 * shake };
        GroundCell {
            luma: (self.luma * light + 0.8 * shakes[0]).clamp(0.0, 255.0),
            texture: (self.texture * light + 0.3 * shakes[1]).max(0.5),
            cb: chroma(self.cb, shakes[2]),
            cr: chroma(self.cr, shakes[3]),
        }
    }
}

/// Lays everything of the picture over the bare ground of the cells at `places`.
pub(super) fn paint(looks: &mut [Look], places: &[BoundingBox], picture: &Picture, things: &BTreeMap<u64, Look>) {
    for outline in &picture.ground {
        let Some(area) = Shape::of(outline) else { continue };
        for (look, place) in looks.iter_mut().zip(places) {
            let share = area.share_of(place);
            if share > 0.0 {
                *look = look.mix(look.under(outline.kind, area.variety), share);
            }
        }
    }
    for thing in &picture.boxes {
        let Some(own) = things.get(&thing.id) else { continue };
        for (look, place) in looks.iter_mut().zip(places) {
            let share = FILL * thing.seen * thing.bbox.intersection(place) / place.area();
            if share > 0.0 {
                *look = look.mix(*own, share);
            }
        }
    }
}

/// An outline and what is needed to test cells against it quickly.
struct Shape<'a> {
    corners: &'a [[f64; 2]],
    bounds: BoundingBox,
    variety: f32,
}

impl<'a> Shape<'a> {
    fn of(outline: &'a Outline) -> Option<Self> {
        let corners = &outline.at[..];
        let start = (f64::MAX, f64::MAX, f64::MIN, f64::MIN);
        let (left, top, right, bottom) =
            corners.iter().fold(start, |(l, t, r, b), &[x, y]| (l.min(x), t.min(y), r.max(x), b.max(y)));
        #[allow(clippy::cast_possible_truncation, reason = "picture coordinates")]
        let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| edge as f32);
        let bounds = BoundingBox::from_corners(left, top, right, bottom).filter(|_| corners.len() >= 3)?;
        // A pile that grows stays the same pile: its left edge is steadier than its corners.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a picture coordinate, in hundredths"
        )]
        let name = (bounds.center().x.clamp(0.0, 1.0) * 10.0) as u64;
        Some(Self { corners, bounds, variety: random(name, "an outline's look", 0, outline.kind as u64).random() })
    }

    /// Share of a cell inside the outline, 0–1.
    fn share_of(&self, cell: &BoundingBox) -> f32 {
        if self.bounds.intersection(cell) <= 0.0 {
            return 0.0;
        }
        let inside =
            |step: u8, low: f32, length: f32| f64::from(low + length * (f32::from(step) + 0.5) / f32::from(SAMPLES));
        let points = (0..SAMPLES).flat_map(|row| (0..SAMPLES).map(move |column| (column, row)));
        let hits = points
            .filter(|&(column, row)| {
                self.contains(inside(column, cell.left, cell.width), inside(row, cell.top, cell.height))
            })
            .fold(0_u8, |sum, _| sum + 1);
        f32::from(hits) / f32::from(SAMPLES * SAMPLES)
    }

    /// Even-odd rule.
    fn contains(&self, x: f64, y: f64) -> bool {
        let edges = self.corners.iter().zip(self.corners.iter().cycle().skip(1));
        edges
            .filter(|&(&[x1, y1], &[x2, y2])| (y1 <= y) != (y2 <= y) && x < x1 + (y - y1) / (y2 - y1) * (x2 - x1))
            .fold(false, |inside, _| !inside)
    }
}
