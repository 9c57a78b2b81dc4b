//! Makes the picture that proves an incident, the same for live and replay.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{Camera, Evidence};
use crate::contract::grid_event::{Redaction, RedactionState};
use crate::domain::detection::Detection;
use crate::domain::frame::Frame;
use crate::domain::incident::Kind;
use crate::evidence::{self, EvidenceError, Picture, make_crowd_picture, make_picture};
use crate::inference::ModelInfo;

/// Why there is no picture. The event goes without it.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It could not be made, or not be redacted.
    #[error(transparent)]
    Withheld(#[from] EvidenceError),
    /// Whom it shows cannot be told without the zone.
    #[error("zone `{0}` of a crowd is not configured")]
    NoZone(String),
}

/// The redacted picture of what `camera` saw with `model`. `seen` is every box of the frame, the faint ones
/// too; `crowd` is the zone of a crowding incident. Takes tens to hundreds of milliseconds of CPU.
pub fn picture(
    frame: &Frame,
    seen: &[Detection],
    (camera, model): (&Camera, &ModelInfo),
    crowd: Option<&str>,
    options: &Evidence,
) -> Result<Picture, PictureError> {
    let boxes = model.knows_persons.then_some(seen);
    let Some(name) = crowd else { return Ok(make_picture(frame, boxes, &camera.masks, options)?) };
    let zone = camera.zones.iter().find(|zone| zone.id == name);
    let zone = zone.ok_or_else(|| PictureError::NoZone(name.to_owned()))?;
    Ok(make_crowd_picture(frame, boxes, (&camera.masks, &zone.polygon), options)?)
}

/// How a picture is redacted that nobody's incident asked for: where people are counted, every such zone is hidden, the
/// first as in pictures of crowding, the others blackened.
#[must_use]
pub fn for_anybody(camera: &Arc<Camera>) -> (Arc<Camera>, Option<String>) {
    let counted = camera.rules.iter().filter(|rule| rule.kind() == Kind::Crowding).map(|rule| &rule.common().zone);
    let counted: BTreeSet<_> = counted.collect();
    let Some(first) = counted.first() else { return (Arc::clone(camera), None) };
    let others = camera.zones.iter().filter(|zone| counted.contains(&zone.id) && zone.id != **first);
    let masks = camera.masks.iter().chain(others.map(|zone| &zone.polygon)).cloned().collect();
    (Arc::new(Camera { masks, ..Camera::clone(camera) }), Some((*first).clone()))
}

/// What was blurred, in the contract's words. A model that knows no vehicles has not looked for plates,
/// and none found is not none there.
#[must_use]
pub fn redaction(done: &evidence::Redaction, model: &ModelInfo) -> Redaction {
    let state = match done.state {
        evidence::RedactionState::Applied => RedactionState::Applied,
        evidence::RedactionState::NoneNeeded => RedactionState::NoneNeeded,
    };
    let plates = (model.knows_vehicles || done.plates > 0).then_some(done.plates);
    Redaction { state, persons: done.persons, plates }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::models::no_model;

    #[test]
    fn plates_nobody_looked_for_are_not_counted_as_none() {
        let done = |plates| evidence::Redaction { persons: 2, plates, state: evidence::RedactionState::Applied };
        let blind = no_model();
        let seeing = ModelInfo { knows_vehicles: true, ..no_model() };
        assert_eq!(redaction(&done(0), &seeing).plates, Some(0));
        assert_eq!(redaction(&done(0), &blind).plates, None);
        assert_eq!(redaction(&done(1), &blind).plates, Some(1), "a tricycle's");
    }
}
