//! How far the detector agrees with the truth's boxes, role by role.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::truth::{Picture, View, picture_at};
use crate::domain::Timestamp;
use crate::domain::detection::{Detection, Role};
use crate::domain::frame::Frame;
use crate::domain::time::elapsed;
use crate::pipeline::infer::InferError;
use crate::pipeline::see::{See, Sight};

/// Overlap that makes a detection one of the thing.
const MIN_IOU: f32 = 0.4;
/// Only things that stand free and are of some size have to be found.
const MIN_SEEN: f32 = 0.7;
const MIN_HEIGHT_PX: f32 = 40.0;

/// Boxes of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Boxes {
    /// Things of at least 40 pixels' height of which little is hidden.
    pub things: u64,
    /// Those that were found.
    pub found: u64,
    /// Detections.
    pub detections: u64,
    /// Those on a thing of this role, of whatever size.
    pub right: u64,
}

/// By role.
pub type Agreement = BTreeMap<Role, Boxes>;

/// Adds what `other` counted.
pub fn add(sum: &mut Agreement, other: &Agreement) {
    for (role, boxes) in other {
        let own = sum.entry(*role).or_default();
        own.things += boxes.things;
        own.found += boxes.found;
        own.detections += boxes.detections;
        own.right += boxes.right;
    }
}

/// Eyes that are compared with the truth as they look.
#[derive(Debug)]
pub struct Compared<E> {
    eyes: E,
    truth: Arc<Vec<Picture>>,
    start: Timestamp,
    /// What was counted.
    pub agreement: Agreement,
}

impl<E> Compared<E> {
    /// Compares with the pictures of a scene that began at `start`; without any there is nothing to compare.
    #[must_use]
    pub fn new(eyes: E, truth: Arc<Vec<Picture>>, start: Timestamp) -> Self {
        Self { eyes, truth, start, agreement: Agreement::new() }
    }
}

impl<E: See> See for Compared<E> {
    async fn see(&mut self, frame: &Arc<Frame>) -> Result<Sight, InferError> {
        let sight = self.eyes.see(frame).await?;
        let at_s = elapsed(self.start, frame.captured_at).as_secs_f64();
        if let Some(picture) = picture_at(&self.truth, at_s).filter(|picture| picture.view == View::Clear) {
            #[allow(clippy::cast_precision_loss, reason = "a picture's height")]
            compare(picture, &sight.analyzed.detections, frame.height as f32, &mut self.agreement);
        }
        Ok(sight)
    }
}

fn compare(picture: &Picture, detections: &[Detection], height_px: f32, agreement: &mut Agreement) {
    for role in Role::ALL {
        let things: Vec<_> = picture.boxes.iter().filter(|thing| thing.roles.contains(role)).collect();
        let seen: Vec<_> = detections.iter().filter(|detection| detection.roles.contains(role)).collect();
        if things.is_empty() && seen.is_empty() {
            continue;
        }
        let boxes = agreement.entry(role).or_default();
        boxes.detections += seen.len() as u64;
        let on = |thing: &super::truth::TruthBox, detection: &Detection| detection.bbox.iou(&thing.bbox) >= MIN_IOU;
        boxes.right += seen.iter().filter(|detection| things.iter().any(|thing| on(thing, detection))).count() as u64;
        let plain =
            things.iter().filter(|thing| thing.seen >= MIN_SEEN && thing.bbox.height * height_px >= MIN_HEIGHT_PX);
        for thing in plain {
            boxes.things += 1;
            boxes.found += u64::from(seen.iter().any(|detection| on(thing, detection)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::truth::parse;
    use super::*;
    use crate::domain::geometry::BoundingBox;

    #[test]
    fn found_and_right_are_counted_apart() {
        let picture = parse(
            r#"{"t": 0, "boxes": [
            {"id": 1, "roles": ["person"], "box": [0.1, 0.4, 0.05, 0.2]},
            {"id": 2, "roles": ["person"], "box": [0.5, 0.4, 0.05, 0.2], "seen": 0.3},
            {"id": 3, "roles": ["truck", "vehicle"], "box": [0.6, 0.4, 0.2, 0.2]}]}"#,
        )
        .unwrap();
        let seen = |role, left| {
            let bbox = BoundingBox { left, top: 0.4, width: 0.05, height: 0.2 };
            Detection { class_id: 0, roles: [role].into_iter().collect(), score: 0.5, bbox }
        };
        let found = [seen(Role::Person, 0.1), seen(Role::Person, 0.5), seen(Role::Person, 0.9)];
        let mut agreement = Agreement::new();
        compare(&picture, &found, 720.0, &mut agreement);
        assert_eq!(agreement[&Role::Person], Boxes { things: 1, found: 1, detections: 3, right: 2 });
        assert_eq!(agreement[&Role::Truck], Boxes { things: 1, found: 0, detections: 0, right: 0 });
        assert!(!agreement.contains_key(&Role::Stall));
    }
}
