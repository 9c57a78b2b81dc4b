//! Which parts of a picture show who somebody is, and how they are destroyed.
//!
//! Shares are of the box a detector gives, as seen from street cameras at 3–8 m height. A region is
//! averaged into so few blocks that a face or a plate covers two or three of them at most: the
//! detail is gone from the pixels, not hidden.

use std::ops::Range;

use super::EvidenceError;
use super::rgb::RgbPicture;
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::{BoundingBox, Point, Polygon};

/// Share of a standing person's box, from its top, that holds the head with room to spare.
const HEAD_HEIGHT: f32 = 0.28;
/// The same as a share of the width: a person behind a stall, sitting or bent has a box that is low
/// for its width, and the head fills more of it.
const HEAD_HEIGHT_BY_WIDTH: f32 = 0.75;
/// A person lower than this in pixels is mosaicked whole.
const SMALL_PERSON_PX: f32 = 40.0;
/// Boxes are loose: this share of the box is added on every side of a region.
const MARGIN: f32 = 0.10;
/// And at least this much.
const MARGIN_PX: f32 = 2.0;
/// Smallest side of a mosaic block in pixels.
const MIN_BLOCK_PX: usize = 8;
/// At most this many blocks along the shorter side of a region.
const BLOCKS_SHORT_SIDE: usize = 4;
/// At most this many along the longer side: a region cut off by the picture's edge is a narrow strip
/// of something large.
const BLOCKS_LONG_SIDE: usize = 10;

/// Share of a vehicle's box, from its bottom, that can hold a plate.
fn plate_band(detection: &Detection) -> Option<f32> {
    let has = |role| detection.roles.contains(role);
    // Seen from above, a rear plate sits near the middle of a cycle's box, and the plates of
    // tricycles hang under the load. Trucks bear their number once more in large letters across the
    // tailboard. A car's plates lie in its lower half from any side.
    if has(Role::Cycle) {
        Some(0.75)
    } else if has(Role::Truck) || has(Role::Tricycle) {
        Some(0.65)
    } else if has(Role::Vehicle) {
        Some(0.5)
    } else {
        None
    }
}

/// The regions of one picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regions {
    pub(super) persons: u32,
    pub(super) plates: u32,
    areas: Vec<Area>,
}

/// A rectangle of whole pixels inside the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
}

impl Regions {
    /// The head and plate regions that follow from the boxes of a picture of this size.
    pub(super) fn of(detections: &[Detection], width: u32, height: u32) -> Result<Self, EvidenceError> {
        let mut regions = Self { persons: 0, plates: 0, areas: Vec::new() };
        for (index, detection) in detections.iter().enumerate() {
            let person = detection.roles.contains(Role::Person);
            let band = plate_band(detection);
            if !person && band.is_none() {
                continue;
            }
            let corners = PixelBox::of(&detection.bbox, width, height);
            if !corners.is_finite() {
                return Err(EvidenceError::UnusableBox { index, class_id: detection.class_id });
            }
            if person {
                regions.persons += 1;
                regions.areas.extend(corners.head().area(width, height));
            }
            if let Some(share) = band {
                regions.plates += 1;
                regions.areas.extend(corners.lower(share).area(width, height));
            }
        }
        Ok(regions)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.persons == 0 && self.plates == 0
    }

    /// The areas as shares of a picture of this size.
    #[allow(clippy::cast_precision_loss, reason = "picture sides are small")]
    pub(super) fn shares(&self, width: u32, height: u32) -> impl Iterator<Item = BoundingBox> + '_ {
        let (width, height) = (width.max(1) as f32, height.max(1) as f32);
        self.areas.iter().map(move |area| BoundingBox {
            left: area.x.start as f32 / width,
            top: area.y.start as f32 / height,
            width: area.x.len() as f32 / width,
            height: area.y.len() as f32 / height,
        })
    }

    pub(super) fn mosaic(&self, picture: &mut RgbPicture) {
        for area in &self.areas {
            area.mosaic(picture);
        }
    }
}

/// A box in pixels, possibly reaching out of the picture.
#[derive(Debug, Clone, Copy)]
struct PixelBox {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
}

impl PixelBox {
    #[allow(clippy::cast_precision_loss, reason = "picture sides are small")]
    fn of(bbox: &BoundingBox, width: u32, height: u32) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self {
            left: bbox.left * width,
            top: bbox.top * height,
            width: bbox.width.max(0.0) * width,
            height: bbox.height.max(0.0) * height,
        }
    }

    fn is_finite(&self) -> bool {
        [self.left, self.top, self.width, self.height].iter().all(|v| v.is_finite())
    }

    fn head(self) -> Self {
        let head = (self.height * HEAD_HEIGHT).max(self.width * HEAD_HEIGHT_BY_WIDTH).min(self.height);
        let height = if self.height < SMALL_PERSON_PX { self.height } else { head };
        // The head's margin follows the head, not the whole body.
        Self { height, ..self }.widened(height.max(self.width) * MARGIN)
    }

    fn lower(self, share: f32) -> Self {
        let height = self.height * share;
        Self { top: self.top + self.height - height, height, ..self }.widened(height * MARGIN)
    }

    fn widened(self, margin: f32) -> Self {
        let margin = margin.max(MARGIN_PX);
        Self {
            left: self.left - margin,
            top: self.top - margin,
            width: self.width + 2.0 * margin,
            height: self.height + 2.0 * margin,
        }
    }

    /// The part inside the picture; `None` if nothing of it is.
    fn area(self, width: u32, height: u32) -> Option<Area> {
        let x = pixels(self.left, self.left + self.width, width);
        let y = pixels(self.top, self.top + self.height, height);
        (!x.is_empty() && !y.is_empty()).then_some(Area { x, y })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the picture first"
)]
fn pixels(low: f32, high: f32, length: u32) -> Range<usize> {
    let inside = |v: f32| v.clamp(0.0, length as f32) as usize;
    inside(low.floor())..inside(high.ceil())
}

impl Area {
    /// Replaces every block by its mean colour.
    fn mosaic(&self, picture: &mut RgbPicture) {
        let block = self.block();
        for y in blocks(&self.y, block) {
            for x in blocks(&self.x, block) {
                flatten(picture, &x, &y);
            }
        }
    }

    fn block(&self) -> usize {
        let (short, long) = (self.x.len().min(self.y.len()), self.x.len().max(self.y.len()));
        short.div_ceil(BLOCKS_SHORT_SIDE).max(long.div_ceil(BLOCKS_LONG_SIDE)).max(MIN_BLOCK_PX)
    }
}

/// Nearly equal parts of at least `block` pixels: no thin remainder keeps detail at the rim.
fn blocks(range: &Range<usize>, block: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let (start, length) = (range.start, range.len());
    let count = (length / block).max(1);
    (0..count).map(move |i| start + i * length / count..start + (i + 1) * length / count)
}

fn flatten(picture: &mut RgbPicture, x: &Range<usize>, y: &Range<usize>) {
    let mut sums = [0_u64; 3];
    for row in y.clone() {
        for pixel in picture.row_mut(row, x.clone()).chunks_exact(3) {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(sample);
            }
        }
    }
    let count = (x.len() * y.len()).max(1) as u64;
    let mean = sums.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX));
    for row in y.clone() {
        for pixel in picture.row_mut(row, x.clone()).chunks_exact_mut(3) {
            pixel.copy_from_slice(&mean);
        }
    }
}

/// Sub-scanlines of one row of pixels.
const SCANLINES: u32 = 4;

/// Paints a polygon of private ground black, rounded outwards by a pixel.
pub(super) fn blacken(picture: &mut RgbPicture, mask: &Polygon) {
    let corners: Vec<Point> = mask
        .points()
        .map(|p| Point { x: p.x * f64::from(picture.width), y: p.y * f64::from(picture.height) })
        .collect();
    for y in 0..picture.height {
        for step in 0..=SCANLINES {
            let scanline = f64::from(y) + f64::from(step) / f64::from(SCANLINES);
            for pair in crossings(&corners, scanline).chunks_exact(2) {
                let x = outwards(pair[0], pair[1], picture.width);
                picture.row_mut(y as usize, x).fill(0);
            }
        }
    }
}

/// Where a horizontal line crosses the polygon's edges, from left to right; an even number.
fn crossings(corners: &[Point], y: f64) -> Vec<f64> {
    let edges = corners.iter().zip(corners.iter().cycle().skip(1));
    let mut crossings: Vec<f64> = edges
        .filter(|(a, b)| (a.y <= y) != (b.y <= y))
        .map(|(a, b)| a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x))
        .collect();
    crossings.sort_by(f64::total_cmp);
    crossings
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture first")]
fn outwards(left: f64, right: f64, width: u32) -> Range<usize> {
    let inside = |v: f64| v.clamp(0.0, f64::from(width)) as usize;
    inside(left.floor() - 1.0)..inside(right.ceil() + 1.0)
}
