//! Profiles: what they change, and what is refused with its place.

use std::path::Path;
use std::time::Duration;

use super::{example, parse};
use crate::domain::rules::params::Rule;

/// The example with these lines instead of the profile's first rule.
fn with(rule: &str) -> String {
    let example = example();
    let start = example.find("[[profile.rule]]").expect("a profile");
    let end = example.find("# ---- A clip instead").expect("the next part");
    format!("{}[[profile.rule]]\n{rule}\n\n{}", &example[..start], &example[end..])
}

#[test]
fn a_profile_changes_what_it_names_and_nothing_else() {
    let (config, _) = parse(&example(), Path::new("config.toml")).expect("the example is right");
    let [profile] = config.profiles.as_slice() else { panic!("{:?}", config.profiles) };
    assert_eq!((profile.id.as_str(), profile.cameras.len()), ("market-day", 2));
    for camera in &config.cameras {
        for (setting, rule) in profile.cameras[&camera.id].iter().zip(&camera.rules) {
            assert!(setting.enabled);
            let mut changed = rule.clone();
            match &mut changed {
                Rule::Encroachment(rule) => rule.common.dwell = Duration::from_secs(1800),
                Rule::Crowding(rule) => (rule.min_people, rule.clear_people) = (40, 28),
                Rule::Dumping(_) => {}
            }
            assert_eq!(setting.rule, changed);
        }
    }
    let off = with("camera = \"layby\"\nid = \"verge-muck\"\nenabled = false");
    let (config, _) = parse(&off, Path::new("config.toml")).expect("right");
    let settings: Vec<_> = config.profiles[0].cameras.values().flatten().map(|setting| setting.enabled).collect();
    assert_eq!(settings, [false]);
}

#[test]
fn mistakes_in_a_profile_are_named_by_key() {
    let stalls = "camera = \"market-east\"\nid = \"walkway-stalls\"\n";
    for (rule, key, words) in [
        ("id = \"x\"", "profile[market-day].rule[x].camera", "is missing"),
        ("camera = \"market-east\"", "profile[market-day].rule[1].id", "is missing"),
        ("camera = \"m\"\nid = \"x\"", "profile[market-day].rule[x].camera", "is no camera"),
        ("camera = \"layby\"\nid = \"x\"", "profile[market-day].rule[x].id", "is no rule of this camera"),
        (&format!("{stalls}dwell_s = 0"), "profile[market-day].rule[walkway-stalls].dwell_s", "0 is out of range"),
        (&format!("{stalls}min_people = 9"), "profile[market-day].rule[walkway-stalls].min_people", "is no setting"),
        (&format!("{stalls}dwell_s = 50000"), "profile[market-day].rule[walkway-stalls].dwell_s", "is not shorter"),
        (&format!("{stalls}dwel_s = 5"), "profile[market-day].rule[walkway-stalls].dwel_s", "unknown key"),
        (&format!("{stalls}[[profile.rule]]\n{stalls}"), "profile[market-day].rule[walkway-stalls].id", "already"),
        (
            "camera = \"market-east\"\nid = \"square-crowd\"\nclear_people = 10",
            "profile[market-day].rule[square-crowd].clear_people",
            "is not below min_people (10)",
        ),
    ] {
        let errors = parse(&with(rule), Path::new("config.toml")).expect_err(rule);
        let found: Vec<_> = errors.findings.iter().map(|f| (f.key.as_str(), f.message.as_str())).collect();
        assert!(found.len() == 1 && found[0].0 == key && found[0].1.contains(words), "{rule}: {found:?}");
    }
    let text = example().replace("id = \"market-day\"", "id = \"default\"");
    let errors = parse(&text, Path::new("config.toml")).expect_err("taken");
    assert_eq!(errors.findings[0].key, "profile[default].id");
    let text = example() + "\n[[profile]]\nid = \"market-day\"\n";
    let errors = parse(&text, Path::new("config.toml")).expect_err("twice");
    let found: Vec<_> = errors.findings.iter().map(|finding| finding.key.as_str()).collect();
    assert_eq!(found, ["profile[market-day].rule", "profile[market-day].id"], "{errors}");
}
