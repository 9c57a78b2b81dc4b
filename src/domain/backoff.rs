//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with full jitter: a village that gets its power back must not reconnect in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits up to `first` before the first retry, up to twice as long each time, never over `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    /// The next wait; `random` is uniform in 0–1. Never less than half of `first`, so that an attempt
    /// that fails at once cannot spin.
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling();
        self.attempts = self.attempts.saturating_add(1);
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(self.first / 2)
    }

    fn ceiling(&self) -> Duration {
        let factor = 2f64.powi(i32::try_from(self.attempts).unwrap_or(i32::MAX).min(30));
        self.first.mul_f64(factor).min(self.longest)
    }

    /// The wait after a connection that had stood for long was ended by the other side, which ended it for everybody in
    /// that moment: all of them come back within `spread`, and those that come too early go on from there.
    pub fn delay_after_end_for_all(&mut self, spread: Duration, random: f64) -> Duration {
        self.reset();
        while self.ceiling() < spread.min(self.longest) {
            self.attempts += 1;
        }
        let within_all = spread.mul_f64(random.clamp(0.0, 1.0));
        let wait = self.next_delay(random);
        if spread > self.first { within_all.max(self.first / 2) } else { wait }
    }

    /// To be called when a connection has proved healthy, not when it was merely made.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_ceiling_and_never_spins() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        let waits: Vec<_> = (0..12).map(|_| backoff.next_delay(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff.next_delay(0.0), Duration::from_millis(500));
        backoff.reset();
        assert_eq!(backoff.next_delay(1.0), Duration::from_secs(1));
        assert_eq!(backoff.delay_after_end_for_all(Duration::from_secs(64), 0.5), Duration::from_secs(32));
        assert_eq!(backoff.next_delay(1.0), Duration::from_secs(128), "from there on as ever");
        assert_eq!(backoff.delay_after_end_for_all(Duration::from_secs(90), 1.0), Duration::from_secs(90));
        assert_eq!(backoff.delay_after_end_for_all(Duration::ZERO, 1.0), Duration::from_secs(1));
    }
}
