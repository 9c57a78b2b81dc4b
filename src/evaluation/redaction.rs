//! Whether published pictures hide the heads of those who were there.

use std::sync::Arc;

use serde::Serialize;

use super::recorder::Shown;
use super::truth::{Picture, picture_at};
use crate::domain::detection::Role;
use crate::domain::geometry::{BoundingBox, Point, Polygon};
use crate::evidence::Hidden;

/// Persons lower than this in the published picture cannot be known from it.
const MIN_HEIGHT_PX: f32 = 40.0;
/// A head that is hidden need not be blurred; truth does not say which part of a person is.
const MIN_SEEN: f32 = 0.6;
/// Share of a head that must be covered.
const COVERED: f32 = 0.9;
/// Points of a head, in each direction, that are tested.
const SAMPLES: u8 = 8;

/// Heads in the published pictures of a run, by the truth.
#[derive(Debug, Clone)]
pub struct Heads {
    truth: Arc<Vec<Picture>>,
    masks: Vec<Polygon>,
    max_width: u32,
    /// What was counted.
    pub counts: HeadCounts,
}

/// Heads that were there, and those that were blurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct HeadCounts {
    /// Published pictures.
    pub pictures: u64,
    /// Persons in them who could be known.
    pub persons: u64,
    /// Those whose head is covered.
    pub covered: u64,
}

impl HeadCounts {
    /// Takes in what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.pictures += other.pictures;
        self.persons += other.persons;
        self.covered += other.covered;
    }
}

impl Heads {
    /// Counts by `truth`. `masks` are black in the pictures, which are no wider than `max_width`.
    #[must_use]
    pub fn new(truth: Arc<Vec<Picture>>, masks: Vec<Polygon>, max_width: u32) -> Self {
        Self { truth, masks, max_width, counts: HeadCounts::default() }
    }

    /// Takes in a published picture, taken at second `at_s`.
    pub fn count(&mut self, shown: &Shown, at_s: f64) {
        let (width, height) = (shown.frame.width, shown.frame.height);
        let hidden = Hidden::of(&shown.boxes, shown.crowd.as_ref(), (width, height));
        let (Some(truth), Ok(hidden)) = (picture_at(&self.truth, at_s), hidden) else { return };
        self.counts.pictures += 1;
        #[allow(clippy::cast_precision_loss, reason = "sides of pictures")]
        let published_height = height as f32 * (self.max_width as f32 / width as f32).min(1.0);
        let known = truth.boxes.iter().filter(|thing| {
            thing.roles.contains(Role::Person)
                && thing.seen >= MIN_SEEN
                && thing.bbox.height * published_height >= MIN_HEIGHT_PX
        });
        for person in known {
            self.counts.persons += 1;
            self.counts.covered += u64::from(self.covers(&head(&person.bbox), &hidden));
        }
    }

    fn covers(&self, head: &BoundingBox, hidden: &Hidden) -> bool {
        let at =
            |step: u8, low: f32, length: f32| f64::from(low + length * (f32::from(step) + 0.5) / f32::from(SAMPLES));
        let points = (0..SAMPLES).flat_map(|row| (0..SAMPLES).map(move |column| (column, row)));
        let covered = points.filter(|&(column, row)| {
            let point = Point { x: at(column, head.left, head.width), y: at(row, head.top, head.height) };
            hidden.covers(point) || self.masks.iter().any(|mask| mask.contains(point))
        });
        let covered = covered.fold(0_u8, |sum, _| sum + 1);
        f32::from(covered) >= COVERED * f32::from(SAMPLES * SAMPLES)
    }
}

/// The upper quarter of a standing person's box, in the middle half of its width.
fn head(bbox: &BoundingBox) -> BoundingBox {
    BoundingBox {
        left: bbox.left + bbox.width * 0.25,
        top: bbox.top,
        width: bbox.width * 0.5,
        height: bbox.height * 0.25,
    }
}

#[cfg(test)]
mod tests {
    use super::super::truth::parse;
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::detection::Detection;
    use crate::domain::frame::{ColorSpace, Frame};

    fn shown(boxes: Vec<Detection>) -> Shown {
        let color = ColorSpace { full_range: false, bt709: true };
        let frame = Frame {
            captured_at: Timestamp::UNIX_EPOCH,
            width: 1280,
            height: 720,
            color,
            y: vec![],
            u: vec![],
            v: vec![],
        };
        Shown { frame: Arc::new(frame), boxes, crowd: None }
    }

    #[test]
    fn who_is_found_is_covered_and_who_is_small_or_hidden_does_not_count() {
        let truth = r#"{"t": 0, "boxes": [
            {"id": 1, "roles": ["person"], "box": [0.1, 0.4, 0.05, 0.2]},
            {"id": 2, "roles": ["person"], "box": [0.5, 0.4, 0.05, 0.2]},
            {"id": 3, "roles": ["person"], "box": [0.8, 0.4, 0.01, 0.04]},
            {"id": 4, "roles": ["person"], "box": [0.7, 0.4, 0.05, 0.2], "seen": 0.2}]}"#;
        let truth = Arc::new(vec![parse(truth).unwrap()]);
        let bbox = BoundingBox { left: 0.105, top: 0.41, width: 0.05, height: 0.2 };
        let found = Detection { class_id: 0, roles: [Role::Person].into_iter().collect(), score: 0.5, bbox };
        let mut heads = Heads::new(Arc::clone(&truth), Vec::new(), 1280);
        heads.count(&shown(vec![found]), 0.0);
        assert_eq!(heads.counts, HeadCounts { pictures: 1, persons: 2, covered: 1 });
        // Published at a quarter of the size, nobody could be known.
        let mut small = Heads::new(truth, Vec::new(), 320);
        small.count(&shown(vec![found]), 0.0);
        assert_eq!(small.counts.persons, 0);
    }
}
