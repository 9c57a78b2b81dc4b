//! Proof that each stage still moves: what the service watchdog is fed from.
//!
//! A stage reports that it has gone round its loop, not that the world is well: a dead camera or
//! broker must never restart the service, a stage that hangs must.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// A loop that must keep turning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The inference thread.
    Inference,
    /// One camera's analysis.
    Camera(String),
    /// The loop that empties the outbox.
    Publish,
    /// The database thread.
    Store,
}

/// A stage reports at least this often, also when it has nothing to do.
pub const REPORT_EVERY: std::time::Duration = std::time::Duration::from_secs(10);

/// Three reports missed.
const STALE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Latest report of every stage.
#[derive(Debug, Clone)]
pub struct Progress {
    clock: Arc<dyn Clock>,
    stages: Arc<Mutex<Vec<(Stage, Timestamp)>>>,
}

impl Progress {
    /// No stage is known until it has reported once.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stages: Arc::default() }
    }

    /// `stage` has gone round its loop.
    pub fn report(&self, stage: &Stage) {
        let now = self.clock.now();
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        match stages.iter_mut().find(|(known, _)| known == stage) {
            Some((_, at)) => *at = now,
            None => stages.push((stage.clone(), now)),
        }
    }

    /// `stage` has ended on purpose and will not report again.
    pub fn retire(&self, stage: &Stage) {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != stage);
    }

    /// Stages that have not reported for too long.
    #[must_use]
    pub fn stale(&self) -> Vec<Stage> {
        let now = self.clock.now();
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.iter().filter(|(_, at)| now.duration_since(*at) > STALE_AFTER).map(|(stage, _)| stage.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_silent_stage_is_named_and_a_retired_one_is_not() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let progress = Progress::new(Arc::new(clock.clone()));
        progress.report(&Stage::Publish);
        progress.report(&Stage::Camera("a".to_owned()));
        clock.advance_to(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(31));
        progress.report(&Stage::Publish);
        assert_eq!(progress.stale(), [Stage::Camera("a".to_owned())]);
        progress.retire(&Stage::Camera("a".to_owned()));
        assert!(progress.stale().is_empty());
    }
}
