//! The alert budget: how many opened events may reach people in any hour.

use std::collections::VecDeque;
use std::time::Duration;

use super::Timestamp;
use super::time::elapsed;

const HOUR: Duration = Duration::from_secs(3600);

/// Counts opened events over a sliding hour, over all cameras of the box.
#[derive(Debug, Clone)]
pub struct AlertBudget {
    opened_per_hour: u32,
    admitted: VecDeque<Timestamp>,
    held_back: u64,
}

impl AlertBudget {
    /// Admits at most `opened_per_hour` in any hour.
    #[must_use]
    pub fn new(opened_per_hour: u32) -> Self {
        Self { opened_per_hour, admitted: VecDeque::new(), held_back: 0 }
    }

    /// Whether an event opened at `at` may go out. One that may not is counted, never forgotten.
    pub fn admit(&mut self, at: Timestamp) -> bool {
        while self.admitted.front().is_some_and(|&first| elapsed(first, at) >= HOUR) {
            self.admitted.pop_front();
        }
        let room = self.admitted.len() < self.opened_per_hour as usize;
        if room {
            self.admitted.push_back(at);
        } else {
            self.held_back += 1;
        }
        room
    }

    /// How many were not admitted since the start.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.held_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_slides() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut budget = AlertBudget::new(2);
        assert!(budget.admit(at(0)) && budget.admit(at(30)));
        assert!(!budget.admit(at(59)));
        assert!(budget.admit(at(60)), "the first is an hour old");
        assert!(!budget.admit(at(89)));
        assert!(budget.admit(at(90)));
        assert_eq!(budget.held_back(), 2);
    }
}
