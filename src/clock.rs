//! The only file that reads the time.
//!
//! ```text
//!   now          the box's own time: UTC as it was known when the program started, and from then on the monotonic
//!                clock. It never jumps: every duration, deadline and order inside the program is measured on it
//! + correction   what the wall clock has been set by since
//! = utc          what is told to others and kept across a restart
//! ```
//! A box without a battery starts in 1970 and gets the time from the network later; a wrong one is set back by years. Either
//! changes the correction, and nothing that is under way: no dwell time ends early, no timer fires.
#![allow(clippy::disallowed_methods, reason = "this is the clock")]

mod last_good;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::domain::time::moved;
pub use last_good::{read_last_good, write_last_good};

/// 2026-01-01: a wall clock before that was never set.
pub const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A step of the wall clock larger than this is followed at once; what is smaller is reported as an offset.
pub const FOLLOW_STEP: SignedDuration = SignedDuration::from_secs(2);

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The box's own time; never smaller than an earlier answer, and never jumps.
    fn now(&self) -> Timestamp;

    /// UTC minus [`Clock::now`]; changes when somebody sets the wall clock.
    fn correction(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Best estimate of UTC. May go back when the wall clock is set back.
    fn utc(&self) -> Timestamp {
        self.outside(self.now())
    }

    /// A moment of the box's own time as UTC.
    fn outside(&self, at: Timestamp) -> Timestamp {
        moved(at, self.correction())
    }

    /// A moment of UTC in the box's own time.
    fn inside(&self, at: Timestamp) -> Timestamp {
        moved(at, -self.correction())
    }

    /// What is known of the quality of `utc`.
    fn quality(&self) -> ClockQuality;
}

/// What events say about their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockQuality {
    /// The kernel says that the clock is synchronised.
    pub synced: bool,
    /// System wall clock minus our UTC, in milliseconds.
    pub offset_ms: i64,
    /// Names this boot of the machine.
    pub boot_id: String,
    /// Milliseconds since boot.
    pub uptime_ms: u64,
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    anchor: Timestamp,
    monotonic: Instant,
    /// The wall clock is not believed before this, unless the kernel vouches for it.
    not_before: Timestamp,
    correction: Arc<Mutex<SignedDuration>>,
    boot_id: Arc<str>,
}

impl SystemClock {
    /// Anchored to the wall clock as it stands.
    #[must_use]
    pub fn new() -> Self {
        Self::anchored(Timestamp::now(), Timestamp::MIN)
    }

    /// Anchored to the wall clock, or to the last moment that was surely over where the wall clock is behind it: a box
    /// whose clock was not set goes on from there, so that what it kept does not lie in the future.
    #[must_use]
    pub fn not_before(last_good: Timestamp) -> Self {
        let not_before = last_good.max(EARLIEST);
        Self::anchored(Timestamp::now().max(not_before), not_before)
    }

    /// Anchored to what another process of this machine says the time is just now: the two then agree, whatever
    /// becomes of the wall clock.
    #[must_use]
    pub fn started_at(now: Timestamp) -> Self {
        Self::anchored(now, Timestamp::MIN)
    }

    fn anchored(anchor: Timestamp, not_before: Timestamp) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            anchor,
            monotonic: Instant::now(),
            not_before,
            correction: Arc::default(),
            boot_id: boot_id.trim().into(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        advance(self.anchor, self.monotonic.elapsed())
    }

    fn correction(&self) -> SignedDuration {
        let mut known = self.correction.lock().unwrap_or_else(PoisonError::into_inner);
        *known = follow(*known, self.now(), Timestamp::now(), self.not_before, kernel_says_synchronised);
        *known
    }

    fn quality(&self) -> ClockQuality {
        let offset = Timestamp::now().duration_since(self.utc());
        let uptime_ms = u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX);
        ClockQuality {
            synced: kernel_says_synchronised(),
            offset_ms: i64::try_from(offset.as_millis()).unwrap_or(i64::MAX),
            boot_id: self.boot_id.to_string(),
            uptime_ms,
        }
    }
}

/// The correction after a look at the wall clock. A wall clock that stands before what is surely over was not set, or was set
/// wrongly: it is followed only where the kernel says that it is synchronised, and never to before [`EARLIEST`].
fn follow(
    known: SignedDuration,
    now: Timestamp,
    wall: Timestamp,
    not_before: Timestamp,
    synced: impl FnOnce() -> bool,
) -> SignedDuration {
    let gap = wall.duration_since(now);
    if (gap - known).abs() <= FOLLOW_STEP {
        return known;
    }
    let believed = wall >= not_before || (wall >= EARLIEST && synced());
    if believed { gap } else { known }
}

/// Every time service tells the kernel. Where a sandbox denies the question (`ProtectClock=`), the mark that
/// systemd-timesyncd leaves is looked for; other services leave none, and then the clock counts as not synchronised.
fn kernel_says_synchronised() -> bool {
    ask_kernel().unwrap_or_else(|| std::path::Path::new("/run/systemd/timesync/synchronized").exists())
}

/// `None` where it does not answer.
#[allow(unsafe_code, reason = "no safe wrapper of this call is in the tree")]
fn ask_kernel() -> Option<bool> {
    // SAFETY: `timex` is plain numbers, for which zero is a value; with `modes` 0 the call changes nothing but that struct.
    let (state, status) = unsafe {
        let mut answer: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut answer), answer.status)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0)
}

fn advance(start: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| start.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// A clock that stands until it is moved: for replay, where the pictures carry the time, and for tests that set the wall clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
    started: Timestamp,
    wall: Arc<Mutex<(SignedDuration, bool)>>,
}

impl ManualClock {
    /// Standing at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)), started: now, wall: Arc::default() }
    }

    /// Somebody sets the wall clock: UTC is this much ahead of `now` from here on, and known to be right or not.
    pub fn set_wall(&self, ahead: SignedDuration, synced: bool) {
        *self.wall.lock().unwrap_or_else(PoisonError::into_inner) = (ahead, synced);
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

    fn correction(&self) -> SignedDuration {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn quality(&self) -> ClockQuality {
        let synced = self.wall.lock().unwrap_or_else(PoisonError::into_inner).1;
        let uptime_ms = u64::try_from(self.now().duration_since(self.started).as_millis()).unwrap_or(0);
        ClockQuality { synced, offset_ms: 0, boot_id: "replay".to_owned(), uptime_ms }
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

    #[test]
    fn the_wall_clock_is_followed_both_ways_but_not_to_where_it_cannot_be() {
        let hours = SignedDuration::from_hours;
        let start = moved(EARLIEST, hours(24 * 300));
        let zero = SignedDuration::ZERO;
        let look = |known, ahead, synced| follow(known, start, moved(start, ahead), start, || synced);
        assert_eq!(look(zero, SignedDuration::from_millis(1999), true), zero, "an offset, no step");
        for ahead in [hours(3), hours(24 * 3650)] {
            assert_eq!(look(zero, ahead, false), ahead);
            assert_eq!(look(ahead, zero, false), zero, "and back again");
        }
        let back = hours(-24 * 100);
        assert_eq!(look(zero, back, false), zero, "surely over, and nobody vouches for it");
        assert_eq!(look(zero, back, true), back, "what was believed before was wrong");
        let never_set = Timestamp::UNIX_EPOCH.duration_since(start);
        assert_eq!(look(zero, never_set, true), zero);
    }

    #[test]
    fn a_box_that_starts_in_1970_goes_on_from_the_last_good_time() {
        let ahead = moved(Timestamp::now(), SignedDuration::from_hours(24 * 365));
        let clock = SystemClock::not_before(ahead);
        assert!(clock.now() >= ahead && clock.correction().is_zero());
        assert!(clock.quality().offset_ms < -300 * 86_400_000, "and says by how much the wall clock differs");
        assert!(SystemClock::not_before(Timestamp::UNIX_EPOCH).now() >= EARLIEST);
    }
}
