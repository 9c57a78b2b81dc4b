//! `[[profile]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Other values of some rules, for a market day or a festival. The platform switches to a profile by its name and for a
/// time (`cmd/profile`); no value ever comes from outside. What a profile does not name stays as it is.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawProfile {
    /// Unique, and not `default`, which is no profile. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) rule: Vec<RawProfileRule>,
}

/// One rule under a profile.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawProfileRule {
    /// The rule's camera.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) camera: Option<String>,
    /// The rule's id.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// Whether it looks for anything. A rule that does not keeps what it has learned of the place.
    pub(in crate::config) enabled: bool,
    /// Detections below this score do not count.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) min_score: Option<f64>,
    /// How long the thing must be there.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) dwell_s: Option<u64>,
    /// Gone for this long, the incident closes.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) clear_after_s: Option<u64>,
    /// Of an encroachment rule: share of the good looks at which it must be seen.
    #[schemars(range(min = 0.05, max = 1.0))]
    pub(in crate::config) min_hit_ratio: Option<f64>,
    /// Of a dumping rule: share of the zone's ground that must differ from before.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub(in crate::config) min_changed_ratio: Option<f64>,
    /// Of a crowding rule: how many people.
    #[schemars(range(min = 2, max = 10000))]
    pub(in crate::config) min_people: Option<u64>,
    /// Of a crowding rule: it ends below this many; seven tenths of `min_people` if only that is set.
    #[schemars(range(min = 1, max = 10000))]
    pub(in crate::config) clear_people: Option<u64>,
}

impl Default for RawProfileRule {
    fn default() -> Self {
        Self {
            camera: None,
            id: None,
            enabled: true,
            min_score: None,
            dwell_s: None,
            clear_after_s: None,
            min_hit_ratio: None,
            min_changed_ratio: None,
            min_people: None,
            clear_people: None,
        }
    }
}
