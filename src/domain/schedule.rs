//! When a rule applies, or an exception holds: windows of local time.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

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
