//! Of the configuration as a whole: the example, its completeness, and robustness against any text.

mod profile;

use std::path::{Path, PathBuf};

use jiff::civil::{Time, Weekday, time};
use proptest::prelude::*;
use serde_json::Value;

use super::reference::{is_section, json_schema, markdown};
use super::shape::properties;
use super::*;
use crate::domain::schedule::Days;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn example() -> String {
    std::fs::read_to_string(root().join("config/example.toml")).expect("the example")
}

/// The example with every optional setting switched on.
fn full_example() -> String {
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    example().lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_right_and_gives_no_warning() {
    let file = root().join("config/example.toml");
    let (config, warnings) = load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings, []);
    assert_eq!(config.cameras.len(), 2);
    assert_eq!(config.sha256.len(), 64);
    assert!(config.cameras.iter().all(|camera| !camera.rules.is_empty()));
    let Delivery::Mqtt(mqtt) = &config.delivery else { panic!("a broker is configured") };
    assert_eq!((mqtt.port, mqtt.keep_alive.as_secs()), (8883, 30));
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let full: Value = toml::from_str(&full_example()).unwrap_or_else(|error| panic!("{error}"));
    let mut missing = Vec::new();
    compare(&json_schema(), &[&full], "", &mut missing);
    assert!(missing.is_empty(), "config/example.toml: {}", missing.join("\n"));
}

/// Every key of the schema must be in one of the tables, with its default if it is shown as an option.
fn compare(schema: &Value, tables: &[&Value], path: &str, missing: &mut Vec<String>) {
    for (key, schema) in properties(schema).expect("a table") {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let found: Vec<&Value> = tables.iter().filter_map(|table| table.get(key)).collect();
        if found.is_empty() {
            missing.push(format!("{path} is not shown"));
        } else if is_section(schema) {
            let rows: Vec<&Value> = found
                .iter()
                .flat_map(|value| value.as_array().map_or(vec![*value], |rows| rows.iter().collect()))
                .collect();
            compare(schema.get("items").unwrap_or(schema), &rows, &path, missing);
        } else if let Some(default) = schema.get("default")
            && !found.contains(&default)
        {
            missing.push(format!("{path} is shown, but not with its default {default}"));
        }
    }
}

#[test]
fn the_reference_page_is_not_stale() {
    let file = root().join("config/reference.md");
    if std::env::var_os("GRIDWATCH_BLESS").is_some() {
        std::fs::write(&file, markdown()).expect("written");
    }
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(page == markdown(), "config/reference.md is stale: run `GRIDWATCH_BLESS=1 cargo test --lib config::`");
}

#[test]
fn the_schema_accepts_the_example_and_refuses_what_the_program_refuses() {
    let validator = jsonschema::validator_for(&json_schema()).expect("a valid schema");
    let instance: Value = toml::from_str(&example()).expect("valid TOML");
    let errors: Vec<_> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let unknown: Value = toml::from_str(&example().replace("town_code", "twon_code")).expect("valid TOML");
    assert!(!validator.is_valid(&unknown));
}

#[test]
fn relative_paths_start_at_the_configuration() {
    let text = example().replace("/etc/gridwatch/models/street.toml", "models/street.toml");
    let (config, _) = parse(&text, Path::new("/srv/site/config.toml")).expect("valid");
    assert_eq!(config.inference.model, Path::new("/srv/site/models/street.toml"));
    assert_eq!(config.storage.state_dir, Path::new("/var/lib/gridwatch"));
}

#[test]
fn without_a_broker_events_are_spooled() {
    let text = example();
    let (start, end) = (text.find("[mqtt]").expect("mqtt"), text.find("# Instead of").expect("spool"));
    let text = format!("{}{}", &text[..start], &text[end..]);
    let (config, _) = parse(&text, Path::new("config.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let Delivery::Spool { directory } = config.delivery else { panic!("no broker is configured") };
    assert_eq!(directory, Path::new("/var/lib/gridwatch/spool"));
}

#[test]
fn schedules_are_in_the_configured_zone_and_may_pass_midnight() {
    let window =
        "[{ days = [\"sat\", \"mon\"], from = \"20:30\", to = \"24:00\" }, { from = \"22:00\", to = \"06:00\" }]";
    let text = example().replace("#time_zone = \"Asia/Shanghai\"", "time_zone = \"Asia/Urumqi\"");
    let text = text.replace("#active = [{ from = \"00:00\", to = \"24:00\" }]", &format!("active = {window}"));
    let (config, _) = parse(&text, Path::new("config.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let schedule = config.cameras[1].rules[0].common().active.as_ref().expect("a schedule");
    assert_eq!(schedule.time_zone.iana_name(), Some("Asia/Urumqi"));
    let windows: Vec<_> = schedule.windows.iter().map(|w| (w.days.clone(), w.start, w.end)).collect();
    let days = Days::Weekdays(vec![Weekday::Saturday, Weekday::Monday]);
    assert_eq!(
        windows,
        [(days, time(20, 30, 0, 0), Time::midnight()), (Days::Every, time(22, 0, 0, 0), time(6, 0, 0, 0))]
    );
}

/// What the topics could not be built from is refused with its place.
#[test]
fn names_that_the_topics_refuse_are_refused_here() {
    let ids = ["GW_7", "7gw", "g", "admin", "broker", "township", "gw-rx"].map(|id| ("gateway.id", "id = ", id));
    let roots =
        ["grid v1", "grid/", "/grid", "grid/+", "$SYS", ""].map(|root| ("mqtt.root_topic", "#root_topic = ", root));
    for (key, setting, value) in ids.into_iter().chain(roots) {
        let example = example();
        let line = example.lines().find(|line| line.starts_with(setting)).expect("the setting");
        let text = example.replacen(line, &format!("{} = \"{value}\"", key.split_once('.').expect("a key").1), 1);
        let errors = parse(&text, Path::new("config.toml")).expect_err(value);
        let found: Vec<_> = errors.findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(found, [key], "{value}: {errors}");
        assert!(errors.findings[0].line > 0);
    }
}

/// A minimal system has no zone files.
#[test]
fn time_zones_come_with_the_program() {
    assert!(jiff::tz::TimeZoneDatabase::bundled().get("Asia/Shanghai").is_ok());
}

/// A canary in the place of every secret, and wherever a hurried hand may put one.
#[test]
fn a_secret_is_never_shown() {
    let canary = "CANARY-4711";
    let reference = "{ credential = \"camera-market-east\" }";
    let address = "rtsp://192.0.2.21:554/";
    let replacements = [
        (reference.to_owned(), format!("\"{canary}\"")),
        (reference.to_owned(), format!("[\"{canary}\"]")),
        (reference.to_owned(), format!("{{ value = \"{canary}\" }}")),
        (reference.to_owned(), format!("\"{canary}")),
        (address.to_owned(), format!("rtsp://admin:{canary}@192.0.2.21:554/")),
        (address.to_owned(), format!("rtsp://admin:{canary}@[/")),
        (address.to_owned(), format!("http://admin:{canary}@host/")),
        (address.to_owned(), format!("rtsp://192.0.2.21/?user=admin&password={canary}&x=")),
        ("#min_object_px = 40".to_owned(), format!("min_object_px = \"{canary}\"")),
        ("#repeat = false".to_owned(), format!("repeat = \"{canary}\"")),
    ];
    for (from, to) in replacements {
        let text = example().replacen(&from, &to, 1);
        let shown = match parse(&text, Path::new("config.toml")) {
            Ok((mut config, warnings)) => {
                // An address is needed as it is; the warning says that it should not hold a password.
                config.cameras.retain(|camera| !format!("{:?}", camera.source).contains("password="));
                format!("{config:?} {}", warnings.iter().map(ToString::to_string).collect::<String>())
            }
            Err(errors) => format!("{errors} {errors:?}"),
        };
        assert!(!shown.contains(canary), "{to}: {shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whatever happens to the text, the answer is a configuration or a list of mistakes that lie in it.
    #[test]
    fn any_text_is_answered(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, edit()), 1..6)) {
        let mut text: Vec<char> = full_example().chars().collect();
        for (at, length, insert) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text, Path::new("config.toml")) {
            prop_assert!(!errors.findings.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(errors.findings.iter().all(|finding| (1..=lines).contains(&finding.line)), "{}", errors);
        }
    }

    #[test]
    fn noise_is_answered(text in "\\PC*") {
        prop_assert!(parse(&text, Path::new("config.toml")).is_err());
    }
}

fn edit() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "\"",
        "[",
        "]",
        "[[camera]]\n",
        "[mqtt]\n",
        "= ",
        "-1",
        "nan",
        "1e400",
        "99999999999999999999",
        "{",
        "}",
        "\n",
        "é\u{1f6d2}",
        "\u{0}",
        "true",
        "\"\"",
        "id = \"x\"\n",
        "[[camera.zone]]\n",
        "[]",
        "0x1F",
        "1979-05-27T07:32:00Z",
    ])
    .prop_map(str::to_owned)
}
