//! `[[camera.encroachment]]`, `[[camera.dumping]]`, `[[camera.crowding]]`.
//!
//! What every rule has is written out in each: `#[serde(flatten)]` would accept misspelt keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::RawWindow;
use crate::domain::detection::Role;

/// Stalls, goods and tricycles that stay where they must not.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawEncroachment {
    /// Unique within the camera. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// The zone it watches.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) zone: Option<String>,
    /// When it watches; always unless set.
    pub(in crate::config) active: Option<Vec<RawWindow>>,
    /// When what it looks for is permitted; never unless set.
    pub(in crate::config) permitted: Option<Vec<RawWindow>>,
    /// Detections below this score do not count.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) min_score: f64,
    /// It must stand there for this long.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) dwell_s: u64,
    /// Gone for this long, the incident closes.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) clear_after_s: u64,
    /// Back in the same place within this time, it is the same incident.
    #[schemars(range(min = 0, max = 86400))]
    pub(in crate::config) reopen_within_s: u64,
    /// Nothing is reported from the zone for this long after the platform has called it a false alarm.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub(in crate::config) cool_down_s: u64,
    /// An incident that lasts longer is closed as `max_duration`.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub(in crate::config) max_duration_s: u64,
    /// What counts.
    pub(in crate::config) roles: Vec<Role>,
    /// Share of the good looks within the dwell at which it must be seen.
    #[schemars(range(min = 0.05, max = 1.0))]
    pub(in crate::config) min_hit_ratio: f64,
    /// Whether it must be tended: `required` reports only what somebody stands beside, `optional` also
    /// what was left alone.
    pub(in crate::config) attendance: RawAttendance,
    /// Vehicles and goods may stand this long while somebody loads or unloads.
    #[schemars(range(min = 0, max = 86400))]
    pub(in crate::config) loading_s: u64,
    /// A line along the shop fronts, two or more points `[x, y]`; given, goods in the zone are
    /// reported as trading outside the shop.
    pub(in crate::config) shop_line: Option<Vec<[f64; 2]>>,
    /// What already stands there during this time after the very first start is taken for street
    /// furniture.
    #[schemars(range(min = 0, max = 86400))]
    pub(in crate::config) learn_furniture_s: u64,
}

impl Default for RawEncroachment {
    fn default() -> Self {
        Self {
            id: None,
            zone: None,
            active: None,
            permitted: None,
            min_score: 0.4,
            dwell_s: 180,
            clear_after_s: 120,
            reopen_within_s: 600,
            cool_down_s: 14_400,
            max_duration_s: 43_200,
            roles: vec![Role::Stall, Role::Goods, Role::Tricycle],
            min_hit_ratio: 0.6,
            attendance: RawAttendance::Optional,
            loading_s: 900,
            shop_line: None,
            learn_furniture_s: 600,
        }
    }
}

/// Whether a standing thing must be tended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawAttendance {
    Required,
    Optional,
}

/// Muck, spoil or rubbish that is left on the ground.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawDumping {
    /// Unique within the camera. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// The zone it watches.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) zone: Option<String>,
    /// When it watches; always unless set.
    pub(in crate::config) active: Option<Vec<RawWindow>>,
    /// When what it looks for is permitted; never unless set.
    pub(in crate::config) permitted: Option<Vec<RawWindow>>,
    /// Detections below this score do not count.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) min_score: f64,
    /// It must lie there for this long after whoever brought it has left.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) dwell_s: u64,
    /// Gone for this long, the incident closes.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) clear_after_s: u64,
    /// Back in the same place within this time, it is the same incident.
    #[schemars(range(min = 0, max = 86400))]
    pub(in crate::config) reopen_within_s: u64,
    /// Nothing is reported from the zone for this long after the platform has called it a false alarm.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub(in crate::config) cool_down_s: u64,
    /// An incident that lasts longer is closed as `max_duration`.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub(in crate::config) max_duration_s: u64,
    /// Who can bring it.
    pub(in crate::config) visitor_roles: Vec<Role>,
    /// Somebody who stops in the zone for this long is a visitor.
    #[schemars(range(min = 1, max = 3600))]
    pub(in crate::config) min_visit_s: u64,
    /// Share of the zone's ground that must differ from before.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub(in crate::config) min_changed_ratio: f64,
    /// Also report what was found lying there without anybody seen bringing it.
    pub(in crate::config) report_state: bool,
}

impl Default for RawDumping {
    fn default() -> Self {
        Self {
            id: None,
            zone: None,
            active: None,
            permitted: None,
            min_score: 0.4,
            dwell_s: 120,
            clear_after_s: 300,
            reopen_within_s: 600,
            cool_down_s: 14_400,
            max_duration_s: 604_800,
            visitor_roles: vec![Role::Person, Role::Vehicle, Role::Truck, Role::Tricycle],
            min_visit_s: 5,
            min_changed_ratio: 0.03,
            report_state: true,
        }
    }
}

/// People who stand together. Off unless this table exists, and never without a legal basis.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawCrowding {
    /// Unique within the camera. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// The zone it watches.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) zone: Option<String>,
    /// When it watches; always unless set.
    pub(in crate::config) active: Option<Vec<RawWindow>>,
    /// When what it looks for is permitted; never unless set.
    pub(in crate::config) permitted: Option<Vec<RawWindow>>,
    /// Detections below this score do not count.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(in crate::config) min_score: f64,
    /// They must stand there for this long.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) dwell_s: u64,
    /// Gone for this long, the incident closes.
    #[schemars(range(min = 1, max = 86400))]
    pub(in crate::config) clear_after_s: u64,
    /// Back in the same place within this time, it is the same incident.
    #[schemars(range(min = 0, max = 86400))]
    pub(in crate::config) reopen_within_s: u64,
    /// Nothing is reported from the zone for this long after the platform has called it a false alarm.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub(in crate::config) cool_down_s: u64,
    /// An incident that lasts longer is closed as `max_duration`.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub(in crate::config) max_duration_s: u64,
    /// How many people.
    #[schemars(range(min = 2, max = 10000))]
    pub(in crate::config) min_people: u64,
    /// It ends below this many; seven tenths of `min_people` unless set.
    #[schemars(range(min = 1, max = 10000))]
    pub(in crate::config) clear_people: Option<u64>,
    /// Count people who walk as well as people who stand.
    pub(in crate::config) count_everybody: bool,
    /// Where the published bands begin, ascending: `[10, 20, 50]` gives 1-9, 10-19, 20-49 and 50+.
    /// Numbers of people are never published.
    pub(in crate::config) bands: Vec<u64>,
    /// The law or order that allows the count; published with the rule profile.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) legal_basis: Option<String>,
    /// Who answers for it.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) contact: Option<String>,
}

impl Default for RawCrowding {
    fn default() -> Self {
        Self {
            id: None,
            zone: None,
            active: None,
            permitted: None,
            min_score: 0.4,
            dwell_s: 60,
            clear_after_s: 120,
            reopen_within_s: 600,
            cool_down_s: 14_400,
            max_duration_s: 21_600,
            min_people: 10,
            clear_people: None,
            count_everybody: false,
            bands: vec![10, 20, 50, 100],
            legal_basis: None,
            contact: None,
        }
    }
}
