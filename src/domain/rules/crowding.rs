//! Crowding: people who stand together, counted, never told apart.
//!
//! Who stands close to others is found at every second look or so, and can be said to stand only after some
//! seconds. So the looks of the last dwell are counted again at each look, by what is known by then: whoever
//! was seen in one place before and after a moment stood there at that moment.

mod stays;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::params::CrowdingRule;
use super::{Assessment, BACK_AFTER, Look, Sight};
use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::incident::{CloseReason, Measure};
use crate::domain::time::elapsed;
use crate::domain::zone::Zone;
use stays::{Counted, Stays};

/// Share of looks in the dwell at which there must be enough people.
const MIN_RATIO: f64 = 0.7;

/// The rule's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Crowding {
    stays: Stays,
    counted: Counted,
    /// What is there was reported for long enough, or is not wanted: wait until it has dispersed.
    dismissed: bool,
    below_since: Option<Timestamp>,
}

impl Crowding {
    pub(crate) fn observe(&mut self, look: Look<'_>, rule: &CrowdingRule, zone: &Zone, open: bool) -> Assessment {
        let dwell = rule.common.dwell;
        self.stays.observe(look, zone, rule.common.min_score, dwell);
        let standing = self.stays.count(look.at, look.at);
        let found = people_found(look, rule, zone);
        let present = found + self.stays.unseen(look);
        let counted = if rule.count_everybody { present } else { standing };

        self.await_dispersal(look.at, counted, rule);
        if self.dismissed {
            self.counted = Counted::default();
        } else {
            self.counted.record(look.at, look.credit, (present, found), dwell);
        }
        let people = |at, present| if rule.count_everybody { present } else { self.stays.count(at, look.at) };
        let took_place = self.stays.began(look.at, rule.min_people).filter(|_| !rule.count_everybody);
        let run = self.counted.follow(look.at, (dwell, rule.min_people), people, took_place);
        let sight = if counted >= rule.clear_people.min(rule.min_people) { Sight::Seen } else { Sight::NotSeen };
        let density = zone.ground_m2.filter(|area| *area > 0.0).map(|area| f64::from(counted) / area);
        Assessment {
            met: run.met(look.at, dwell, MIN_RATIO),
            back: !open && run.met(look.at, dwell.min(BACK_AFTER), MIN_RATIO),
            sight,
            first_seen: run.since.unwrap_or(look.at),
            subkind: "crowd",
            measure: Measure::Crowd { standing, present, density },
            magnitude: f64::from(counted),
            score: (0.5 + 0.5 * run.ratio()).min(1.0),
            frames_hit: run.hits,
            frames_seen: run.looks,
            boxes: Vec::new(),
            exceptions_checked: super::schedule_exceptions(&rule.common),
            evidence: Vec::new(),
        }
    }

    fn await_dispersal(&mut self, at: Timestamp, counted: u32, rule: &CrowdingRule) {
        if counted >= rule.clear_people.min(rule.min_people) {
            self.below_since = None;
            return;
        }
        let since = *self.below_since.get_or_insert(at);
        if elapsed(since, at) >= rule.common.clear_after {
            self.dismissed = false;
        }
    }

    pub(crate) fn has_candidate(&self) -> bool {
        self.counted.since().is_some()
    }

    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.counted = Counted::default();
        self.dismissed |= reason == CloseReason::MaxDuration;
    }

    /// What is there now is not to be reported.
    pub(crate) fn dismiss(&mut self) {
        self.dismissed = true;
    }

    pub(crate) fn suspend(&mut self) {
        *self = Self::default();
    }
}

/// Everybody who is found in the zone at this look, standing or not.
fn people_found(look: Look<'_>, rule: &CrowdingRule, zone: &Zone) -> u32 {
    look.seen()
        .filter(|seen| seen.is(Role::Person) && seen.detection.score >= rule.common.min_score)
        .filter(|seen| zone.polygon.contains(seen.detection.bbox.bottom_center()))
        .fold(0, |sum, _| sum + 1)
}
