//! Presence as a share of good looks over a window, instead of an unbroken run: one missed detection
//! or one passer-by must not restart a dwell of minutes.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::time::{after, before, elapsed};

/// The window is kept in so many slices, so that its size does not depend on the look interval.
const SLICES: u32 = 32;
/// Least number of hits that anything is built on.
const MIN_HITS: u32 = 2;
/// Share of the dwell that must have been observed at all.
const MIN_OBSERVED: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Slice {
    start: Timestamp,
    looks: u32,
    hits: u32,
    observed: Duration,
}

/// Looks and hits of the last dwell time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Presence {
    since: Option<Timestamp>,
    last_hit: Option<Timestamp>,
    hit_now: bool,
    slices: VecDeque<Slice>,
}

impl Presence {
    /// Takes in one good look. `credit` is the time it stands for, `dwell` the window's length. A
    /// spell without any hit for longer than [`patience`] starts the dwell anew.
    pub(crate) fn record(&mut self, at: Timestamp, hit: bool, credit: Duration, dwell: Duration) {
        if self.last_hit.is_some_and(|last| elapsed(last, at) > patience(dwell)) {
            *self = Self::default();
        }
        self.hit_now = hit;
        if hit {
            self.since.get_or_insert(at);
            self.last_hit = Some(at);
        }
        if self.since.is_none() {
            return;
        }
        let slice_length = dwell.max(Duration::from_secs(1)) / SLICES;
        match self.slices.back_mut() {
            Some(slice) if at < after(slice.start, slice_length) => {
                slice.looks += 1;
                slice.hits += u32::from(hit);
                slice.observed += credit;
            }
            _ => self.slices.push_back(Slice { start: at, looks: 1, hits: u32::from(hit), observed: credit }),
        }
        while self.slices.front().is_some_and(|slice| after(slice.start, dwell + slice_length) < at) {
            self.slices.pop_front();
        }
    }

    /// What was hit first at `at` had been there since `since` already, as somebody stands before it can be
    /// said of him; believed up to `most` back.
    pub(crate) fn backdate(&mut self, at: Timestamp, since: Timestamp, most: Duration) {
        if self.since == Some(at) {
            self.since = Some(since.min(at).max(before(at, most)));
        }
    }

    /// Whether it is there now, has been for `dwell`, at a share of looks of at least `min_ratio`,
    /// and enough of that time was observed.
    pub(crate) fn met(&self, at: Timestamp, dwell: Duration, min_ratio: f64) -> bool {
        let observed: Duration = self.slices.iter().map(|slice| slice.observed).sum();
        let (hits, _) = self.counts();
        self.hit_now
            && hits >= MIN_HITS
            && self.since.is_some_and(|since| elapsed(since, at) >= dwell)
            && self.ratio() >= min_ratio
            && observed.as_secs_f64() >= dwell.as_secs_f64() * MIN_OBSERVED
    }

    /// Hits and looks in the window.
    pub(crate) fn counts(&self) -> (u32, u32) {
        self.slices.iter().fold((0, 0), |(hits, looks), slice| (hits + slice.hits, looks + slice.looks))
    }

    /// Share of looks that were hits, 0–1.
    pub(crate) fn ratio(&self) -> f64 {
        let (hits, looks) = self.counts();
        if looks == 0 { 0.0 } else { f64::from(hits) / f64::from(looks) }
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    pub(crate) fn last_hit(&self) -> Option<Timestamp> {
        self.last_hit
    }
}

/// How long a thing may go unseen before its dwell starts anew.
pub(crate) fn patience(dwell: Duration) -> Duration {
    (dwell / 3).clamp(Duration::from_secs(10), Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DWELL: Duration = Duration::from_secs(60);
    const LOOK: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn looks(hits: impl Fn(i64) -> bool, seconds: i64) -> Presence {
        let mut presence = Presence::default();
        for second in 0..=seconds {
            presence.record(at(second), hits(second), LOOK, DWELL);
        }
        presence
    }

    #[test]
    fn misses_do_not_restart_the_dwell() {
        let presence = looks(|second| second % 5 != 3, 60);
        assert!(presence.met(at(60), DWELL, 0.7));
        assert!(!presence.met(at(60), DWELL, 0.9), "but they count");
    }

    #[test]
    fn a_long_absence_does() {
        let presence = looks(|second| !(20..45).contains(&second), 70);
        assert_eq!(presence.since(), Some(at(45)));
        assert!(!presence.met(at(70), DWELL, 0.7));
    }

    #[test]
    fn two_glimpses_are_no_dwell() {
        let mut presence = Presence::default();
        presence.record(at(0), true, LOOK, DWELL);
        presence.record(at(19), true, LOOK, DWELL);
        presence.record(at(38), true, LOOK, DWELL);
        presence.record(at(60), true, LOOK, DWELL);
        assert!(!presence.met(at(60), DWELL, 0.5), "only four seconds were observed");
    }

    #[test]
    fn the_window_stays_small() {
        assert!(looks(|_| true, 5000).slices.len() <= SLICES as usize + 2);
    }
}
