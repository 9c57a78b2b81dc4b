//! `[[profile]]`: other values of rules that are configured, checked as those are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::identifier;
use super::rules::{people, seven_tenths, single, timing};
use crate::config::model::{Camera, Profile};
use crate::config::raw::profile::{RawProfile, RawProfileRule};
use crate::config::section::Section;
use crate::domain::camera::CameraId;
use crate::domain::rules::params::{NO_PROFILE, Rule, RuleSetting};

pub(super) fn profiles(raw: Vec<RawProfile>, root: &Section, cameras: Option<&[Camera]>) -> Option<Vec<Profile>> {
    let mut ids = BTreeSet::new();
    let profiles = raw.into_iter().enumerate().map(|(index, raw)| {
        let section = root.element("profile", index);
        let id = identifier("id", raw.id, &section);
        match id.as_deref() {
            Some(NO_PROFILE) => {
                section.error("id", "is what the state without a profile is called", "give it another name");
            }
            Some(id) if !ids.insert(id.to_owned()) => {
                section.error("id", "is the id of another profile", "give each profile its own");
            }
            _ => {}
        }
        if raw.rule.is_empty() && !section.is_incomplete("rule") {
            section.error("rule", "is missing", "add at least one [[profile.rule]]");
        }
        let cameras = overridden(raw.rule, &section, cameras?)?;
        Some(Profile { id: id?, cameras })
    });
    // All of them are looked at before the first that is wrong ends it.
    profiles.collect::<Vec<_>>().into_iter().collect()
}

/// Every rule of each camera that the profile names, with the profile's values.
fn overridden(
    raw: Vec<RawProfileRule>,
    profile: &Section,
    cameras: &[Camera],
) -> Option<BTreeMap<CameraId, Vec<RuleSetting>>> {
    let mut settings: BTreeMap<CameraId, Vec<RuleSetting>> = BTreeMap::new();
    let (mut named, mut whole) = (BTreeSet::new(), true);
    for (index, mut raw) in raw.into_iter().enumerate() {
        let section = profile.element("rule", index);
        let (camera, id) =
            (section.required_text("camera", raw.camera.take()), section.required_text("id", raw.id.take()));
        let (Some(camera), Some(id)) = (camera, id) else {
            whole = false;
            continue;
        };
        let Some(known) = find("camera", "camera", &camera, cameras, |known| known.id.as_str(), &section) else {
            whole = false;
            continue;
        };
        let of_camera = settings.entry(known.id.clone()).or_insert_with(|| {
            known.rules.iter().map(|rule| RuleSetting { rule: rule.clone(), enabled: true }).collect()
        });
        if find("id", "rule of this camera", &id, &known.rules, |rule| &rule.common().id, &section).is_none() {
            whole = false;
            continue;
        }
        if !named.insert((camera, id.clone())) {
            section.error("id", "has values in this profile already", "put them into one [[profile.rule]]");
        }
        for setting in of_camera.iter_mut().filter(|setting| setting.rule.common().id == id) {
            setting.enabled = raw.enabled;
            apply(&raw, &mut setting.rule, &section);
        }
    }
    whole.then_some(settings)
}

fn find<'a, T>(
    key: &str,
    what: &str,
    wanted: &str,
    known: &'a [T],
    id: impl Fn(&T) -> &str,
    section: &Section,
) -> Option<&'a T> {
    let found = known.iter().find(|known| id(known) == wanted);
    if found.is_none() {
        let ids: Vec<_> = known.iter().map(id).collect();
        section.error(key, format!("is no {what}"), format!("there are: {}", ids.join(", ")));
    }
    found
}

fn apply(raw: &RawProfileRule, rule: &mut Rule, section: &Section) {
    let common = rule.common_mut();
    if let Some(score) = raw.min_score {
        common.min_score = single(score);
    }
    if let Some(dwell) = raw.dwell_s {
        common.dwell = Duration::from_secs(dwell);
        timing(("dwell_s", section), common.max_duration.as_secs(), dwell);
    }
    if let Some(clear_after) = raw.clear_after_s {
        common.clear_after = Duration::from_secs(clear_after);
    }
    let mut foreign = vec![
        ("min_hit_ratio", raw.min_hit_ratio.is_some()),
        ("min_changed_ratio", raw.min_changed_ratio.is_some()),
        ("min_people", raw.min_people.is_some()),
        ("clear_people", raw.clear_people.is_some()),
    ];
    let kind = rule.kind();
    match rule {
        Rule::Encroachment(rule) => {
            rule.min_hit_ratio = raw.min_hit_ratio.unwrap_or(rule.min_hit_ratio);
            foreign.retain(|(key, _)| *key != "min_hit_ratio");
        }
        Rule::Dumping(rule) => {
            rule.min_changed_ratio = raw.min_changed_ratio.unwrap_or(rule.min_changed_ratio);
            foreign.retain(|(key, _)| *key != "min_changed_ratio");
        }
        Rule::Crowding(rule) => {
            let least = raw.min_people.unwrap_or(rule.min_people.into());
            let usual = if raw.min_people.is_some() { seven_tenths(least) } else { rule.clear_people.into() };
            let clear = raw.clear_people.unwrap_or(usual);
            people(section, clear, least);
            (rule.min_people, rule.clear_people) = (number(least), number(clear));
            foreign.retain(|(key, _)| !key.ends_with("_people"));
        }
    }
    for (key, _) in foreign.into_iter().filter(|(_, given)| *given) {
        section.error(key, format!("is no setting of a rule of the kind {}", kind.name()), "drop the key");
    }
}

fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
