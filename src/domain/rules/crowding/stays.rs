//! Who stood where from when to when, and how many stood at each look.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::rules::Look;
use crate::domain::rules::hysteresis::patience;
use crate::domain::time::{after, elapsed};
use crate::domain::tracker::Track;
use crate::domain::zone::Zone;

/// In one place for this long, somebody stands; a walker has left it by then. It costs no time: once it is
/// known, the whole stay counts.
const STANDING_AFTER: Duration = Duration::from_secs(6);
/// Looks at which somebody must have been found before they can be said to stand.
const STANDING_HITS: u32 = 3;
/// Who is found less often than at one look in so many is a second box now and then, or a pattern on a wall.
const MAX_LOOKS_PER_HIT: u32 = 4;
/// Somebody who stood is still counted for this long while hidden behind others.
const HIDDEN_FOR: Duration = Duration::from_secs(8);
/// In a crowd one box may hold two people, or two boxes one. Where there are just enough people, so many
/// have to be found at one look, so near in time; with one more for each `CERTAIN` it needs no such proof.
const SEEN_AT_ONCE_WITHIN: Duration = Duration::from_secs(30);
const CERTAIN: u32 = 5;
/// Bounds on what is remembered: stays of a window, and looks in it.
const MAX_STAYS: usize = 512;
const LOOKS_KEPT: u32 = 64;
/// Least number of looks with enough people that anything is built on.
const MIN_HITS: u32 = 2;
/// Share of the dwell that must have been observed at all.
const MIN_OBSERVED: f64 = 0.5;

/// One unbroken stand of one track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Stay {
    track: u64,
    from: Timestamp,
    /// When they were last seen there.
    until: Timestamp,
}

/// Who stands, and who stood a short while ago.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Stays {
    stays: VecDeque<Stay>,
}

impl Stays {
    /// Takes in who stands in the zone at this look.
    pub(super) fn observe(&mut self, look: Look<'_>, zone: &Zone, min_score: f32, dwell: Duration) {
        let stands = |track: &&Track| {
            track.roles.contains(Role::Person)
                && track.best_score >= min_score
                && track.hits >= STANDING_HITS
                && track.hits * MAX_LOOKS_PER_HIT >= track.looks
                && track.standing_for() >= STANDING_AFTER
                && zone.polygon.contains(track.bbox.bottom_center())
        };
        for track in look.tracks.iter().filter(stands) {
            let (from, until) = (track.anchored_at, track.last_seen);
            match self.stays.iter_mut().find(|stay| stay.track == track.id && stay.from == from) {
                Some(stay) => stay.until = until,
                None => self.stays.push_back(Stay { track: track.id, from, until }),
            }
        }
        let kept = dwell + patience(dwell);
        self.stays.retain(|stay| elapsed(stay.until, look.at) <= kept);
        while self.stays.len() > MAX_STAYS {
            self.stays.pop_front();
        }
    }

    /// How many stood at `moment`, as far as is known at `now`.
    pub(super) fn count(&self, moment: Timestamp, now: Timestamp) -> u32 {
        self.at(moment, now).fold(0, |sum, _| sum + 1)
    }

    /// When the last of the first `people` of those who stand at `now` took his place.
    pub(super) fn began(&self, now: Timestamp, people: u32) -> Option<Timestamp> {
        let mut from: Vec<Timestamp> = self.at(now, now).map(|stay| stay.from).collect();
        from.sort_unstable();
        from.get(usize::try_from(people).ok()?.checked_sub(1)?).copied()
    }

    /// How many stand and were not found at this look.
    pub(super) fn unseen(&self, look: Look<'_>) -> u32 {
        let found = |stay: &Stay| {
            let of_stay = |track: &Track| track.id == stay.track;
            look.track_of.iter().flatten().any(|index| look.tracks.get(*index).is_some_and(of_stay))
        };
        self.at(look.at, look.at).filter(|stay| !found(stay)).fold(0, |sum, _| sum + 1)
    }

    fn at(&self, moment: Timestamp, now: Timestamp) -> impl Iterator<Item = &Stay> {
        self.stays.iter().filter(move |stay| {
            let hidden = elapsed(stay.until, now) <= HIDDEN_FOR;
            stay.from <= moment && (moment <= stay.until || hidden)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Moment {
    at: Timestamp,
    credit: Duration,
    /// Everybody, standing or not, found or hidden.
    present: u32,
    /// Those who were found.
    found: u32,
}

/// The looks of the last dwell, and since when there have been enough people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    looks: VecDeque<Moment>,
    since: Option<Timestamp>,
}

/// The looks since there have been enough people, those of the last dwell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Run {
    pub(super) since: Option<Timestamp>,
    pub(super) hits: u32,
    pub(super) looks: u32,
    observed: Duration,
    enough_now: bool,
}

impl Counted {
    /// Takes in one look, at which so many were `present`, and so many of them `found`.
    pub(super) fn record(&mut self, at: Timestamp, credit: Duration, (present, found): (u32, u32), dwell: Duration) {
        // Looks closer together than the window can hold are one.
        let close = dwell / LOOKS_KEPT;
        let last = self.looks.len().checked_sub(2).and_then(|index| self.looks.get(index)).copied();
        let merged = last.filter(|last| elapsed(last.at, at) < close).and_then(|_| self.looks.pop_back());
        let credit = credit + merged.map_or(Duration::ZERO, |merged| merged.credit);
        let found = merged.map_or(found, |merged| merged.found.max(found));
        self.looks.push_back(Moment { at, credit, present, found });
        while self.looks.front().is_some_and(|look| after(look.at, dwell + patience(dwell)) < at) {
            self.looks.pop_front();
        }
    }

    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Moments about which at least `people` were found at one look.
    fn at_once(&self, people: u32) -> Vec<Timestamp> {
        self.looks.iter().filter(|look| look.found >= people).map(|look| look.at).collect()
    }

    /// Counts the looks again: `people` says how many there were at one of which it gets the moment and who
    /// was present. A spell of too few that is longer than [`patience`] starts the dwell anew. `took_place`:
    /// when the last of enough people did, who stand now.
    pub(super) fn follow(
        &mut self,
        now: Timestamp,
        (dwell, min_people): (Duration, u32),
        people: impl Fn(Timestamp, u32) -> u32,
        took_place: Option<Timestamp>,
    ) -> Run {
        let at_once = self.at_once(min_people);
        let seen_near =
            |at: Timestamp| at_once.iter().any(|seen| elapsed((*seen).min(at), at.max(*seen)) <= SEEN_AT_ONCE_WITHIN);
        let mut run = Run::default();
        let (mut first, mut last_hit, mut whole) = (None, now, true);
        let mut misses = Run::default();
        for (index, look) in self.looks.iter().enumerate().rev() {
            let people = people(look.at, look.present);
            let hit = people >= min_people && (CERTAIN * people >= (CERTAIN + 1) * min_people || seen_near(look.at));
            if !hit && elapsed(look.at, last_hit) > patience(dwell) {
                whole = false;
                break;
            }
            if elapsed(look.at, now) <= dwell {
                (misses.looks, misses.observed) = (misses.looks + 1, misses.observed + look.credit);
            }
            if hit {
                (first, last_hit) = (Some((index, look.at)), look.at);
                run.enough_now |= look.at == now;
                run.hits += misses.looks.min(1);
                (run.looks, run.observed) = (run.looks + misses.looks, run.observed + misses.observed);
                misses = Run::default();
            }
        }
        // What is older than the window cannot be counted again.
        let oldest = self.looks.front().map(|look| look.at);
        let earlier = self.since.filter(|since| whole && oldest.is_some_and(|oldest| *since < oldest));
        run.since = first.map(|(index, at)| {
            let before = index.checked_sub(1).and_then(|index| self.looks.get(index)).map(|look| look.at);
            let began = took_place.filter(|began| before.is_none_or(|before| *began > before)).unwrap_or(at).min(at);
            earlier.map_or(began, |earlier| earlier.min(began))
        });
        self.since = run.since;
        run
    }
}

impl Run {
    /// Whether there are enough now, have been for `dwell`, at a share of looks of at least `min_ratio`,
    /// and enough of that time was observed.
    pub(super) fn met(&self, at: Timestamp, dwell: Duration, min_ratio: f64) -> bool {
        self.enough_now
            && self.hits >= MIN_HITS
            && self.since.is_some_and(|since| elapsed(since, at) >= dwell)
            && self.ratio() >= min_ratio
            && self.observed.as_secs_f64() >= dwell.as_secs_f64() * MIN_OBSERVED
    }

    /// Share of looks with enough people, 0–1.
    pub(super) fn ratio(&self) -> f64 {
        if self.looks == 0 { 0.0 } else { f64::from(self.hits) / f64::from(self.looks) }
    }
}
