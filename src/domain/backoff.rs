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
        let factor = 2f64.powi(i32::try_from(self.attempts).unwrap_or(i32::MAX).min(30));
        let ceiling = self.first.mul_f64(factor).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(self.first / 2)
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
    }
}
