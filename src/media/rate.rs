//! What a stream's pace is, measured: the watchdog and the choice of decode mode follow from it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::{SignedDuration, Timestamp};

const PICTURES: usize = 64;
const KEYFRAMES: usize = 8;
/// A camera that sends one picture every few seconds is slow, not stalled.
const SILENT_GAPS: u32 = 20;
/// The fastest cameras send sixty pictures a second, and what a stalled line held back comes all at once.
const MOST_ITEMS: u32 = 5_000;
const ITEMS_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// Picture rate and keyframe gap of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct RateMeter {
    pictures: VecDeque<Timestamp>,
    keyframes: VecDeque<Timestamp>,
}

impl RateMeter {
    pub(super) fn observe(&mut self, received_at: Timestamp, keyframe: bool) {
        push(&mut self.pictures, received_at, PICTURES);
        if keyframe {
            push(&mut self.keyframes, received_at, KEYFRAMES);
        }
    }

    fn mean_gap(&self) -> Option<Duration> {
        let (first, last) = (self.pictures.front()?, self.pictures.back()?);
        let gaps = u32::try_from(self.pictures.len() - 1).ok().filter(|gaps| *gaps >= 2)?;
        Some(span(*first, *last) / gaps)
    }

    /// Pictures per second.
    pub(super) fn frame_rate(&self) -> Option<f32> {
        let gap = self.mean_gap()?.as_secs_f32();
        (gap > 0.0).then(|| 1.0 / gap)
    }

    /// Longest time between two keyframes lately, counting the one that is not over yet.
    pub(super) fn keyframe_gap(&self, now: Timestamp) -> Option<Duration> {
        let measured = self.measured_keyframe_gap();
        let running = self.keyframes.back().map(|last| span(*last, now));
        measured.max(running)
    }

    /// Longest time between two keyframes lately; `None` until two came.
    pub(super) fn measured_keyframe_gap(&self) -> Option<Duration> {
        self.keyframes.iter().zip(self.keyframes.iter().skip(1)).map(|(a, b)| span(*a, *b)).max()
    }

    /// How long no picture may come before the stream counts as stalled.
    pub(super) fn silence_limit(&self, least: Duration) -> Duration {
        self.mean_gap().map_or(least, |gap| least.max(gap * SILENT_GAPS))
    }
}

/// Pictures and reports of one session, counted so that a camera that sends them faster than anybody could use them is let go: taking
/// them in keeps its worker from the other cameras.
#[derive(Debug, Clone, Default)]
pub(super) struct FloodGuard {
    since: Option<Timestamp>,
    count: u32,
}

impl FloodGuard {
    /// Takes note of one; whether it is one too many.
    pub(super) fn exceeded(&mut self, at: Timestamp) -> bool {
        if self.since.is_none_or(|since| at.duration_since(since) >= ITEMS_WITHIN) {
            (self.since, self.count) = (Some(at), 0);
        }
        self.count += 1;
        self.count > MOST_ITEMS
    }
}

fn push(times: &mut VecDeque<Timestamp>, time: Timestamp, most: usize) {
    if times.len() == most {
        times.pop_front();
    }
    times.push_back(time);
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_pace_and_derives_the_silence_limit() {
        let least = Duration::from_secs(10);
        let mut rate = RateMeter::default();
        assert_eq!(rate.silence_limit(least), least);
        let second = |n: i64| Timestamp::from_second(1_700_000_000 + n).unwrap();
        for n in 0..100 {
            rate.observe(second(n * 2), n % 30 == 0);
        }
        assert_eq!(rate.frame_rate(), Some(0.5));
        assert_eq!(rate.measured_keyframe_gap(), Some(Duration::from_secs(60)));
        assert_eq!(rate.silence_limit(least), Duration::from_secs(40));
        assert_eq!(rate.keyframe_gap(second(180 + 300)), Some(Duration::from_secs(300)));
    }
    #[test]
    fn a_flood_is_more_than_a_burst() {
        let mut guard = FloodGuard::default();
        let millis = |n: i64| Timestamp::from_millisecond(1_700_000_000_000 + n).unwrap();
        // A minute of sixty pictures a second, a report with each.
        assert!((0..60 * 120).all(|n| !guard.exceeded(millis(n * 1000 / 120))));
        // A quarter of a minute that was held back.
        assert!((0..15 * 120).all(|_| !guard.exceeded(millis(61_000))));
        assert!((0..5_000).any(|_| guard.exceeded(millis(61_000))));
        assert!(!guard.exceeded(millis(90_000)), "every window begins anew");
    }
}
