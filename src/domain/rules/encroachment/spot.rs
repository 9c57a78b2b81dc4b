//! A place where something stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::detection::{Detection, Role, RoleSet};
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::EvidenceRef;
use crate::domain::rules::hysteresis::{Presence, patience};
use crate::domain::rules::params::{Attendance, EncroachmentRule};
use crate::domain::rules::{Look, Seen};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::elapsed;

/// Share of looks with somebody beside it that makes a thing tended.
const TENDED_RATIO: f64 = 0.3;
/// Furniture that has been away for this long of observed time counts when it comes back.
const FURNITURE_FORGOTTEN: Duration = Duration::from_secs(30 * 60);
/// The same for what only faint boxes ever told of: often there is nothing.
const DOUBTFUL_FORGOTTEN: Duration = Duration::from_secs(120);
/// Share of a place that something else must cover for a missing detection to say nothing.
const HIDDEN_SHARE: f32 = 0.4;
/// Sights that make a thing one that stands for sure.
const HELD_HITS: u32 = 4;
/// Share of a thing that lies where muck is reported for it to be that muck.
const MUCK_SHARE: f32 = 0.6;
/// A vehicle that stopped no longer than this before the goods appeared may have brought them.
const CAME_WITH: Duration = Duration::from_secs(300);
/// A vehicle that brings something stops for this long and is seen at so many looks; traffic on the road
/// behind is never followed from look to look, and a box that was none is not there at the next.
const STOPS_FOR: Duration = Duration::from_secs(4);
const STOPS_HITS: u32 = 3;
/// People and vehicle may be out of sight for this long while something is being loaded.
const LOADING_PAUSE: Duration = Duration::from_secs(120);

/// What a spot is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// There at the first looks: furniture, if it proves steady.
    Suspected,
    /// Part of the street.
    Furniture,
    /// On its way to count.
    Candidate,
    /// Part of the open incident.
    Counted,
}

/// Anchored to its place, not to a track: whatever stands here is the same thing to the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "facts of one look that do not exclude each other")]
pub(super) struct Spot {
    pub(super) standing: Standing,
    pub(super) bbox: BoundingBox,
    pub(super) roles: RoleSet,
    pub(super) score: f32,
    pub(super) presence: Presence,
    /// Without glimpses.
    #[serde(default)]
    sure: Presence,
    pub(super) attendants: u32,
    pub(super) picture: Option<EvidenceRef>,
    tended: Presence,
    /// Back for long enough to continue an incident that was just closed.
    pub(super) returning: bool,
    /// It is being reported as muck.
    pub(super) is_muck: bool,
    /// Not only by faint boxes.
    #[serde(default)]
    pub(super) was_found: bool,
    hidden: bool,
    hit: bool,
    unseen: Duration,
    came_with_vehicle: bool,
    vehicle_at: Option<Timestamp>,
    person_at: Option<Timestamp>,
}

impl Spot {
    pub(super) fn new(detection: &Detection, standing: Standing) -> Self {
        Self {
            standing,
            bbox: detection.bbox,
            roles: detection.roles,
            score: detection.score,
            presence: Presence::default(),
            sure: Presence::default(),
            attendants: 0,
            picture: None,
            tended: Presence::default(),
            returning: false,
            is_muck: false,
            was_found: false,
            hidden: false,
            hit: false,
            unseen: Duration::ZERO,
            came_with_vehicle: false,
            vehicle_at: None,
            person_at: None,
        }
    }

    /// Seen in its place at this look.
    pub(super) fn hit(&mut self, detection: &Detection, look: Look<'_>, rule: &EncroachmentRule) {
        (self.roles, self.was_found) = (detection.roles, true);
        self.score += (detection.score - self.score) * 0.2;
        self.bbox = mixed(&self.bbox, &detection.bbox, 0.2);
        (self.hit, self.hidden, self.unseen) = (true, false, Duration::ZERO);
        self.sure.record(look.at, true, look.credit, rule.common.dwell);
        self.be_there(look, rule);
    }

    /// Something faint is in its place at this look: it still stands there.
    pub(super) fn glimpse(&mut self, look: Look<'_>, rule: &EncroachmentRule) {
        (self.hit, self.hidden, self.unseen) = (true, false, Duration::ZERO);
        self.sure.record(look.at, false, look.credit, rule.common.dwell);
        self.be_there(look, rule);
    }

    /// Whether a faint box in its place is likely to be it. What has to count must have been found some times, and
    /// faint boxes of goods lie on street furniture as often.
    pub(super) fn may_be(&self, faint: &Detection) -> bool {
        match self.standing {
            Standing::Suspected | Standing::Furniture => true,
            Standing::Candidate | Standing::Counted => {
                self.sure.counts().0 >= HELD_HITS && !faint.roles.contains(Role::Goods)
            }
        }
    }

    fn be_there(&mut self, look: Look<'_>, rule: &EncroachmentRule) {
        self.presence.record(look.at, true, look.credit, rule.common.dwell);
        self.attendants = look.seen().filter(|seen| self.is_tended_by(seen)).fold(0, |sum, _| sum + 1);
        self.tended.record(look.at, self.attendants > 0, look.credit, rule.common.dwell);
        if self.attendants > 0 {
            self.person_at = Some(look.at);
        }
        self.notice_vehicle(look);
    }

    /// Not seen at this look.
    pub(super) fn miss(&mut self, look: Look<'_>, rule: &EncroachmentRule) {
        self.hit = false;
        self.hidden =
            look.seen().any(|seen| seen.detection.bbox.intersection(&self.bbox) >= HIDDEN_SHARE * self.bbox.area());
        if !self.hidden {
            self.unseen += look.credit;
            self.sure.record(look.at, false, look.credit, rule.common.dwell);
            self.presence.record(look.at, false, look.credit, rule.common.dwell);
        }
    }

    /// Whether it was seen at the last look.
    pub(super) fn is_hit(&self) -> bool {
        self.hit
    }

    /// Whether something stood before it at the last look.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Whether it is still to be remembered.
    pub(super) fn lasts(&self, rule: &EncroachmentRule) -> bool {
        let patience = patience(rule.common.dwell);
        self.unseen
            <= match self.standing {
                Standing::Furniture if self.was_found => FURNITURE_FORGOTTEN,
                Standing::Furniture => DOUBTFUL_FORGOTTEN,
                Standing::Counted => rule.common.clear_after + patience,
                Standing::Suspected | Standing::Candidate => patience,
            }
    }

    /// Whether it has stood for `dwell` and no exception applies.
    pub(super) fn counts(&self, at: Timestamp, dwell: Duration, rule: &EncroachmentRule) -> bool {
        matches!(self.standing, Standing::Candidate | Standing::Counted)
            && self.presence.met(at, dwell, rule.min_hit_ratio)
            && (rule.attendance == Attendance::Optional || self.is_tended())
            && !self.is_loading(at, rule)
            && !self.is_muck
    }

    /// Whether it stands there for sure: counted, or seen as often as it has to be and for some looks.
    pub(super) fn is_held(&self, steady: f64) -> bool {
        let (hits, _) = self.presence.counts();
        self.standing == Standing::Counted
            || self.standing == Standing::Candidate && hits >= HELD_HITS && self.presence.ratio() >= steady
    }

    /// Whether most of it lies in one of `places`.
    pub(super) fn lies_in(&self, places: &[BoundingBox]) -> bool {
        places.iter().any(|place| place.intersection(&self.bbox) >= MUCK_SHARE * self.bbox.area())
    }

    pub(super) fn is_tended(&self) -> bool {
        self.tended.ratio() >= TENDED_RATIO
    }

    /// A thing that came with a vehicle may stand while vehicle and people are at it.
    fn is_loading(&self, at: Timestamp, rule: &EncroachmentRule) -> bool {
        let lately = |moment: Option<Timestamp>| moment.is_some_and(|moment| elapsed(moment, at) <= LOADING_PAUSE);
        let standing_for = self.presence.since().map_or(Duration::ZERO, |since| elapsed(since, at));
        standing_for < rule.loading
            && (self.came_with_vehicle || self.is_motor_vehicle())
            && lately(self.person_at)
            && (self.is_motor_vehicle() || lately(self.vehicle_at))
    }

    /// A tricycle is not one: on a walkway it is what things are sold from.
    fn is_motor_vehicle(&self) -> bool {
        self.roles.contains(Role::Vehicle) && !self.roles.contains(Role::Tricycle) || self.roles.contains(Role::Truck)
    }

    /// Stalls and umbrellas are set up, not loaded.
    fn can_be_loaded(&self) -> bool {
        !self.roles.contains(Role::Stall) && !self.roles.contains(Role::Umbrella)
    }

    fn notice_vehicle(&mut self, look: Look<'_>) {
        let Some(first) = self.presence.since().filter(|_| self.can_be_loaded()) else { return };
        let is_near = |seen: &Seen<'_>| {
            let vehicle = seen.is(Role::Vehicle) || seen.is(Role::Truck) || seen.is(Role::Tricycle);
            let other = seen.detection.bbox.iou(&self.bbox) < 0.5;
            vehicle && other && has_stopped(seen) && within_reach(&seen.detection.bbox).intersection(&self.bbox) > 0.0
        };
        for seen in look.seen().filter(is_near) {
            self.vehicle_at = Some(look.at);
            let stopped = seen.track.map_or(look.at, |track| track.anchored_at);
            self.came_with_vehicle |= elapsed(stopped, first) <= CAME_WITH && elapsed(first, look.at) <= CAME_WITH / 5;
        }
    }

    /// Somebody who does not just walk by, within one width of the thing and on about the same ground.
    fn is_tended_by(&self, seen: &Seen<'_>) -> bool {
        let foot = seen.detection.bbox.bottom_center();
        let (width, height) = (f64::from(self.bbox.width), f64::from(self.bbox.height));
        let across = (foot.x - self.bbox.center().x).abs() <= 1.5 * width;
        let along =
            (foot.y - f64::from(self.bbox.bottom())).abs() <= 0.6 * height.max(f64::from(seen.detection.bbox.height));
        seen.is(Role::Person) && !seen.is_moving() && across && along
    }

    /// The dwell starts anew, as for something just put down.
    pub(super) fn start_anew(&mut self) {
        if self.standing == Standing::Counted {
            self.standing = Standing::Candidate;
        }
        (self.presence, self.sure, self.tended) = Default::default();
    }

    /// Goes, and its picture with it.
    pub(super) fn forget(&mut self, snapshots: &mut Snapshots) {
        snapshots.discard(self.picture.take());
    }
}

fn has_stopped(seen: &Seen<'_>) -> bool {
    seen.track.is_some_and(|track| track.hits >= STOPS_HITS && track.standing_for() >= STOPS_FOR)
}

fn mixed(a: &BoundingBox, b: &BoundingBox, share: f32) -> BoundingBox {
    let mix = |a: f32, b: f32| a + (b - a) * share;
    BoundingBox {
        left: mix(a.left, b.left),
        top: mix(a.top, b.top),
        width: mix(a.width, b.width),
        height: mix(a.height, b.height),
    }
}

/// Pictures are about this much wider than high.
const ASPECT: f32 = 16.0 / 9.0;

/// The ground from which things are carried to a vehicle and back: as much again on both sides, and where
/// it is seen from an end, which makes it narrow, one and a half times its height.
fn within_reach(bbox: &BoundingBox) -> BoundingBox {
    let aside = (bbox.width / 2.0).max(1.5 * bbox.height / ASPECT);
    let along = 0.4 * bbox.height;
    BoundingBox {
        left: bbox.left - aside,
        top: bbox.top - along,
        width: bbox.width + 2.0 * aside,
        height: bbox.height + 2.0 * along,
    }
}
