//! Moments as the contract writes them: RFC 3339, milliseconds, the site's offset.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A moment in its published form, such as `2026-11-22T19:42:31.480+08:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SiteTime(String);

impl SiteTime {
    /// Writes `at` with the offset that `zone` has at that moment.
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        Self(at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
