//! The demo's configuration fits the program, and says what it shortens.

use std::process::Command;

use gridwatch::config;

use crate::support::lab;

#[test]
fn the_demo_writes_a_configuration_that_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    lab::configuration(folder.path(), 8554, 1883);
    let (config, warnings) = config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.cameras.len(), lab::SCENES.len());
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_demo_prints_what_it_sets_otherwise_than_the_product() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(lab::root().join("scripts/demo-configuration"))
        .args([
            "--rtsp-port",
            "8554",
            "--mqtt-port",
            "1883",
            "--runtime",
            "none.so",
            "--model",
            "none.toml",
            "--scenes",
        ])
        .arg(lab::scenes())
        .arg("--output")
        .arg(folder.path().join("demo.toml"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (key, instead) in [
        ("encroachment.dwell_s", "10 instead of 180"),
        ("dumping.dwell_s", "6 instead of 120"),
        ("crowding.min_people", "6 instead of 10"),
        ("alert_budget.opened_per_hour", "600 instead of 10"),
    ] {
        let line = told.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_default();
        assert!(line.contains(instead), "no {key} {instead} in\n{told}");
    }
}
