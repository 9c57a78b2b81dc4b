//! The rules of one camera.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::identifier;
use super::schedule::schedule;
use super::zone::shop_line;
use crate::config::raw::rules::{RawAttendance, RawCrowding, RawDumping, RawEncroachment};
use crate::config::raw::window::RawWindow;
use crate::config::section::Section;
use crate::domain::detection::{Role, RoleSet};
use crate::domain::rules::params::{Attendance, Common, CrowdingRule, DumpingRule, EncroachmentRule, Rule};
use crate::domain::zone::Zone;

/// The three tables of a camera.
pub(super) struct RawRules {
    pub(super) encroachment: Vec<RawEncroachment>,
    pub(super) dumping: Vec<RawDumping>,
    pub(super) crowding: Vec<RawCrowding>,
}

/// What the rules of one camera are checked against.
struct Surroundings<'a> {
    /// `None`: a zone was refused, so that a name may be missing here.
    zones: Option<&'a [Zone]>,
    time_zone: &'a TimeZone,
    ids: BTreeSet<String>,
    zones_used: BTreeSet<String>,
}

pub(super) fn rules(
    raw: RawRules,
    camera: &Section,
    zones: Option<&[Zone]>,
    time_zone: &TimeZone,
) -> Option<Vec<Rule>> {
    let zones = zones.filter(|_| !camera.is_incomplete("zone"));
    let mut around = Surroundings { zones, time_zone, ids: BTreeSet::new(), zones_used: BTreeSet::new() };
    let mut rules = Vec::new();
    for (index, raw) in raw.encroachment.into_iter().enumerate() {
        rules.push(encroachment(raw, &camera.element("encroachment", index), &mut around).map(Rule::Encroachment));
    }
    for (index, raw) in raw.dumping.into_iter().enumerate() {
        rules.push(dumping(raw, &camera.element("dumping", index), &mut around).map(Rule::Dumping));
    }
    for (index, raw) in raw.crowding.into_iter().enumerate() {
        rules.push(crowding(raw, &camera.element("crowding", index), &mut around).map(Rule::Crowding));
    }
    let may_lack_some = ["encroachment", "dumping", "crowding"].into_iter().any(|key| camera.is_incomplete(key));
    if rules.is_empty() && !may_lack_some {
        let advice = "add [[camera.encroachment]], [[camera.dumping]] or [[camera.crowding]]";
        camera.warn_here("has no rule, so nothing will be reported from it", advice);
    }
    for (index, zone) in zones.unwrap_or_default().iter().enumerate() {
        if !rules.is_empty() && !may_lack_some && !around.zones_used.contains(&zone.id) {
            camera.element("zone", index).warn_here("no rule watches this zone", "name it in a rule, or drop it");
        }
    }
    rules.into_iter().collect()
}

/// What every rule has, as it is written in each.
struct RawCommon {
    id: Option<String>,
    zone: Option<String>,
    active: Option<Vec<RawWindow>>,
    permitted: Option<Vec<RawWindow>>,
    min_score: f64,
    dwell_s: u64,
    clear_after_s: u64,
    reopen_within_s: u64,
    cool_down_s: u64,
    max_duration_s: u64,
}

/// Takes what every rule has out of a raw rule.
macro_rules! raw_common {
    ($raw:ident) => {
        RawCommon {
            id: $raw.id,
            zone: $raw.zone,
            active: $raw.active,
            permitted: $raw.permitted,
            min_score: $raw.min_score,
            dwell_s: $raw.dwell_s,
            clear_after_s: $raw.clear_after_s,
            reopen_within_s: $raw.reopen_within_s,
            cool_down_s: $raw.cool_down_s,
            max_duration_s: $raw.max_duration_s,
        }
    };
}

fn common(raw: RawCommon, section: &Section, around: &mut Surroundings<'_>) -> Option<Common> {
    let id = identifier("id", raw.id, section);
    if id.as_ref().is_some_and(|id| !around.ids.insert(id.clone())) {
        section.error("id", "is the id of another rule of this camera", "give each rule its own");
    }
    let zone = section.required_text("zone", raw.zone);
    if let (Some(zone), Some(zones)) = (&zone, around.zones) {
        if !zones.iter().any(|known| known.id == *zone) {
            let known: Vec<_> = zones.iter().map(|zone| zone.id.as_str()).collect();
            let advice = match known.as_slice() {
                [] => "add a [[camera.zone]]".to_owned(),
                known => format!("this camera has: {}", known.join(", ")),
            };
            section.error("zone", "is no zone of this camera", advice);
            // Any of them may be the one that was meant.
            around.zones_used.extend(zones.iter().map(|zone| zone.id.clone()));
        }
        around.zones_used.insert(zone.clone());
    }
    let active = schedule("active", raw.active, around.time_zone, section);
    let permitted = schedule("permitted", raw.permitted, around.time_zone, section);
    timing(("max_duration_s", section), raw.max_duration_s, raw.dwell_s);
    Some(Common {
        id: id?,
        zone: zone?,
        active: active.ok()?,
        permitted: permitted.ok()?,
        min_score: single(raw.min_score),
        dwell: Duration::from_secs(raw.dwell_s),
        clear_after: Duration::from_secs(raw.clear_after_s),
        reopen_within: Duration::from_secs(raw.reopen_within_s),
        cool_down: Duration::from_secs(raw.cool_down_s),
        max_duration: Duration::from_secs(raw.max_duration_s),
    })
}

/// Refuses, at `key`, a longest duration that is over before an incident is noticed.
pub(super) fn timing((key, section): (&str, &Section), max_duration_s: u64, dwell_s: u64) {
    let is_known = !section.is_incomplete("max_duration_s") && !section.is_incomplete("dwell_s");
    if max_duration_s <= dwell_s && is_known {
        let advice = "an incident must be allowed to last longer than it takes to be noticed";
        let message = match key {
            "dwell_s" => format!("is not shorter than max_duration_s ({max_duration_s})"),
            _ => format!("is not longer than dwell_s ({dwell_s})"),
        };
        section.error(key, message, advice);
    }
}

/// Refuses numbers of people between which an incident would flicker.
pub(super) fn people(section: &Section, clear_people: u64, min_people: u64) {
    let are_known = !section.is_incomplete("clear_people") && !section.is_incomplete("min_people");
    if clear_people >= min_people && are_known {
        let message = format!("is not below min_people ({min_people})");
        section.error("clear_people", message, "without a gap the incident would open and close again and again");
    }
}

/// `clear_people` where it is not set.
pub(super) fn seven_tenths(min_people: u64) -> u64 {
    (min_people.saturating_mul(7) / 10).max(1)
}

fn encroachment(raw: RawEncroachment, section: &Section, around: &mut Surroundings<'_>) -> Option<EncroachmentRule> {
    let common = common(raw_common!(raw), section, around);
    let roles = roles("roles", &raw.roles, section);
    let line = raw.shop_line.map(|line| shop_line(&line, section)).transpose();
    Some(EncroachmentRule {
        common: common?,
        roles: roles?,
        min_hit_ratio: raw.min_hit_ratio,
        attendance: match raw.attendance {
            RawAttendance::Required => Attendance::Required,
            RawAttendance::Optional => Attendance::Optional,
        },
        loading: Duration::from_secs(raw.loading_s),
        shop_line: line.ok()?,
        learn_furniture: Duration::from_secs(raw.learn_furniture_s),
    })
}

fn dumping(raw: RawDumping, section: &Section, around: &mut Surroundings<'_>) -> Option<DumpingRule> {
    let common = common(raw_common!(raw), section, around);
    let visitor_roles = roles("visitor_roles", &raw.visitor_roles, section);
    Some(DumpingRule {
        common: common?,
        visitor_roles: visitor_roles?,
        min_visit: Duration::from_secs(raw.min_visit_s),
        min_changed_ratio: raw.min_changed_ratio,
        report_state: raw.report_state,
    })
}

fn crowding(raw: RawCrowding, section: &Section, around: &mut Surroundings<'_>) -> Option<CrowdingRule> {
    let common = common(raw_common!(raw), section, around);
    let clear_people = raw.clear_people.unwrap_or(seven_tenths(raw.min_people));
    people(section, clear_people, raw.min_people);
    let ascending = raw.bands.windows(2).all(|pair| pair[0] < pair[1]);
    let from_two = raw.bands.first().is_some_and(|first| *first >= 2);
    if !ascending || !from_two {
        let advice = "write ascending numbers from 2 up, such as [10, 20, 50]; a single number of people is not \
                      published";
        section.error("bands", "are not the bounds of bands", advice);
    }
    let legal_basis = section.required_text("legal_basis", raw.legal_basis);
    let contact = section.required_text("contact", raw.contact);
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Some(CrowdingRule {
        common: common?,
        min_people: number(raw.min_people),
        clear_people: number(clear_people),
        count_everybody: raw.count_everybody,
        bands: raw.bands.into_iter().map(number).collect(),
        legal_basis: legal_basis?,
        contact: contact?,
    })
}

fn roles(key: &str, roles: &[Role], section: &Section) -> Option<RoleSet> {
    if roles.is_empty() {
        section.error(key, "is empty, so the rule can never be met", "drop the key for the usual roles");
        return None;
    }
    Some(roles.iter().copied().collect())
}

/// Scores are single precision everywhere else; a configured one lies in 0–1.
#[allow(clippy::cast_possible_truncation, reason = "only digits that no detector gives are lost")]
pub(super) fn single(score: f64) -> f32 {
    score as f32
}
