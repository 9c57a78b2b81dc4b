//! What may become an incident: since when, brought by whom, and where it lies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::changed_cells;
use super::heaps::HeapSight;
use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::{EvidenceRef, LabelledBox, Measure};
use crate::domain::rules::hysteresis::Presence;
use crate::domain::rules::params::DumpingRule;
use crate::domain::rules::{Assessment, BACK_AFTER, Look, Sight, schedule_exceptions};
use crate::domain::scene::ground::{CellStatus, Ground, GroundReading};
use crate::domain::time::elapsed;

/// The dwell counts from when they left; so much of it may pass before the ground can be seen again.
pub(super) const UNSEEN_LEAD: Duration = Duration::from_secs(15);
/// What a visitor has left shows within this: nobody stands on the ground any more, and it has been seen
/// to differ for a few looks.
pub(super) const FOUND_WITHIN: Duration = Duration::from_secs(25);
/// Share of good looks in the dwell at which the ground must be free and different.
const MIN_RATIO: f64 = 0.6;
/// Share of a pile that must still lie there, and that may be hidden.
const STILL_THERE: f64 = 0.4;
const MOSTLY_HIDDEN: f64 = 0.5;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) since: Timestamp,
    pub(super) visited_until: Timestamp,
    pub(super) act_seen: bool,
    pub(super) by_vehicle: bool,
    pub(super) pile_score: f32,
    pub(super) presence: Presence,
    /// The heap that the detector finds, if it does.
    pub(super) heap: Option<BoundingBox>,
    /// Cells that differ, as of the last look at which they could be seen.
    pub(super) region: Vec<usize>,
    pub(super) before: Option<EvidenceRef>,
    pub(super) during: Option<EvidenceRef>,
    pub(super) after: Option<EvidenceRef>,
}

impl Candidate {
    pub(super) fn new(since: Timestamp, before: Option<EvidenceRef>) -> Self {
        Self {
            since,
            visited_until: since,
            act_seen: false,
            by_vehicle: false,
            pile_score: 0.0,
            heap: None,
            presence: Presence::default(),
            region: Vec::new(),
            before,
            during: None,
            after: None,
        }
    }

    pub(super) fn is_partly_hidden(&self, reading: &GroundReading) -> bool {
        self.region.iter().any(|&index| reading.cells.get(index) == Some(&CellStatus::Unknown))
    }

    /// Cells that cannot be seen now stay what they were.
    pub(super) fn follow_region(&mut self, reading: &GroundReading) {
        let unseen = |index: &usize| reading.cells.get(*index) == Some(&CellStatus::Unknown);
        self.region.retain(unseen);
        self.region.extend(changed_cells(reading));
        self.region.sort_unstable();
    }

    /// What is reported: `differs` is the share of the zone that is another than before, 0–1.
    pub(super) fn assess(
        &self,
        look: Look<'_>,
        rule: &DumpingRule,
        (differs, sight): (f64, Sight),
        ground: &Ground,
    ) -> Assessment {
        let common = &rule.common;
        let (frames_hit, frames_seen) = self.presence.counts();
        let act = if self.act_seen { 0.2 } else { 0.0 };
        let score = 0.45 + act + 0.15 * self.presence.ratio() + 0.2 * f64::from(self.pile_score);
        #[allow(clippy::cast_possible_truncation, reason = "0–1")]
        let boxed = self.place(ground).map(|bbox| LabelledBox { role: Role::Pile, score: score.min(1.0) as f32, bbox });
        Assessment {
            met: self.presence.met(look.at, common.dwell.saturating_sub(self.unseen_lead()), MIN_RATIO),
            back: self.presence.met(look.at, common.dwell.min(BACK_AFTER), MIN_RATIO),
            sight,
            first_seen: if self.act_seen { self.since } else { self.presence.since().unwrap_or(self.since) },
            subkind: if self.act_seen && !self.by_vehicle && self.pile_score <= 0.0 {
                "exposed_garbage"
            } else {
                "muck_pile"
            },
            measure: Measure::GroundChange { changed_ratio: differs, act_seen: self.act_seen },
            magnitude: differs,
            score: score.min(1.0),
            frames_hit,
            frames_seen,
            boxes: boxed.into_iter().collect(),
            exceptions_checked: schedule_exceptions(common),
            evidence: [self.before, self.during, self.after].into_iter().flatten().collect(),
        }
    }

    pub(super) fn place(&self, ground: &Ground) -> Option<BoundingBox> {
        let cells = self.region.iter().filter_map(|&index| ground.cell_box(index));
        cells.chain(self.heap).reduce(|a, b| union(&a, &b))
    }

    /// Whether anything was found that may have been brought.
    pub(super) fn has_found(&self) -> bool {
        self.heap.is_some() || !self.region.is_empty()
    }

    /// Time between the visit's end and the first look at what it left.
    fn unseen_lead(&self) -> Duration {
        let since = self.presence.since().filter(|_| self.act_seen);
        since.map_or(Duration::ZERO, |since| elapsed(self.visited_until, since).min(UNSEEN_LEAD))
    }

    pub(super) fn sight(&self, reading: &GroundReading, heap: Option<HeapSight>) -> Sight {
        let of_region = |status: CellStatus| {
            self.region.iter().filter(|&&index| reading.cells.get(index) == Some(&status)).fold(0.0, |n, _| n + 1.0)
        };
        let size: f64 = self.region.iter().fold(0.0, |n, _| n + 1.0);
        let lies = size > 0.0 && of_region(CellStatus::Changed) >= STILL_THERE * size;
        let is_hidden = size > 0.0 && of_region(CellStatus::Unknown) > MOSTLY_HIDDEN * size;
        if lies || heap == Some(HeapSight::Seen) {
            Sight::Seen
        } else if is_hidden || heap == Some(HeapSight::Hidden) {
            Sight::Unknown
        } else {
            Sight::NotSeen
        }
    }
}

fn union(a: &BoundingBox, b: &BoundingBox) -> BoundingBox {
    let (left, top) = (a.left.min(b.left), a.top.min(b.top));
    let (right, bottom) = (a.right().max(b.right()), a.bottom().max(b.bottom()));
    BoundingBox { left, top, width: right - left, height: bottom - top }
}
