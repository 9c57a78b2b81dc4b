//! Whether the pictures that arrive are good enough: judged over windows, so that one lost packet is
//! no alarm.

use crate::domain::{SignedDuration, Timestamp};

/// Counts damage in windows of fixed length.
#[derive(Debug, Clone)]
pub(super) struct Health {
    window: SignedDuration,
    since: Option<Timestamp>,
    counts: Window,
}

/// What one window saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// Pictures received.
    pub units: u32,
    /// Of these, after lost packets.
    pub lossy: u32,
    /// Pictures dropped for their size.
    pub oversize: u32,
    /// Pictures decoded well.
    pub decoded: u32,
    /// Pictures refused or given back damaged by the decoder.
    pub decode_errors: u32,
}

impl Window {
    /// Why the stream is degraded, if it is: one picture in twenty lost, any dropped for its size, or a
    /// third of the decoded ones damaged.
    pub(super) fn complaint(self) -> Option<String> {
        if self.oversize > 0 {
            return Some(format!("{} pictures over the size limit were dropped", self.oversize));
        }
        if self.decode_errors * 3 > self.decoded + self.decode_errors {
            return Some(format!(
                "{} of {} pictures were damaged",
                self.decode_errors,
                self.decoded + self.decode_errors
            ));
        }
        (self.lossy * 20 > self.units)
            .then(|| format!("packets were lost before {} of {} pictures", self.lossy, self.units))
    }
}

impl Health {
    pub(super) fn new(window: SignedDuration) -> Self {
        Self { window, since: None, counts: Window::default() }
    }

    /// The window being filled.
    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.counts
    }

    /// The finished window, once it is over.
    pub(super) fn poll(&mut self, now: Timestamp) -> Option<Window> {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) < self.window {
            return None;
        }
        self.since = Some(now);
        Some(std::mem::take(&mut self.counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_whole_windows() {
        let mut health = Health::new(SignedDuration::from_secs(10));
        let second = |n| Timestamp::from_second(n).unwrap();
        assert_eq!(health.poll(second(0)), None);
        *health.window() = Window { units: 250, lossy: 1, ..Window::default() };
        assert_eq!(health.poll(second(9)), None);
        assert_eq!(health.poll(second(10)).unwrap().complaint(), None);
        *health.window() = Window { units: 250, lossy: 20, ..Window::default() };
        assert!(health.poll(second(20)).unwrap().complaint().unwrap().contains("20 of 250"));
        assert_eq!(health.poll(second(30)).unwrap(), Window::default());
    }

    #[test]
    fn damage_and_size_are_named() {
        assert!(Window { decoded: 3, decode_errors: 2, ..Window::default() }.complaint().is_some());
        assert!(Window { oversize: 1, units: 250, ..Window::default() }.complaint().unwrap().contains("size limit"));
    }
}
