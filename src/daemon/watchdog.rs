//! Whether the service manager may go on believing in us.

use std::time::Duration;

use crate::pipeline::progress::Stage;

/// How often the service manager hears from us.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Rounds in a row in which a stage was found stuck.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    rounds: u32,
}

/// What follows from one look at the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The ping goes out.
    Well,
    /// The ping is withheld.
    Doubtful,
    /// Waiting helps nobody: the service manager is asked for the restart that it would do anyway.
    Stuck,
}

impl Watchdog {
    /// To be asked once every [`HEARTBEAT`]. A stage is late after 30 s, and every stage is for a moment when the
    /// clock is set forward: the first round is forgiven. The third comes at most 60 s after a stage has stopped, where
    /// the service manager's own patience would begin to count only now.
    pub(super) fn judge(&mut self, stuck: &[Stage]) -> Verdict {
        self.rounds = if stuck.is_empty() { 0 } else { self.rounds + 1 };
        match self.rounds {
            0 | 1 => Verdict::Well,
            2 => Verdict::Doubtful,
            _ => Verdict::Stuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Doubtful, Stuck, Well};
    use super::*;

    #[test]
    fn one_late_round_is_forgiven_and_three_are_the_end() {
        let mut watchdog = Watchdog::default();
        let late = [Stage::Store];
        let verdicts = [&late[..], &[], &late, &late, &late, &late, &[]].map(|stuck| watchdog.judge(stuck));
        assert_eq!(verdicts, [Well, Well, Well, Doubtful, Stuck, Stuck, Well]);
    }
}
