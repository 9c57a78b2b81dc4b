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
}

impl GatewayState {
    /// The same, as the broker is to publish it when the connection is lost for good.
    #[must_use]
    pub fn will(&self) -> Self {
        Self { online: false, ..self.clone() }
    }
}
