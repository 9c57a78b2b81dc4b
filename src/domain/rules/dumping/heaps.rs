//! Heaps that the detector finds. In the dark and in the wet the ground under one differs in too few cells to be
//! told from noise; where the detector finds one steadily and found none before the visit, somebody has brought it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::BoundingBox;
use crate::domain::rules::hysteresis::{Presence, patience};
use crate::domain::rules::params::DumpingRule;
use crate::domain::rules::{Look, Seen};
use crate::domain::time::elapsed;
use crate::domain::tracker::association::{greedy, same_place};
use crate::domain::zone::Zone;

/// What is seen within this time of the first look was there before us.
const FIRST_LOOKS: Duration = Duration::from_secs(10);
/// Sights, and the share of looks, that make a heap one that lies there.
const STEADY_HITS: u32 = 3;
/// Where a vehicle has brought it, and where somebody on foot has, or nobody was seen to.
const BROUGHT_RATIO: f64 = 0.3;
const STEADY_RATIO: f64 = 0.6;
/// Where the ground has changed as well.
const FOUND_RATIO: f64 = 0.5;
/// An old heap that was not found for this long of observed time is a new one when it is found again.
const OLD_FORGOTTEN: Duration = Duration::from_secs(30 * 60);
/// Share of a heap that something else must cover for a missing detection to say nothing.
const HIDDEN_SHARE: f32 = 0.4;
/// A heap of which so much lies within a vehicle's box, and that ends so much of the box's height above its
/// wheels, is its load.
const LOAD_SHARE: f32 = 0.7;
const LOAD_LIFT: f32 = 0.15;
/// Bound on what is remembered of one zone.
const MAX_HEAPS: usize = 32;

/// The heaps of one zone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Heaps {
    first_look: Option<Timestamp>,
    heaps: Vec<Heap>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Heap {
    bbox: BoundingBox,
    since: Timestamp,
    presence: Presence,
    /// Without faint boxes.
    #[serde(default)]
    sure: Presence,
    unseen: Duration,
    sight: HeapSight,
    /// Called a pile at some look, and not only goods that nobody else speaks for.
    is_pile: bool,
    /// Nothing that a visitor brought.
    is_old: bool,
}

/// A heap at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeapSight {
    Seen,
    NotSeen,
    /// Something stood before it.
    Hidden,
}

impl Heaps {
    /// Takes in one look. What other rules speak for (`things`) is no heap; bags may be called goods.
    pub(super) fn observe(&mut self, look: Look<'_>, rule: &DumpingRule, zone: &Zone, things: &[BoundingBox]) {
        let first_look = *self.first_look.get_or_insert(look.at);
        let seen: Vec<&Detection> = look
            .seen()
            .filter(|seen| is_heap(seen, look, rule, zone))
            .map(|seen| seen.detection)
            .filter(|heap| !things.iter().any(|thing| covers(thing, &heap.bbox, HIDDEN_SHARE)))
            .collect();
        let pairs =
            greedy(self.heaps.len(), seen.len(), |heap, new| same_place(&self.heaps[heap].bbox, &seen[new].bbox));
        let (mut matched, mut placed) = (vec![None; self.heaps.len()], vec![false; seen.len()]);
        for (heap, new) in pairs {
            (matched[heap], placed[new]) = (Some(seen[new].bbox), true);
            self.heaps[heap].is_pile |= seen[new].roles.contains(Role::Pile);
        }
        let faint: Vec<BoundingBox> = look
            .faint(rule.common.min_score)
            .filter(|faint| faint.roles.contains(Role::Pile) && zone.polygon.contains(faint.bbox.bottom_center()))
            .map(|faint| faint.bbox)
            .collect();
        for (heap, bbox) in self.heaps.iter_mut().zip(matched) {
            let still = || faint.iter().find(|faint| same_place(&heap.bbox, faint).is_some()).copied();
            heap.follow(bbox.or_else(still), bbox.is_some(), look, rule.common.dwell);
        }
        let lasts = patience(rule.common.dwell);
        self.heaps.retain(|heap| heap.unseen < if heap.is_old { OLD_FORGOTTEN } else { lasts });
        let was_here = elapsed(first_look, look.at) <= FIRST_LOOKS;
        for (new, _) in seen.iter().zip(placed).filter(|(_, placed)| !placed) {
            if self.heaps.len() < MAX_HEAPS {
                self.heaps.push(Heap::new(new, look, rule.common.dwell, was_here));
            }
        }
    }

    /// Whatever was found longer ago than `age` has nothing to do with what begins now.
    pub(super) fn settle_older_than(&mut self, at: Timestamp, age: Duration) {
        for heap in self.heaps.iter_mut().filter(|heap| elapsed(heap.since, at) > age) {
            heap.is_old = true;
        }
    }

    /// All that lies there now belongs to the place.
    pub(super) fn settle(&mut self) {
        self.heaps.iter_mut().for_each(|heap| heap.is_old = true);
    }

    /// Whether anything that is none of the old heaps was found in `place`, at every second look at least.
    pub(super) fn any_at(&self, place: Option<BoundingBox>) -> bool {
        let lies = |heap: &Heap| place.is_some_and(|place| place.intersection(&heap.bbox) > 0.0);
        let found = |heap: &Heap| heap.sure.counts().0 >= STEADY_HITS && heap.sure.ratio() >= FOUND_RATIO;
        self.heaps.iter().any(|heap| !heap.is_old && found(heap) && lies(heap))
    }

    /// The first heap that came no later than `until` and lies there for sure, and whether it was seen at this look.
    pub(super) fn brought(&self, until: Timestamp, by_vehicle: bool) -> Option<(BoundingBox, HeapSight)> {
        let steady_ratio = if by_vehicle { BROUGHT_RATIO } else { STEADY_RATIO };
        let steady = |heap: &&Heap| {
            heap.is_pile
                && !heap.is_old
                && heap.since <= until
                && heap.presence.counts().0 >= STEADY_HITS
                && heap.presence.ratio() >= steady_ratio
        };
        self.heaps.iter().find(steady).map(|heap| (heap.bbox, heap.sight))
    }
}

impl Heap {
    fn new(found: &Detection, look: Look<'_>, dwell: Duration, is_old: bool) -> Self {
        let (presence, unseen, is_pile) = (Presence::default(), Duration::ZERO, found.roles.contains(Role::Pile));
        let (bbox, sight, sure) = (found.bbox, HeapSight::Seen, Presence::default());
        let mut heap = Self { bbox, since: look.at, presence, sure, unseen, sight, is_pile, is_old };
        heap.record(true, true, look, dwell);
        heap
    }

    fn record(&mut self, seen: bool, sure: bool, look: Look<'_>, dwell: Duration) {
        self.presence.record(look.at, seen, look.credit, dwell);
        self.sure.record(look.at, sure, look.credit, dwell);
    }

    fn follow(&mut self, seen: Option<BoundingBox>, sure: bool, look: Look<'_>, dwell: Duration) {
        if let Some(bbox) = seen {
            (self.bbox, self.unseen, self.sight) = (bbox, Duration::ZERO, HeapSight::Seen);
            self.record(true, sure, look, dwell);
            return;
        }
        let hidden = look.seen().any(|other| {
            !other.is(Role::Pile) && !other.is(Role::Goods) && covers(&other.detection.bbox, &self.bbox, HIDDEN_SHARE)
        });
        self.sight = if hidden { HeapSight::Hidden } else { HeapSight::NotSeen };
        if !hidden {
            self.unseen += look.credit;
            self.record(false, false, look, dwell);
        }
    }
}

/// Whether it is a pile, or goods, in the zone, and no vehicle's load.
fn is_heap(seen: &Seen<'_>, look: Look<'_>, rule: &DumpingRule, zone: &Zone) -> bool {
    let bbox = &seen.detection.bbox;
    let is_load = |vehicle: &Seen<'_>| {
        let on = &vehicle.detection.bbox;
        (vehicle.is(Role::Vehicle) || vehicle.is(Role::Truck) || vehicle.is(Role::Tricycle))
            && covers(on, bbox, LOAD_SHARE)
            && on.bottom() - bbox.bottom() > LOAD_LIFT * on.height
    };
    (seen.is(Role::Pile) || seen.is(Role::Goods))
        && seen.detection.score >= rule.common.min_score
        && zone.polygon.contains(bbox.bottom_center())
        && !look.seen().any(|other| is_load(&other))
}

fn covers(by: &BoundingBox, bbox: &BoundingBox, share: f32) -> bool {
    by.intersection(bbox) >= share * bbox.area()
}
