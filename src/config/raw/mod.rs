//! The configuration as it is written: types, defaults and ranges, but no sense yet.
//!
//! The doc comments are the reference page and the descriptions in the JSON Schema. Ranges are stated
//! in the schema alone; `structure` enforces them from there. A key that must be given is an `Option`
//! marked `x-required`, so that its absence is reported together with everything else.

pub(super) mod camera;
pub(super) mod delivery;
pub(super) mod gateway;
pub(super) mod profile;
pub(super) mod resources;
pub(super) mod rules;
pub(super) mod secret;
pub(super) mod window;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration of gridwatch. Relative paths start at the folder of this file.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    #[schemars(extend("x-required" = true))]
    pub(super) gateway: Option<gateway::RawGateway>,
    pub(super) mqtt: Option<delivery::RawMqtt>,
    pub(super) spool: Option<delivery::RawSpool>,
    pub(super) storage: resources::RawStorage,
    #[schemars(extend("x-required" = true))]
    pub(super) inference: Option<resources::RawInference>,
    pub(super) evidence: resources::RawEvidence,
    pub(super) alert_budget: resources::RawAlertBudget,
    #[schemars(extend("x-required" = true))]
    pub(super) camera: Vec<camera::RawCamera>,
    pub(super) profile: Vec<profile::RawProfile>,
}
