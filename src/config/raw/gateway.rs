//! `[gateway]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who and where this box is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGateway {
    /// Name of this box, given by the platform: its MQTT user name and a level of its topics. Lower-case
    /// letters, digits and `-`, beginning with a letter.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// County: division code of GB/T 2260, six digits.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) county_code: Option<String>,
    /// Town or street: code of GB/T 10114, three digits.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) town_code: Option<String>,
    /// Village or community: twelve digits, beginning with the county's and the town's. A camera can
    /// name another one.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) village_code: Option<String>,
    /// Time zone of schedules and of the times in events, an IANA name. The machine's own setting is
    /// not used.
    pub(in crate::config) time_zone: String,
    /// Event codes of this site, instead of the built-in catalogue.
    pub(in crate::config) catalogue: Option<PathBuf>,
}

impl Default for RawGateway {
    fn default() -> Self {
        Self {
            id: None,
            county_code: None,
            town_code: None,
            village_code: None,
            time_zone: "Asia/Shanghai".to_owned(),
            catalogue: None,
        }
    }
}
