//! Counts, and the figures made of them.

use serde::Serialize;

/// Deviations of the normal distribution between which 95 % of it lie.
const Z: f64 = 1.959_963_984_540_054;
const DAY_S: f64 = 86_400.0;

/// A share, with what it was counted from and its Wilson 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// Cases in which it was so.
    pub hits: u64,
    /// All cases.
    pub of: u64,
    /// 0–1; none of nothing.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Rate {
    /// `hits` of `of`.
    #[must_use]
    pub fn new(hits: u64, of: u64) -> Self {
        let (low, high) = wilson(hits, of);
        #[allow(clippy::cast_precision_loss, reason = "counts of scenes")]
        let value = (of > 0).then(|| rounded(hits as f64 / of as f64));
        Self { hits, of, value, low: rounded(low), high: rounded(high) }
    }
}

/// The interval in which the true share lies with 95 % confidence (Wilson 1927); unlike the textbook's,
/// it is right for few cases and for shares near 0 and 1.
#[must_use]
pub fn wilson(hits: u64, of: u64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of scenes")]
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let middle = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0))
}

/// The value below which a `share` of `values` lies, by the nearest rank.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// Four digits: a table's worth, and the same on every machine.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// What is counted of some runs of scenes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Runs.
    pub scenes: u64,
    /// Runs in which nothing was to be found.
    pub negatives: u64,
    /// Incidents to be found.
    pub positives: u64,
    /// Of those.
    pub found: u64,
    /// Events without an incident.
    pub false_alarms: u64,
    /// Further events for an incident that has one.
    pub duplicates: u64,
    /// Watched.
    pub seconds: f64,
    /// From the end of the dwell to the event.
    pub delays_s: Vec<f64>,
}

impl Tally {
    /// Takes in what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.scenes += other.scenes;
        self.negatives += other.negatives;
        self.positives += other.positives;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.duplicates += other.duplicates;
        self.seconds += other.seconds;
        self.delays_s.extend(&other.delays_s);
    }

    /// What follows from it.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let days = self.seconds / DAY_S;
        #[allow(clippy::cast_precision_loss, reason = "a count of events")]
        let per_day = (days > 0.0).then(|| rounded(self.false_alarms as f64 / days));
        Figures {
            scenes: self.scenes,
            negatives: self.negatives,
            positives: self.positives,
            found: self.found,
            misses: self.positives - self.found,
            false_alarms: self.false_alarms,
            duplicates: self.duplicates,
            precision: Rate::new(self.found, self.found + self.false_alarms),
            recall: Rate::new(self.found, self.positives),
            duplicate_share: Rate::new(self.duplicates, self.found + self.duplicates),
            camera_days: rounded(days),
            false_alarms_per_camera_day: per_day,
            open_after_dwell_s: Delays {
                median: percentile(&self.delays_s, 0.5).map(rounded),
                p95: percentile(&self.delays_s, 0.95).map(rounded),
                of: self.delays_s.len(),
            },
        }
    }
}

/// How long it takes from the end of the dwell to the event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Delays {
    /// Half of them are not longer.
    pub median: Option<f64>,
    /// Nineteen of twenty are not longer.
    pub p95: Option<f64>,
    /// Events.
    pub of: usize,
}

/// What a table's row says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Runs of scenes in which a rule of the kind was at work.
    pub scenes: u64,
    /// Those in which it had nothing to find.
    pub negatives: u64,
    /// Incidents to be found.
    pub positives: u64,
    /// Of those.
    pub found: u64,
    /// The others.
    pub misses: u64,
    /// Events without an incident.
    pub false_alarms: u64,
    /// Further events for an incident that has one.
    pub duplicates: u64,
    /// Found, of found and false alarms.
    pub precision: Rate,
    /// Found, of what was to be found.
    pub recall: Rate,
    /// Duplicates, of found and duplicates.
    pub duplicate_share: Rate,
    /// Watched time.
    pub camera_days: f64,
    /// None without watched time.
    pub false_alarms_per_camera_day: Option<f64>,
    /// Seconds.
    pub open_after_dwell_s: Delays,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known values, to four digits.
    #[test]
    fn the_interval_is_wilsons() {
        for (hits, of, low, high) in [
            (0, 10, 0.0, 0.2775),
            (5, 10, 0.2366, 0.7634),
            (10, 10, 0.7225, 1.0),
            (57, 60, 0.8630, 0.9829),
            (1, 1, 0.2065, 1.0),
        ] {
            let (l, h) = wilson(hits, of);
            assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{hits}/{of}: {l:.4} {h:.4}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(Rate::new(0, 0).value, None);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(10.0));
        assert_eq!(percentile(&values, 0.95), Some(19.0));
        assert_eq!(percentile(&[3.0], 0.95), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn tallies_add_up() {
        let one = Tally {
            scenes: 2,
            positives: 3,
            found: 2,
            false_alarms: 1,
            seconds: 43_200.0,
            delays_s: vec![1.0, 2.0],
            ..Tally::default()
        };
        let mut sum = one.clone();
        sum.add(&one);
        let figures = sum.figures();
        assert_eq!((figures.misses, figures.precision.of, figures.recall.hits), (2, 6, 4));
        assert_eq!(figures.false_alarms_per_camera_day, Some(2.0));
    }
}
