//! Dumping: somebody was there, and the ground is another one since.
//!
//! ```text
//!            visitor stops ≥ min_visit, or (report_state / pile seen) ground differs
//!   quiet ────────────────────────────────────────────────────────────────▶ candidate ──▶ met
//!     ▲            nothing differs any more, dwell after the visit             │ ground differs, free of
//!     └────────────────────────────────────────────────────────────────────────┘ people, for dwell
//! ```
//! While there is a candidate or an incident the baseline is frozen where the ground differs. A new heap that the
//! detector finds steadily counts as ground that differs; a detector that would find heaps has to find one where
//! only the ground differs and no vehicle has stopped.

mod candidate;
mod heaps;
mod parked;
#[cfg(test)]
mod tests;
mod visit;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hysteresis::{Presence, patience};
use super::params::DumpingRule;
use super::{Assessment, Claim, Look, Sight, schedule_exceptions};
use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::{CloseReason, EvidenceRef, EvidenceRole, Measure, SnapshotId};
use crate::domain::scene::ground::{CellStatus, Ground, GroundReading};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::{after, elapsed};
use crate::domain::zone::Zone;
use candidate::{Candidate, FOUND_WITHIN, UNSEEN_LEAD};
use heaps::{HeapSight, Heaps};
use parked::ParkedVehicles;
use visit::Visit;

/// The picture from before is renewed this often while nothing happens.
const BEFORE_INTERVAL: Duration = Duration::from_secs(180);
/// Differences older than this at a visit's start are none of the visitor's.
const VISIT_LEAD: Duration = Duration::from_secs(60);
/// A candidate without any difference is given up after at least this.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// Roles that stand on the ground for a while and say nothing of what lies there.
const PASSING: [Role; 7] =
    [Role::Person, Role::Vehicle, Role::Truck, Role::Tricycle, Role::Cycle, Role::Stall, Role::Umbrella];

/// The rule's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Dumping {
    ground: Ground,
    #[serde(default)]
    heaps: Heaps,
    parked: ParkedVehicles,
    visit: Option<Visit>,
    candidate: Option<Candidate>,
    before: Option<EvidenceRef>,
}

impl Dumping {
    /// `None` if the look brought no measure of this zone's ground. What `claims` cover is no muck.
    pub(crate) fn observe(
        &mut self,
        look: Look<'_>,
        rule: &DumpingRule,
        (zone, claims): (&Zone, &[Claim]),
        open: bool,
        snapshots: &mut Snapshots,
    ) -> Option<Assessment> {
        let patch = look.frame.scene.ground.iter().find(|patch| patch.zone == zone.id)?;
        self.follow_visit(look, rule, zone, snapshots);
        let other = look.seen().filter(|seen| !seen.is(Role::Pile));
        let claimed = other.clone().filter(|seen| claims.iter().any(|claim| claim.covers(seen.detection)));
        let things: Vec<BoundingBox> =
            claimed.map(|seen| seen.detection.bbox).chain(look.spoken_for.things.iter().copied()).collect();
        let passing = other.filter(|seen| PASSING.iter().any(|role| seen.is(*role)));
        let occupied: Vec<BoundingBox> =
            passing.map(|seen| seen.detection.bbox).chain(things.iter().copied()).collect();
        let frozen = open || self.visit.is_some() || self.candidate.is_some();
        let reading = self.ground.observe(patch, &zone.polygon, &occupied, (look.at, look.gap), frozen)?;
        self.heaps.observe(look, rule, zone, &things);
        let pile = pile_score(look, rule, zone);
        let heap = self.heap(look.at, rule, &reading);
        let rough = !reading.even || pile > 0.0;
        let differs = reading.added && rough && reading.changed_ratio >= rule.min_changed_ratio;
        let comes_by_itself = differs && pile > 0.0 || rule.report_state && (differs || heap.is_some());
        if comes_by_itself && self.candidate.is_none() {
            self.candidate = Some(Candidate::new(look.at, self.before.take()));
        }
        self.keep_before(look.at, occupied.is_empty() && !frozen && !differs, snapshots);

        let bringer_near = self.bringer_is_near(look, &reading, heap.map(|(bbox, _)| bbox));
        if differs && !bringer_near {
            self.doubt_visitor(look.at, rule, pile, snapshots);
        }
        let Some(candidate) = &mut self.candidate else { return Some(nothing(look.at, rule)) };
        candidate.pile_score = candidate.pile_score.max(pile);
        candidate.heap = heap.map(|(bbox, _)| bbox);
        let heap_sight = heap.map(|(_, sight)| sight);
        if differs && !open {
            candidate.follow_region(&reading);
        }
        if !rough && !open {
            candidate.region.clear();
        }
        // Who passes before it hides it, and says nothing of whether it still lies there.
        let lies = candidate.sight(&reading, heap_sight);
        let shows = differs || heap_sight.is_some();
        let may_count = (rough || shows) && !bringer_near;
        if shows || !may_count || lies != Sight::Unknown {
            let hit = may_count && (shows || lies == Sight::Seen && candidate.is_partly_hidden(&reading));
            candidate.presence.record(look.at, hit, look.credit, rule.common.dwell);
        }
        if let Some(since) = reading.uncovered_at.or(look.back_since) {
            candidate.presence.backdate(look.at, since, UNSEEN_LEAD);
        }
        if shows && !open && candidate.after.is_none() && !bringer_near {
            candidate.after = Some(snapshots.keep(EvidenceRole::After, look.at));
        }
        let covered = candidate.heap.map_or(0.0, |heap| zone.polygon.coverage_of(&heap) * f64::from(heap.area()));
        let differing = reading.changed_ratio.max((covered / zone.polygon.area()).min(1.0));
        let mut assessment = candidate.assess(look, rule, (differing, lies), &self.ground);
        // On foot and by the weather the ground becomes another one in many harmless ways.
        let credible = !look.knows_piles || candidate.by_vehicle || self.heaps.any_at(candidate.place(&self.ground));
        assessment.met &= credible;
        assessment.back &= credible;
        self.give_up_idle(look.at, rule, open, snapshots);
        Some(assessment)
    }

    fn follow_visit(&mut self, look: Look<'_>, rule: &DumpingRule, zone: &Zone, snapshots: &mut Snapshots) {
        let mut visitors = visit::visitors(look, rule, zone);
        let undisturbed = self.candidate.as_ref().is_none_or(|candidate| !candidate.has_found());
        self.parked.observe(look, &visitors, undisturbed);
        visitors.retain(|seen| !self.parked.holds(seen.detection));
        let begins = self.visit.is_none() && !visitors.is_empty();
        if begins && self.candidate.is_none() {
            self.ground.absorb_older_than(look.at, VISIT_LEAD);
            self.heaps.settle_older_than(look.at, VISIT_LEAD);
        }
        self.visit = Visit::follow(self.visit.take(), &visitors, look.at);
        let Some(visit) = &self.visit else { return };
        if let Some(candidate) = &mut self.candidate {
            candidate.visited_until = visit.last;
        }
        if elapsed(visit.since, look.at) < rule.min_visit || visitors.is_empty() {
            return;
        }
        let before = &mut self.before;
        let candidate = self.candidate.get_or_insert_with(|| Candidate::new(visit.since, before.take()));
        // Who comes when it already lies there did not bring it.
        if candidate.presence.last_hit().is_none() {
            candidate.act_seen = true;
            candidate.by_vehicle |= visit.by_vehicle;
            candidate.during.get_or_insert_with(|| snapshots.keep_with_original(EvidenceRole::During, look.at));
        }
    }

    /// What first shows long after a visit was not brought by it: nobody was seen to.
    fn doubt_visitor(&mut self, at: Timestamp, rule: &DumpingRule, pile: f32, snapshots: &mut Snapshots) {
        let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.act_seen) else { return };
        if candidate.has_found() || elapsed(candidate.visited_until, at) <= FOUND_WITHIN {
            return;
        }
        (candidate.act_seen, candidate.by_vehicle, candidate.since) = (false, false, at);
        snapshots.discard(candidate.during.take());
        if !rule.report_state && pile <= 0.0 && candidate.pile_score <= 0.0 {
            self.drop_candidate(snapshots);
        }
    }

    fn keep_before(&mut self, at: Timestamp, quiet: bool, snapshots: &mut Snapshots) {
        let due = self.before.is_none_or(|before| elapsed(before.captured_at, at) >= BEFORE_INTERVAL);
        if quiet && due {
            let old = self.before.replace(snapshots.keep(EvidenceRole::Before, at));
            snapshots.discard(old);
        }
    }

    /// What the detector finds there and a visitor may have brought. Where nobody was seen to, some of the ground
    /// under it must differ as well: a detector that is mistaken about a shrub under a lamp is so all night.
    fn heap(&self, at: Timestamp, rule: &DumpingRule, reading: &GroundReading) -> Option<(BoundingBox, HeapSight)> {
        let act = self.candidate.as_ref().filter(|candidate| candidate.act_seen);
        if let Some(candidate) = act {
            return self.heaps.brought(after(candidate.visited_until, FOUND_WITHIN), candidate.by_vehicle);
        }
        let heap = self.heaps.brought(at, false).filter(|_| rule.report_state)?;
        let mut cells = changed_cells(reading).into_iter().filter_map(|index| self.ground.cell_box(index));
        cells.any(|cell| cell.intersection(&heap.0) > 0.0).then_some(heap)
    }

    /// Whether somebody still stops beside what differs.
    fn bringer_is_near(&self, look: Look<'_>, reading: &GroundReading, heap: Option<BoundingBox>) -> bool {
        let Some(visit) = &self.visit else { return false };
        let near = |bbox: &BoundingBox| {
            let reach = BoundingBox {
                left: bbox.left - bbox.width / 2.0,
                top: bbox.top,
                width: bbox.width * 2.0,
                height: bbox.height * 1.2,
            };
            changed_cells(reading)
                .into_iter()
                .filter_map(|index| self.ground.cell_box(index))
                .chain(heap)
                .any(|place| place.intersection(&reach) > 0.0)
        };
        visit.last == look.at && visit.boxes.iter().any(near)
    }

    fn give_up_idle(&mut self, at: Timestamp, rule: &DumpingRule, open: bool, snapshots: &mut Snapshots) {
        if open || self.visit.is_some() {
            return;
        }
        let Some(candidate) = &mut self.candidate else { return };
        let idle_since = candidate.presence.last_hit().map_or(candidate.since, |hit| hit.max(candidate.since));
        let idle_since = idle_since.max(candidate.visited_until);
        if elapsed(idle_since, at) >= GIVE_UP_AFTER.max(patience(rule.common.dwell)) {
            self.drop_candidate(snapshots);
        }
    }

    fn drop_candidate(&mut self, snapshots: &mut Snapshots) {
        let Some(candidate) = self.candidate.take() else { return };
        let before = candidate.before.filter(|_| self.before.is_none());
        snapshots.discard(candidate.before.filter(|_| before.is_none()));
        snapshots.discard(candidate.during);
        snapshots.discard(candidate.after);
        self.before = self.before.or(before);
    }

    /// Where it lies.
    pub(crate) fn place(&self) -> Option<BoundingBox> {
        self.candidate.as_ref().and_then(|candidate| candidate.place(&self.ground))
    }

    pub(crate) fn has_candidate(&self) -> bool {
        self.visit.is_some() || self.candidate.is_some()
    }

    /// The incident has taken these pictures.
    pub(crate) fn opened(&mut self, taken: &[SnapshotId]) {
        let Some(candidate) = &mut self.candidate else { return };
        for picture in [&mut candidate.before, &mut candidate.during, &mut candidate.after] {
            *picture = picture.filter(|picture| !taken.contains(&picture.snapshot));
        }
    }

    pub(crate) fn closed(&mut self, reason: CloseReason, snapshots: &mut Snapshots) {
        match reason {
            CloseReason::Cleared | CloseReason::RuleDisabled => self.drop_candidate(snapshots),
            CloseReason::MaxDuration => self.dismiss(snapshots),
            CloseReason::CameraLost | CloseReason::ViewChanged => {
                if let Some(candidate) = &mut self.candidate {
                    candidate.presence = Presence::default();
                }
            }
            CloseReason::Retracted | CloseReason::Superseded => {}
        }
    }

    /// What lies there now is part of the ground.
    pub(crate) fn dismiss(&mut self, snapshots: &mut Snapshots) {
        self.drop_candidate(snapshots);
        self.ground.absorb();
        self.heaps.settle();
    }

    /// The rule does not apply for now. The ground is remembered.
    pub(crate) fn suspend(&mut self, snapshots: &mut Snapshots) {
        self.drop_candidate(snapshots);
        self.visit = None;
    }
}

fn nothing(at: Timestamp, rule: &DumpingRule) -> Assessment {
    Assessment {
        met: false,
        back: false,
        sight: Sight::NotSeen,
        first_seen: at,
        subkind: "muck_pile",
        measure: Measure::GroundChange { changed_ratio: 0.0, act_seen: false },
        magnitude: 0.0,
        score: 0.0,
        frames_hit: 0,
        frames_seen: 0,
        boxes: Vec::new(),
        exceptions_checked: schedule_exceptions(&rule.common),
        evidence: Vec::new(),
    }
}

fn changed_cells(reading: &GroundReading) -> Vec<usize> {
    let changed = reading.cells.iter().enumerate().filter(|(_, status)| **status == CellStatus::Changed);
    changed.map(|(index, _)| index).collect()
}

/// The best `pile` in the zone; zero if there is none.
fn pile_score(look: Look<'_>, rule: &DumpingRule, zone: &Zone) -> f32 {
    look.seen()
        .filter(|seen| seen.is(Role::Pile) && seen.detection.score >= rule.common.min_score)
        .filter(|seen| zone.polygon.contains(seen.detection.bbox.bottom_center()))
        .fold(0.0, |best, seen| best.max(seen.detection.score))
}
