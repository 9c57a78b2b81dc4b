//! How late it is where something is deleted for its age.
//!
//! A clock that stands wrong for a minute must not delete what a township has kept for a month. So a leap forward is not
//! believed at once: until it has been vouched for, only the time goes by that the program itself has seen go by.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::database::Database;
use super::{Store, StoreError};

/// More than this is a leap. A box that was without power overnight is not meant.
const LEAP: SignedDuration = SignedDuration::from_hours(24);
/// A leap is believed when the kernel has called the clock synchronised for so long, without a break,
const VOUCHED: SignedDuration = SignedDuration::from_hours(1);
/// or when the clock has stood so for this long, with nobody to vouch for it.
const STOOD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// It is kept for the next start no more often than this: each time wears the flash.
const KEPT_EVERY_MS: i64 = 6 * 3_600_000;

/// Milliseconds since 1970, at some moment of the box's own time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    ms: i64,
    seen: Timestamp,
    /// When the leap was seen first, and since when it has been vouched for.
    leap: Option<(Timestamp, Option<Timestamp>)>,
    kept_ms: i64,
}

impl Age {
    /// As it was kept; of an older store, the time of the newest thing in it.
    pub(super) fn read(connection: &Connection, now: Timestamp, utc_ms: i64) -> Result<Self, StoreError> {
        let kept = "SELECT value FROM meta WHERE key = 'aged_to_ms' AND typeof(value) = 'integer'";
        let kept: Option<i64> = connection.query_row(kept, [], |row| row.get(0)).optional()?;
        let newest = "SELECT max(ms) FROM (SELECT max(touched_ms) AS ms FROM event UNION ALL SELECT max(captured_ms) FROM picture
                      UNION ALL SELECT max(created_ms) FROM outbox)";
        let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
        let ms = kept.or(newest).unwrap_or(utc_ms);
        Ok(Self { ms, seen: now, leap: None, kept_ms: kept.unwrap_or(i64::MIN) })
    }

    /// What it is now.
    fn advance(&mut self, now: Timestamp, utc_ms: i64, synced: bool) -> i64 {
        let millis = |span: SignedDuration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let gone_by = self.ms.saturating_add(millis(now.duration_since(self.seen)).max(0));
        self.seen = now;
        self.ms = gone_by.min(utc_ms);
        if utc_ms.saturating_sub(gone_by) <= millis(LEAP) {
            (self.ms, self.leap) = (utc_ms, None);
            return self.ms;
        }
        let (since, vouched) = self.leap.unwrap_or((now, None));
        let vouched = if synced { vouched.or(Some(now)) } else { None };
        self.leap = Some((since, vouched));
        if vouched.is_some_and(|since| now.duration_since(since) >= VOUCHED) || now.duration_since(since) >= STOOD {
            (self.ms, self.leap) = (utc_ms, None);
        }
        self.ms
    }
}

impl Store {
    /// UTC as far as it is believed where something is deleted for its age.
    pub async fn age_now(&self) -> Result<Timestamp, StoreError> {
        let ms = self.call(Database::age_now).await?;
        Ok(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN))
    }
}

impl Database {
    /// As [`Database::age_now`], and nothing is written: also for a connection that is still being made ready.
    pub(super) fn look_at_age(&mut self) -> i64 {
        self.age.advance(self.clock.now(), self.now_ms(), self.clock.quality().synced)
    }

    /// UTC in milliseconds, as far as it is believed where something is deleted for its age.
    pub(super) fn age_now(&mut self) -> Result<i64, StoreError> {
        let ms = self.look_at_age();
        if self.age.kept_ms.abs_diff(ms) >= KEPT_EVERY_MS.unsigned_abs() {
            self.transact(|tx| Ok(tx.execute("INSERT OR REPLACE INTO meta VALUES('aged_to_ms', ?1)", params![ms])?))?;
            self.age.kept_ms = ms;
        }
        Ok(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
    }

    fn utc(hours: i64, ahead_days: i64) -> i64 {
        at(hours).as_millisecond() + ahead_days * DAY_MS
    }

    fn age() -> Age {
        Age { ms: utc(0, 0), seen: at(0), leap: None, kept_ms: 0 }
    }

    #[test]
    fn time_that_goes_by_is_believed_and_a_night_without_power() {
        let mut age = age();
        assert_eq!(age.advance(at(1000), utc(1000, 0), false), utc(1000, 0));
        assert_eq!(age.advance(at(1001), utc(1012, 0), false), utc(1012, 0));
        assert_eq!(age.advance(at(1002), utc(500, 0), false), utc(500, 0), "set back");
    }

    #[test]
    fn a_leap_has_to_be_vouched_for() {
        let mut age = age();
        assert_eq!(age.advance(at(1), utc(1, 400), false), utc(1, 0));
        assert_eq!(age.advance(at(2), utc(2, 400), true), utc(2, 0));
        assert_eq!(age.advance(at(3), utc(3, 0), true), utc(3, 0), "it was wrong");
        assert_eq!(age.advance(at(4), utc(4, 400), true), utc(4, 0));
        assert_eq!(age.advance(at(5), utc(5, 400), true), utc(5, 400));
    }

    #[test]
    fn without_anybody_to_ask_a_leap_is_believed_after_a_week() {
        let mut age = age();
        for hour in 1..168 {
            assert_eq!(age.advance(at(hour), utc(hour, 90), false), utc(hour, 0));
        }
        assert_eq!(age.advance(at(169), utc(169, 90), false), utc(169, 90));
    }
}
