//! The gateway's presence: retained, and also its will.

use serde::Serialize;

use super::time::SiteTime;

/// Whether the gateway is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayState {
    /// It is connected.
    pub online: bool,
    /// Names this run of the program.
    pub session: String,
    /// Names this boot.
    pub boot_id: String,
    /// When this was written.
    pub at: SiteTime,
    /// Of the program.
    pub version: String,
    /// Why no camera is watched; absent while everything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_mode: Option<SafeModeNote>,
}

/// The gateway only delivers what it holds, because it ended unexpectedly again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafeModeNote {
    /// Since when.
    pub since: SiteTime,
    /// In words.
    pub reason: String,
}

impl GatewayState {
    /// The same, as the broker is to publish it when the connection is lost for good.
    #[must_use]
    pub fn will(&self) -> Self {
        Self { online: false, ..self.clone() }
    }
}
