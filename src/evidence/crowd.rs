//! Pictures of crowding: the whole zone is mosaicked, with everybody who stands on it.
//!
//! A zone is a piece of ground, and people stick out of it upwards, so each of its points is carried up
//! by the height of a person who stands there. In perspective that height shrinks towards the horizon.
//! The horizon of a street camera lies near the upper edge of the picture or above it, so height is taken
//! as a share of the foot's distance from that edge: right or too much for whoever stands farther away
//! than the people it was taken from.

use std::ops::Range;

use super::mosaic::{MIN_BLOCK_PX, blocks, flatten};
use super::rgb::RgbPicture;
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::Polygon;

/// Added to the height of the people seen: the tallest may be hidden behind the others.
const HEIGHT_MARGIN: f64 = 1.25;
/// Height as a share of the foot's distance from the upper edge where nobody is seen.
const USUAL_REACH: f64 = 0.4;
/// Boxes cut off at their feet, or around one head only, must not make the zone's people small.
const LEAST_REACH: f64 = 0.15;
/// Somebody whose feet are at the zone's side leans out of it by this share of the height.
const LEAN: f64 = 0.2;
/// A block is at least this share of the tallest person: about a head.
const BLOCK: f64 = 0.12;

/// A crowding zone in a picture, with the people above it.
#[derive(Debug)]
pub(super) struct CrowdArea {
    /// For each column of pixels, what lies in the zone or above it, in pixels from the top.
    columns: Vec<Vec<(f64, f64)>>,
    tallest_px: f64,
}

impl CrowdArea {
    /// `detections` are everybody who may be in the picture.
    pub(super) fn new(zone: &Polygon, detections: &[Detection], width: u32, height: u32) -> Self {
        let reach = reach(zone, detections);
        let height = f64::from(height);
        let column = |x: u32| {
            let spans = zone.column_spans((f64::from(x) + 0.5) / f64::from(width));
            spans.into_iter().map(|(top, bottom)| (top * (1.0 - reach) * height, bottom * height)).collect()
        };
        let lowest = zone.points().fold(0.0, |lowest: f64, corner| lowest.max(corner.y));
        Self { columns: (0..width).map(column).collect(), tallest_px: lowest * reach * height }
    }

    pub(super) fn mosaic(&self, picture: &mut RgbPicture) {
        let (lean, block) = (pixels(self.tallest_px * LEAN), pixels(self.tallest_px * BLOCK).max(MIN_BLOCK_PX));
        let used = |column: &Vec<(f64, f64)>| !column.is_empty();
        let (Some(first), Some(last)) = (self.columns.iter().position(used), self.columns.iter().rposition(used))
        else {
            return;
        };
        let across = first.saturating_sub(lean)..(last + 1 + lean).min(self.columns.len());
        for x in blocks(&across, block) {
            let near = x.start.saturating_sub(lean)..(x.end + lean).min(self.columns.len());
            for y in blocks(&(0..picture.height as usize), block) {
                if self.touches(near.clone(), &y) {
                    flatten(picture, &x, &y);
                }
            }
        }
    }

    /// Whether the pixel is in the zone or above it; the blocks around reach farther.
    pub(super) fn covers(&self, x: usize, y: usize) -> bool {
        let lean = pixels(self.tallest_px * LEAN);
        let near = x.saturating_sub(lean).min(self.columns.len())..(x + 1 + lean).min(self.columns.len());
        self.touches(near, &(y..y + 1))
    }

    #[allow(clippy::cast_precision_loss, reason = "pictures have far fewer than 2^52 rows")]
    fn touches(&self, columns: Range<usize>, rows: &Range<usize>) -> bool {
        let (top, bottom) = (rows.start as f64, rows.end as f64);
        self.columns[columns].iter().flatten().any(|(from, to)| *from < bottom && *to > top)
    }
}

/// Whether somebody stands on the zone.
pub(super) fn stands_in(zone: &Polygon, detection: &Detection) -> bool {
    detection.roles.contains(Role::Person) && zone.contains(detection.bbox.bottom_center())
}

/// The height of people in the zone as a share of the distance of their feet from the picture's upper edge.
fn reach(zone: &Polygon, detections: &[Detection]) -> f64 {
    let people = detections.iter().filter(|detection| stands_in(zone, detection));
    let shares = people.map(|person| f64::from(person.bbox.height / person.bbox.bottom().min(1.0)));
    let tallest = shares.filter(|share| share.is_finite()).reduce(f64::max);
    (tallest.map_or(USUAL_REACH, |share| share * HEIGHT_MARGIN)).clamp(LEAST_REACH, 1.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a picture's side")]
fn pixels(length: f64) -> usize {
    length.ceil() as usize
}
