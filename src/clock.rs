//! The only file that reads the time.
//!
//! `Clock` gives UTC that never runs backwards within a process: it is anchored once to the system's
//! wall clock and then follows the monotonic clock. A wall clock that is set forward (a box without a
//! battery gets the time from the network) re-anchors it; one that is set back does not, the gap is
//! reported as an offset instead.
#![allow(clippy::disallowed_methods, reason = "this is the clock")]

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A forward step of the wall clock larger than this is followed at once.
const FOLLOW_STEP: SignedDuration = SignedDuration::from_secs(2);

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Best estimate of UTC, never smaller than an earlier answer.
    fn now(&self) -> Timestamp;
    /// What is known of the quality of `now`.
    fn quality(&self) -> ClockQuality;
}

/// What events say about their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockQuality {
    /// The kernel says that the clock is synchronised.
    pub synced: bool,
    /// System wall clock minus our time, in milliseconds.
    pub offset_ms: i64,
    /// Names this boot of the machine.
    pub boot_id: String,
    /// Milliseconds since boot.
    pub uptime_ms: u64,
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    anchor: Arc<Mutex<Anchor>>,
    boot_id: Arc<str>,
}

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    monotonic: Instant,
}

impl SystemClock {
    /// Anchored to the wall clock as it stands.
    #[must_use]
    pub fn new() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let anchor = Anchor { wall: Timestamp::now(), monotonic: Instant::now() };
        Self { anchor: Arc::new(Mutex::new(anchor)), boot_id: boot_id.trim().into() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, monotonic) = (Timestamp::now(), Instant::now());
        let steady = advance(anchor.wall, monotonic.duration_since(anchor.monotonic));
        if wall.duration_since(steady) > FOLLOW_STEP {
            *anchor = Anchor { wall, monotonic };
            return wall;
        }
        steady
    }

    fn quality(&self) -> ClockQuality {
        let offset = Timestamp::now().duration_since(self.now());
        let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let uptime_ms =
            u64::try_from(uptime.tv_sec).unwrap_or(0) * 1000 + u64::try_from(uptime.tv_nsec / 1_000_000).unwrap_or(0);
        ClockQuality {
            synced: kernel_says_synchronised(),
            offset_ms: i64::try_from(offset.as_millis()).unwrap_or(i64::MAX),
            boot_id: self.boot_id.to_string(),
            uptime_ms,
        }
    }
}

/// systemd-timesyncd leaves this mark. Other time services do not, and then the clock counts as not
/// synchronised: `adjtimex` would know better, but the sandbox denies that system call.
fn kernel_says_synchronised() -> bool {
    std::path::Path::new("/run/systemd/timesync/synchronized").exists()
}

fn advance(start: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| start.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// A clock that stands until it is moved: for replay, where the pictures carry the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// Standing at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Moves forward to `to`; an earlier moment is ignored.
    pub fn advance_to(&self, to: Timestamp) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (*now).max(to);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quality(&self) -> ClockQuality {
        ClockQuality { synced: false, offset_ms: 0, boot_id: "replay".to_owned(), uptime_ms: 0 }
    }
}

/// Time left until `deadline` on `clock`; zero when it has passed.
#[must_use]
pub fn until(clock: &dyn Clock, deadline: Timestamp) -> Duration {
    Duration::try_from(deadline.duration_since(clock.now())).unwrap_or(Duration::ZERO)
}

/// Time since the machine was started, sleep included; the same for every process, and never backwards.
#[must_use]
pub fn since_boot() -> Duration {
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(uptime.tv_sec).unwrap_or(0), u32::try_from(uptime.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_backwards() {
        let clock = SystemClock::new();
        let mut last = clock.now();
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        let manual = ManualClock::new(last);
        manual.advance_to(Timestamp::UNIX_EPOCH);
        assert_eq!(manual.now(), last);
    }
}
