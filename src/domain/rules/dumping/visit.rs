//! Somebody stops in the zone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::detection::Role;
use crate::domain::geometry::BoundingBox;
use crate::domain::rules::params::DumpingRule;
use crate::domain::rules::{Look, Seen};
use crate::domain::time::elapsed;
use crate::domain::zone::Zone;

/// Nobody seen for this long, and the visit is over.
const LEFT_AFTER: Duration = Duration::from_secs(8);
/// Share of a visitor inside the zone that makes a visit; a lorry tips from beside the polygon.
const INSIDE: f64 = 0.3;

/// An unbroken stay of whoever, as far as sparse looks can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Visit {
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
    pub(super) by_vehicle: bool,
    pub(super) boxes: Vec<BoundingBox>,
}

impl Visit {
    /// The visit after this look, if there still is one.
    pub(super) fn follow(visit: Option<Self>, visitors: &[Seen<'_>], at: Timestamp) -> Option<Self> {
        let going_on = visit.filter(|visit| elapsed(visit.last, at) <= LEFT_AFTER);
        if visitors.is_empty() {
            return going_on;
        }
        let boxes = visitors.iter().map(|seen| seen.detection.bbox).collect();
        let vehicle = visitors.iter().any(|seen| !seen.is(Role::Person) && !seen.is(Role::Cycle));
        let (since, by_vehicle) = going_on.map_or((at, false), |visit| (visit.since, visit.by_vehicle));
        Some(Self { since, last: at, by_vehicle: by_vehicle || vehicle, boxes })
    }
}

/// Those that may bring something, stand, and are in the zone.
pub(super) fn visitors<'a>(look: Look<'a>, rule: &DumpingRule, zone: &Zone) -> Vec<Seen<'a>> {
    look.seen()
        .filter(|seen| seen.detection.roles.intersects(rule.visitor_roles))
        .filter(|seen| seen.detection.score >= rule.common.min_score && !seen.is_moving())
        .filter(|seen| {
            let bbox = &seen.detection.bbox;
            zone.polygon.contains(bbox.bottom_center()) || zone.polygon.coverage_of(bbox) >= INSIDE
        })
        .collect()
}
