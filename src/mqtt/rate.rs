//! How fast a line carries messages, told from their acknowledgements.

use std::time::Duration;

/// What is known of one message at its sending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    at: Duration,
    delivered: u64,
}

/// Bytes a second that the broker acknowledges. What the buffers on the way take at once counts for nothing, so that
/// it is the rate of the narrowest place and not that of our own network card.
#[derive(Debug, Default)]
pub(super) struct LineRate {
    delivered: u64,
    bytes_per_s: f64,
}

/// Shorter than any line that matters: keeps a loopback from looking infinitely fast.
const SHORTEST: Duration = Duration::from_millis(1);

impl LineRate {
    /// A message is sent at `at`, a time since some fixed moment.
    pub(super) fn departs(&self, at: Duration) -> Departure {
        Departure { at, delivered: self.delivered }
    }

    /// A message of so many bytes, sent at `departure`, is acknowledged at `at`. Rises faster than it falls: a message
    /// that went alone says little of what the line could carry.
    pub(super) fn arrived(&mut self, departure: Departure, bytes: usize, at: Duration) {
        self.delivered += bytes as u64;
        let took = at.saturating_sub(departure.at).max(SHORTEST);
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let sample = (self.delivered - departure.delivered) as f64 / took.as_secs_f64();
        let share = if self.bytes_per_s == 0.0 {
            1.0
        } else if sample > self.bytes_per_s {
            0.5
        } else {
            0.25
        };
        self.bytes_per_s += (sample - self.bytes_per_s) * share;
    }

    /// Bytes a second; 0 as long as nothing is known.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate; too much saturates")]
    pub(super) fn bytes_per_s(&self) -> u32 {
        self.bytes_per_s as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `speed` bytes a second and 50 ms one way, always with three messages of 2,000 bytes on it.
    fn carry(rate: &mut LineRate, speed: f64, messages: usize, start: Duration) -> Duration {
        let mut on_the_line = std::collections::VecDeque::new();
        let (mut free, mut now) = (start, start);
        for _ in 0..messages {
            if on_the_line.len() == 3 {
                let (departure, arrives) = on_the_line.pop_front().unwrap();
                now = arrives;
                rate.arrived(departure, 2000, now);
            }
            free = free.max(now) + Duration::from_secs_f64(2000.0 / speed);
            on_the_line.push_back((rate.departs(now), free + Duration::from_millis(50)));
        }
        now
    }

    #[test]
    fn the_rate_of_the_line_is_found_and_followed() {
        let mut rate = LineRate::default();
        assert_eq!(rate.bytes_per_s(), 0);
        let now = carry(&mut rate, 8000.0, 30, Duration::ZERO);
        assert!((7000..8500).contains(&rate.bytes_per_s()), "{}", rate.bytes_per_s());
        let now = carry(&mut rate, 40_000.0, 30, now);
        assert!((25_000..42_000).contains(&rate.bytes_per_s()), "{}", rate.bytes_per_s());
        carry(&mut rate, 2000.0, 30, now);
        assert!((1700..2600).contains(&rate.bytes_per_s()), "{}", rate.bytes_per_s());
    }
}
