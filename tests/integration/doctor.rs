//! `gridwatch doctor`: the real program, on boxes that lack this and that.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::outbox::{Site, daemon, run};

/// Exit code and what was said.
fn doctor(site: &Site, arguments: &[&str]) -> (i32, String) {
    let (code, stdout, _) = run(Command::new(env!("CARGO_BIN_EXE_gridwatch"))
        .arg("doctor")
        .args(arguments)
        .arg("--config")
        .arg(site.folder.path().join("config.toml"))
        .env("ORT_DISABLE_TELEMETRY", "1"));
    (code, stdout)
}

fn line<'a>(said: &'a str, what: &str) -> &'a str {
    let of_it = |line: &&str| line.get(6..).is_some_and(|rest| rest.starts_with(what));
    said.lines().find(of_it).unwrap_or_else(|| panic!("nothing of {what} in\n{said}"))
}

#[tokio::test]
async fn each_thing_has_a_line_and_each_failure_a_remedy() {
    let site = Site::new().await;
    fs::write(site.folder.path().join("config.toml"), daemon::configuration()).unwrap();
    let (code, said) = doctor(&site, &[]);
    assert_eq!(code, 4, "{said}");
    for (verdict, what, words) in [
        ("pass", "configuration: ", "config.toml"),
        ("pass", "state directory ", "can be written"),
        ("pass", "store: ", "whole, schema 2"),
        ("warn", "outbox: ", "3 messages wait; 2 in quarantine; `gridwatch outbox list"),
        ("pass", "audit: ", " rows, as they were written"),
        ("pass", "ONNX Runtime: ", "version 1."),
        ("pass", "model street-n ", "runs on "),
        ("pass", "broker: ", "spool directory"),
        ("FAIL", "camera cam-1: ", "; to do: `gridwatch probe`"),
    ] {
        let line = line(&said, what);
        assert!(line.starts_with(verdict) && line.contains(words), "{line}");
    }
    assert!(line(&said, "clock: ").contains("20"), "{said}");
    assert!(line(&said, "space below ").contains(" MiB free"), "{said}");

    // The same for programs, of a store that is damaged: a page in its middle is lost.
    let file = site.state().join("gridwatch.db");
    let mut bytes = fs::read(&file).unwrap();
    let pages = bytes.len() / 4096;
    (1..pages).for_each(|page| bytes[page * 4096] = 0xa5);
    fs::write(&file, &bytes).unwrap();
    let (code, said) = doctor(&site, &["--json"]);
    assert_eq!(code, 4);
    let diagnosis: Value = serde_json::from_str(&said).unwrap();
    let lines = diagnosis["lines"].as_array().unwrap();
    let store = lines.iter().find(|line| line["what"] == "store").unwrap();
    assert_eq!((&diagnosis["verdict"], &store["verdict"]), (&"fail".into(), &"fail".into()), "{store}");
    assert!(store["remedy"].as_str().unwrap().contains("gridwatch outbox export"), "{store}");
    assert!(lines.iter().all(|line| line["verdict"] != "fail" || line["remedy"].is_string()), "{said}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "it only looks");
}

#[tokio::test]
async fn a_broken_configuration_is_where_it_ends() {
    let site = Site::new().await;
    let text = daemon::configuration().replace("threads = 1", "threads = 1\nspeed = 9");
    fs::write(site.folder.path().join("config.toml"), text).unwrap();
    let (code, said) = doctor(&site, &[]);
    assert_eq!(code, 3);
    assert!(said.starts_with("FAIL  configuration: ") && said.contains("inference.speed"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
