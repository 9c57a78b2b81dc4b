//! Arithmetic on moments that cannot fail: results are clamped to what a `Timestamp` can hold.

use std::time::Duration;

use super::{SignedDuration, Timestamp};

/// The moment `by` after `at`.
#[must_use]
pub fn after(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// The moment `by` before `at`.
#[must_use]
pub fn before(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// The moment, moved by `by` either way.
#[must_use]
pub fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

/// Time from `from` to `to`; zero when `to` is not later.
#[must_use]
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
