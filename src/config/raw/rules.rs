//! `[[camera.encroachment]]`, `[[camera.dumping]]`, `[[camera.crowding]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::RawWindow;
use crate::domain::detection::Role;

/// The table of one kind of rule: what every rule has, then its own keys with their defaults. A macro, because
/// `#[serde(flatten)]` would accept misspelt keys.
macro_rules! rule_table {
    (
        $(#[$about:meta])*
        $table:ident {
            $(#[$dwell:meta])*
            dwell_s = $dwell_s:literal, clear_after_s = $clear_after_s:literal, max_duration_s = $max_duration_s:literal;
            $($(#[$doc:meta])* $key:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(in crate::config) struct $table {
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
            $(#[$dwell])*
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
            $($(#[$doc])* pub(in crate::config) $key: $type,)*
        }

        impl Default for $table {
            fn default() -> Self {
                Self {
                    id: None,
                    zone: None,
                    active: None,
                    permitted: None,
                    min_score: 0.4,
                    dwell_s: $dwell_s,
                    clear_after_s: $clear_after_s,
                    reopen_within_s: 600,
                    cool_down_s: 14_400,
                    max_duration_s: $max_duration_s,
                    $($key: $default,)*
                }
            }
        }
    };
}

rule_table! {
    /// Stalls, goods and tricycles that stay where they must not.
    RawEncroachment {
        /// It must stand there for this long.
        dwell_s = 180, clear_after_s = 120, max_duration_s = 43_200;

        /// What counts.
        roles: Vec<Role> = vec![Role::Stall, Role::Goods, Role::Tricycle],
        /// Share of the good looks within the dwell at which it must be seen.
        #[schemars(range(min = 0.05, max = 1.0))]
        min_hit_ratio: f64 = 0.6,
        /// Whether it must be tended: `required` reports only what somebody stands beside, `optional` also
        /// what was left alone.
        attendance: RawAttendance = RawAttendance::Optional,
        /// Vehicles and goods may stand this long while somebody loads or unloads.
        #[schemars(range(min = 0, max = 86400))]
        loading_s: u64 = 900,
        /// A line along the shop fronts, two or more points `[x, y]`; given, goods in the zone are
        /// reported as trading outside the shop.
        shop_line: Option<Vec<[f64; 2]>> = None,
        /// What already stands there during this time after the very first start is taken for street
        /// furniture.
        #[schemars(range(min = 0, max = 86400))]
        learn_furniture_s: u64 = 600,
    }
}

/// Whether a standing thing must be tended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawAttendance {
    Required,
    Optional,
}

rule_table! {
    /// Muck, spoil or rubbish that is left on the ground.
    RawDumping {
        /// It must lie there for this long after whoever brought it has left.
        dwell_s = 120, clear_after_s = 300, max_duration_s = 604_800;

        /// Who can bring it.
        visitor_roles: Vec<Role> = vec![Role::Person, Role::Vehicle, Role::Truck, Role::Tricycle],
        /// Somebody who stops in the zone for this long is a visitor.
        #[schemars(range(min = 1, max = 3600))]
        min_visit_s: u64 = 5,
        /// Share of the zone's ground that must differ from before.
        #[schemars(range(min = 0.001, max = 1.0))]
        min_changed_ratio: f64 = 0.03,
        /// Also report what was found lying there without anybody seen bringing it.
        report_state: bool = true,
    }
}

rule_table! {
    /// People who stand together. Off unless this table exists, and never without a legal basis.
    RawCrowding {
        /// They must stand there for this long.
        dwell_s = 60, clear_after_s = 120, max_duration_s = 21_600;

        /// How many people.
        #[schemars(range(min = 2, max = 10000))]
        min_people: u64 = 10,
        /// It ends below this many; seven tenths of `min_people` unless set.
        #[schemars(range(min = 1, max = 10000))]
        clear_people: Option<u64> = None,
        /// Count people who walk as well as people who stand.
        count_everybody: bool = false,
        /// Where the published bands begin, ascending: `[10, 20, 50]` gives 1-9, 10-19, 20-49 and 50+.
        /// Numbers of people are never published.
        bands: Vec<u64> = vec![10, 20, 50, 100],
        /// The law or order that allows the count; published with the rule profile.
        #[schemars(extend("x-required" = true))]
        legal_basis: Option<String> = None,
        /// Who answers for it.
        #[schemars(extend("x-required" = true))]
        contact: Option<String> = None,
    }
}
