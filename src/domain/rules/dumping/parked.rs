//! Vehicles that are part of the place: there before us, or for so long that they bring nothing any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::BoundingBox;
use crate::domain::rules::{Look, Seen};
use crate::domain::time::elapsed;
use crate::domain::tracker::association::{greedy, same_place};

/// What is seen within this time of the first look was there before us.
const FIRST_LOOKS: Duration = Duration::from_secs(10);
/// Whoever has stood for this long and left nothing so far is parked.
const PARKED_AFTER: Duration = Duration::from_secs(300);
/// Looks that make a vehicle one that is really there.
const MIN_HITS: u32 = 3;
/// A place that is free to be seen and empty for this long has been left.
const LEFT_AFTER: Duration = Duration::from_secs(15);
/// Share of a place that something else must cover for a missing detection to say nothing.
const HIDDEN_SHARE: f32 = 0.3;
/// Bound on what is remembered of one zone.
const MAX_PLACES: usize = 32;

/// Where vehicles stand in one zone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct ParkedVehicles {
    first_look: Option<Timestamp>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    bbox: BoundingBox,
    since: Timestamp,
    hits: u32,
    unseen: Duration,
    belongs: bool,
}

impl ParkedVehicles {
    /// Takes in who stands in the zone. While the ground is not `undisturbed`, nobody who stands there
    /// becomes part of the place: it may be whoever disturbed it.
    pub(super) fn observe(&mut self, look: Look<'_>, visitors: &[Seen<'_>], undisturbed: bool) {
        let first_look = *self.first_look.get_or_insert(look.at);
        let vehicles: Vec<&Detection> =
            visitors.iter().filter(|seen| !seen.is(Role::Person)).map(|seen| seen.detection).collect();
        let pairs = greedy(self.places.len(), vehicles.len(), |place, vehicle| {
            same_place(&self.places[place].bbox, &vehicles[vehicle].bbox)
        });
        let (mut matched, mut placed) = (vec![false; self.places.len()], vec![false; vehicles.len()]);
        for (place, vehicle) in pairs {
            (matched[place], placed[vehicle]) = (true, true);
            let place = &mut self.places[place];
            (place.hits, place.unseen) = (place.hits.saturating_add(1), Duration::ZERO);
        }
        for (place, _) in self.places.iter_mut().zip(matched).filter(|(_, matched)| !matched) {
            let hidden =
                |seen: Seen<'_>| seen.detection.bbox.intersection(&place.bbox) >= HIDDEN_SHARE * place.bbox.area();
            if !look.seen().any(hidden) {
                place.unseen += look.credit;
            }
        }
        self.places.retain(|place| place.unseen < LEFT_AFTER);
        for (vehicle, _) in vehicles.iter().zip(placed).filter(|(_, placed)| !placed) {
            if self.places.len() < MAX_PLACES {
                let unseen = Duration::ZERO;
                self.places.push(Place { bbox: vehicle.bbox, since: look.at, hits: 1, unseen, belongs: false });
            }
        }
        for place in self.places.iter_mut().filter(|place| place.hits >= MIN_HITS && undisturbed) {
            let was_here = elapsed(first_look, place.since) <= FIRST_LOOKS;
            place.belongs |= was_here || elapsed(place.since, look.at) >= PARKED_AFTER;
        }
    }

    /// Whether the detection is a vehicle that belongs to the place.
    pub(super) fn holds(&self, detection: &Detection) -> bool {
        !detection.roles.contains(Role::Person)
            && self.places.iter().any(|place| place.belongs && same_place(&place.bbox, &detection.bbox).is_some())
    }
}
