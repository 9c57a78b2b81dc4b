//! Crowding: people who stand together, counted, never told apart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hysteresis::Presence;
use super::params::CrowdingRule;
use super::{Assessment, BACK_AFTER, Look, Sight};
use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::incident::{CloseReason, Measure};
use crate::domain::time::elapsed;
use crate::domain::tracker::Track;
use crate::domain::zone::Zone;

/// In one place for this long, somebody stands; a walker has left it by then.
const STANDING_AFTER: Duration = Duration::from_secs(5);
/// Looks at which somebody must have been seen before they can be said to stand.
const STANDING_HITS: u32 = 3;
/// Somebody who stood is still counted for this long while hidden behind others.
const HIDDEN_FOR: Duration = Duration::from_secs(6);
/// Share of looks in the dwell at which there must be enough people.
const MIN_RATIO: f64 = 0.7;

/// The rule's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Crowding {
    presence: Presence,
    /// What is there was reported for long enough, or is not wanted: wait until it has dispersed.
    dismissed: bool,
    below_since: Option<Timestamp>,
}

impl Crowding {
    pub(crate) fn observe(&mut self, look: Look<'_>, rule: &CrowdingRule, zone: &Zone, open: bool) -> Assessment {
        let in_zone = |bbox: &crate::domain::geometry::BoundingBox| zone.polygon.contains(bbox.bottom_center());
        let seen = look.seen().filter(|seen| seen.is(Role::Person) && seen.detection.score >= rule.common.min_score);
        let seen = count(seen.filter(|seen| in_zone(&seen.detection.bbox)));
        let believed = |track: &&Track| track.roles.contains(Role::Person) && track.score >= rule.common.min_score;
        let here = look.tracks.iter().filter(believed).filter(|track| in_zone(&track.bbox));
        let stand: Vec<&Track> = here.filter(|track| stands(track, look.at)).collect();
        let standing = count(stand.iter());
        let hidden = count(stand.iter().filter(|track| track.last_seen < look.at));
        let present = seen + hidden;
        let counted = if rule.count_everybody { present } else { standing };
        let enough = counted >= rule.min_people;

        self.await_dispersal(look.at, counted, rule);
        let dwell = rule.common.dwell;
        self.presence.record(look.at, enough && !self.dismissed, look.credit, dwell);
        if let Some(since) = enough_since(&stand, rule.min_people).filter(|_| !rule.count_everybody) {
            self.presence.backdate(look.at, since, STANDING_AFTER * 2);
        }
        let sight = if counted >= rule.clear_people.min(rule.min_people) { Sight::Seen } else { Sight::NotSeen };
        let (frames_hit, frames_seen) = self.presence.counts();
        let density = zone.ground_m2.filter(|area| *area > 0.0).map(|area| f64::from(counted) / area);
        Assessment {
            met: self.presence.met(look.at, dwell, MIN_RATIO),
            back: !open && self.presence.met(look.at, dwell.min(BACK_AFTER), MIN_RATIO),
            sight,
            first_seen: self.presence.since().unwrap_or(look.at),
            subkind: "crowd",
            measure: Measure::Crowd { standing, present, density },
            magnitude: f64::from(counted),
            score: (0.5 + 0.5 * self.presence.ratio()).min(1.0),
            frames_hit,
            frames_seen,
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
        self.presence.since().is_some()
    }

    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.presence = Presence::default();
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

fn stands(track: &Track, at: Timestamp) -> bool {
    track.standing_for() >= STANDING_AFTER && track.hits >= STANDING_HITS && elapsed(track.last_seen, at) <= HIDDEN_FOR
}

/// When the last of so many took his place.
fn enough_since(stand: &[&Track], min_people: u32) -> Option<Timestamp> {
    let mut since: Vec<Timestamp> = stand.iter().map(|track| track.anchored_at).collect();
    since.sort_unstable();
    since.get(usize::try_from(min_people).ok()?.checked_sub(1)?).copied()
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    items.fold(0, |sum, _| sum + 1)
}

#[cfg(test)]
mod tests;
