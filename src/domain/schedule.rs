//! When a rule applies, or an exception holds: windows of local time.

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use super::Timestamp;

/// Days on which a window starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// Every day.
    Every,
    /// Some days of the week.
    Weekdays(Vec<Weekday>),
    /// Named days: market days, festivals, an event with a permit.
    Dates(Vec<Date>),
}

/// A span of local time. One whose `end` is not after its `start` runs past midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Days on which it starts.
    pub days: Days,
    /// First moment.
    pub start: Time,
    /// First moment after it.
    pub end: Time,
}

/// A union of windows in one time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The site's time zone: the configured one, never the machine's.
    pub time_zone: TimeZone,
    /// In any order; empty means never.
    pub windows: Vec<Window>,
}

/// Days ahead within which a weekly pattern must change, if it ever does.
const HORIZON_DAYS: i64 = 8;

impl Schedule {
    /// Whether a window is open at this moment.
    #[must_use]
    pub fn is_active(&self, at: Timestamp) -> bool {
        let today = self.local_date(at);
        let days = [today.yesterday().ok(), Some(today)];
        days.into_iter().flatten().any(|day| self.spans_of(day).any(|(start, end)| start <= at && at < end))
    }

    /// The first moment after `after` at which [`Self::is_active`] changes its answer; `None` if it
    /// never does.
    #[must_use]
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let now = self.is_active(after);
        let mut moments: Vec<Timestamp> = self
            .days_of_interest(self.local_date(after))
            .flat_map(|day| self.spans_of(day).flat_map(|(start, end)| [start, end]).collect::<Vec<_>>())
            .filter(|&moment| moment > after)
            .collect();
        moments.sort_unstable();
        moments.into_iter().find(|&moment| self.is_active(moment) != now)
    }

    fn local_date(&self, at: Timestamp) -> Date {
        self.time_zone.to_datetime(at).date()
    }

    fn days_of_interest(&self, today: Date) -> impl Iterator<Item = Date> + '_ {
        let near = (-1..=HORIZON_DAYS).filter_map(move |ahead| today.checked_add(ahead.days()).ok());
        let named = self.windows.iter().flat_map(|window| match &window.days {
            Days::Dates(dates) => dates.as_slice(),
            Days::Every | Days::Weekdays(_) => &[],
        });
        near.chain(named.copied())
    }

    /// Windows that start on `day`. A local time that a change to summer time skips is taken as the
    /// moment after the gap, one that comes twice as its first coming.
    fn spans_of(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        self.windows.iter().filter(move |window| window.days.contains(day)).filter_map(move |window| {
            let last_day = if window.end > window.start { day } else { day.tomorrow().ok()? };
            let start = self.time_zone.to_timestamp(day.to_datetime(window.start)).ok()?;
            let end = self.time_zone.to_timestamp(last_day.to_datetime(window.end)).ok()?;
            Some((start, end))
        })
    }
}

impl Days {
    fn contains(&self, day: Date) -> bool {
        match self {
            Self::Every => true,
            Self::Weekdays(weekdays) => weekdays.contains(&day.weekday()),
            Self::Dates(dates) => dates.contains(&day),
        }
    }
}

#[cfg(test)]
mod tests;
