//! One window of a schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A window of local time: on some days of the week, on some dates, or every day. One that ends before
/// it begins runs past midnight.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawWindow {
    /// Days of the week on which it begins: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    pub(in crate::config) days: Option<Vec<String>>,
    /// Dates on which it begins, such as market days: `"2026-12-01"`.
    pub(in crate::config) dates: Option<Vec<String>>,
    /// First minute: `"07:00"`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) from: Option<String>,
    /// First minute after it: `"20:00"`, at most `"24:00"`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) to: Option<String>,
}
