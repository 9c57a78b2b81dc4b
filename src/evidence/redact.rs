//! Which parts of a picture show who somebody is, and how they are destroyed.
//!
//! Shares are of the box a detector gives, as seen from street cameras at 3–8 m height.

use std::ops::Range;

use super::EvidenceError;
use super::crowd::stands_in;
use super::mosaic::Area;
use super::rgb::RgbPicture;
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::{BoundingBox, Polygon};

/// Share of a standing person's box, from its top, that holds the head with room to spare.
const HEAD_HEIGHT: f32 = 0.28;
/// The same as a share of the width: a person behind a stall, sitting or bent has a box that is low
/// for its width, and the head fills more of it.
const HEAD_HEIGHT_BY_WIDTH: f32 = 0.75;
/// A box wider than this share of its height holds more than one upright person, or one whose head may
/// be anywhere in it (sitting, bent, on a cycle): it is mosaicked whole.
const SINGLE_PERSON_WIDTH: f32 = 0.6;
/// A person lower than this in pixels is mosaicked whole.
const SMALL_PERSON_PX: f32 = 40.0;
/// Boxes are loose: this share of the box is added on every side of a region.
const MARGIN: f32 = 0.10;
/// And at least this much.
const MARGIN_PX: f32 = 2.0;

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

impl Regions {
    /// The head and plate regions that follow from the boxes of a picture of this size; of people on the
    /// zone `crowd`, nothing is left.
    pub(super) fn of(
        detections: &[Detection],
        crowd: Option<&Polygon>,
        width: u32,
        height: u32,
    ) -> Result<Self, EvidenceError> {
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
                let whole = crowd.is_some_and(|zone| stands_in(zone, detection));
                let part = if whole { corners.lower(1.0) } else { corners.head() };
                regions.areas.extend(part.area(width, height));
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

    pub(super) fn cover(&self, x: usize, y: usize) -> bool {
        self.areas.iter().any(|area| area.x.contains(&x) && area.y.contains(&y))
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
        let whole = self.height < SMALL_PERSON_PX || self.width > self.height * SINGLE_PERSON_WIDTH;
        let height = if whole { self.height } else { head };
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

/// Sub-scanlines of one row of pixels.
const SCANLINES: u32 = 4;

/// Paints a polygon of private ground black, rounded outwards by a pixel.
pub(super) fn blacken(picture: &mut RgbPicture, mask: &Polygon) {
    for y in 0..picture.height {
        for step in 0..=SCANLINES {
            let scanline = (f64::from(y) + f64::from(step) / f64::from(SCANLINES)) / f64::from(picture.height);
            for (start, end) in mask.row_spans(scanline) {
                let x = outwards(start * f64::from(picture.width), end * f64::from(picture.width), picture.width);
                picture.row_mut(y as usize, x).fill(0);
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture first")]
fn outwards(left: f64, right: f64, width: u32) -> Range<usize> {
    let inside = |v: f64| v.clamp(0.0, f64::from(width)) as usize;
    inside(left.floor() - 1.0)..inside(right.ceil() + 1.0)
}
