//! When was a picture taken? Camera clocks step and drift, so the gateway's clock at receipt decides;
//! RTP timestamps only take the network's jitter out of it.

use crate::domain::{SignedDuration, Timestamp};

/// How fast the offset may grow again after an exceptionally quick packet: far above the drift of a
/// bad quartz (100 ppm), far below jitter.
const DRIFT_PER_MILLION: i128 = 500;
/// A picture that is further than this from where it is expected starts a new time line.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// Places media time on the gateway's time line: receipt minus the smallest delay seen lately.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamClock {
    line: Option<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    /// Receipt minus media time, smallest seen, allowed to grow with drift.
    offset_us: i128,
    media_us: i128,
}

impl StreamClock {
    /// Best estimate of the exposure of the picture at `media_us` (microseconds of the stream's own
    /// time), received at `received_at`. Never later than `received_at`.
    pub(super) fn observe(&mut self, media_us: i64, received_at: Timestamp) -> Timestamp {
        let media_us = i128::from(media_us);
        let sample = i128::from(received_at.as_microsecond()) - media_us;
        let offset_us = match self.line {
            Some(line) if (sample - line.offset_us).abs() < JUMP.as_micros() => {
                let grown = (media_us - line.media_us).max(0) * DRIFT_PER_MILLION / 1_000_000;
                sample.min(line.offset_us + grown)
            }
            Some(_) | None => sample,
        };
        self.line = Some(Line { offset_us, media_us });
        i64::try_from(media_us + offset_us)
            .ok()
            .and_then(|us| Timestamp::from_microsecond(us).ok())
            .unwrap_or(received_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Timestamp {
        Timestamp::from_microsecond(1_700_000_000_000_000 + us).unwrap()
    }

    #[test]
    fn jitter_is_taken_out() {
        let mut clock = StreamClock::default();
        clock.observe(0, at(5_000));
        for n in 1..100 {
            let jitter = (n * 7919) % 80_000;
            let captured = clock.observe(n * 40_000, at(n * 40_000 + 5_000 + jitter));
            let error = captured.as_microsecond() - at(n * 40_000 + 5_000).as_microsecond();
            assert!((0..2_500).contains(&error), "picture {n} is {error} us off");
        }
    }

    #[test]
    fn follows_a_drifting_camera_and_a_stepped_clock() {
        let mut clock = StreamClock::default();
        let mut last = at(0);
        for n in 0..90_000_i64 {
            let received = at(n * 40_000 + n * 4);
            last = clock.observe(n * 40_000, received);
            assert!(received.duration_since(last) < SignedDuration::from_millis(50));
        }
        let stepped = clock.observe(90_000 * 40_000, last + SignedDuration::from_secs(3600));
        assert_eq!(stepped, last + SignedDuration::from_secs(3600));
    }

    #[test]
    fn never_later_than_receipt() {
        let mut clock = StreamClock::default();
        assert_eq!(clock.observe(10_000_000, at(0)), at(0));
        assert!(clock.observe(10_040_000, at(10_000)) <= at(10_000));
        assert!(clock.observe(0, at(20_000)) <= at(20_000));
    }
}
