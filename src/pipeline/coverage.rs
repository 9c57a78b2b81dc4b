//! How much of the last hour was really looked at: what tells "no event" from "not looking".

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Looks may be this late before a gap is a gap.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// Watched time of one camera over the last hour.
#[derive(Debug, Clone)]
pub struct Coverage {
    since: Timestamp,
    /// The latest look, and when the one after it would be overdue.
    last: Option<(Timestamp, Timestamp)>,
    /// Watched spans, oldest first, merged while they touch.
    spans: VecDeque<(Timestamp, Timestamp)>,
}

impl Coverage {
    /// Nothing watched yet.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { since, last: None, spans: VecDeque::new() }
    }

    /// A picture taken at `at` was analysed, and the next one is wanted at `next_at`: rules that rest
    /// ask for few looks, and those few are full coverage.
    pub fn looked(&mut self, at: Timestamp, next_at: Timestamp) {
        let interval = next_at.duration_since(at).max(SignedDuration::ZERO);
        let overdue = next_at.saturating_add(interval.max(GRACE)).unwrap_or(Timestamp::MAX);
        let start = match self.last.replace((at, overdue)) {
            Some((last, overdue)) if at <= overdue => last,
            _ => at,
        };
        match self.spans.back_mut() {
            Some((_, end)) if *end >= start => *end = at.max(*end),
            _ => self.spans.push_back((start, at)),
        }
        while self.spans.front().is_some_and(|(_, end)| at.duration_since(*end) > HOUR) {
            self.spans.pop_front();
        }
    }

    /// Watched share of the last hour, or of the time since the start if that is shorter, in percent.
    #[must_use]
    pub fn percent(&self, now: Timestamp) -> f64 {
        let from = self.since.max(now.saturating_sub(HOUR).unwrap_or(Timestamp::MIN));
        let scheduled = now.duration_since(from).as_secs_f64();
        if scheduled <= 0.0 {
            return 0.0;
        }
        let watched: f64 =
            self.spans.iter().map(|&(start, end)| end.duration_since(start.max(from)).as_secs_f64().max(0.0)).sum();
        // The stretch since the last look counts while the next one is not overdue.
        let open = self.last.map_or(0.0, |(last, overdue)| {
            if now <= overdue { now.duration_since(last.max(from)).as_secs_f64().max(0.0) } else { 0.0 }
        });
        (100.0 * (watched + open) / scheduled).clamp(0.0, 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    #[test]
    fn a_gap_is_not_watched() {
        let mut coverage = Coverage::new(at(0));
        for second in (0..=50).chain(100..=200) {
            coverage.looked(at(second), at(second + 1));
        }
        assert!((coverage.percent(at(200)) - 75.0).abs() < 1.0, "{}", coverage.percent(at(200)));
        assert!(coverage.percent(at(400)) < 40.0);
        assert!(coverage.percent(at(200 + 3700)) < 0.1);
    }

    #[test]
    fn rules_that_rest_are_no_gap() {
        let mut coverage = Coverage::new(at(0));
        for second in (0..=3600).step_by(60) {
            coverage.looked(at(second), at(second + 60));
        }
        assert!(coverage.percent(at(3600)) > 99.9, "{}", coverage.percent(at(3600)));
    }

    #[test]
    fn slow_looks_on_time_are_full_coverage() {
        let mut coverage = Coverage::new(at(0));
        for second in (0..=7200).step_by(4) {
            coverage.looked(at(second), at(second + 4));
        }
        assert!(coverage.percent(at(7202)) > 99.9);
    }
}
