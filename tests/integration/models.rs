//! `gridwatch models` against a real web server with the habits of bad ones.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::authority::Authority;
use crate::support::hub::{BYTES, Hub, finish, sha256, small};
use crate::support::lab;

#[allow(clippy::disallowed_methods, reason = "a test waits for a condition, with a deadline")]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn range(range: &str, etag: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(range.to_owned()), etag.map(str::to_owned))
}

#[test]
fn a_model_is_fetched_once_and_can_be_used() {
    let hub = Hub::start();
    fs::copy(lab::root().join("models/street-n.onnx"), hub.path("served/card.onnx")).unwrap();
    hub.list(&[("card", "redirect")]);
    let (code, stdout, stderr) = hub.fetch("card");
    assert_eq!((code, stdout.contains("fetched")), (0, true), "{stdout}{stderr}");
    assert!(stderr.contains("card: 100 % of"), "{stderr}");
    let (code, stdout, _) = hub.fetch("card");
    assert_eq!((code, stdout.contains("was here")), (0, true), "{stdout}");
    assert_eq!(hub.log().len(), 2, "a redirect and the file, once");

    let manifest = hub.path("models/card.toml");
    let text = fs::read_to_string(lab::root().join("config/example.toml")).unwrap();
    let text = text
        .replace("/usr/local/lib/gridwatch/libonnxruntime.so", &lab::runtime_library().display().to_string())
        .replace("/etc/gridwatch/models/street.toml", &manifest.display().to_string());
    let config = hub.path("config.toml");
    fs::write(&config, text).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    let (code, stdout, stderr) = finish(check.args(["check", "--models", "--config"]).arg(&config));
    assert_eq!((code, stdout.contains("ok: model")), (0, true), "{stdout}{stderr}");

    // The folder that the configuration names is the one that is meant.
    let mut verify = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    let (code, stdout, stderr) = finish(verify.args(["models", "verify", "--config"]).arg(&config));
    assert_eq!((code, stdout.starts_with("ok: card: ")), (0, true), "{stdout}{stderr}");
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let hub = Hub::with_small("drop-40000");
    let done = hub.fetch("small");
    hub.assert_fetched(&done);
    let etag = Some("\"1\"");
    assert_eq!(hub.requests(), [(None, None), range("bytes=40000-", etag), range("bytes=80000-", etag)]);
    assert!(done.2.contains("trying again in"), "{}", done.2);
}

#[test]
fn a_killed_download_goes_on_where_it_stopped() {
    let hub = Hub::with_small("hold-65536");
    let part = hub.path("models/small.onnx.part");
    let mut first = hub.models(&["fetch", "small"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the first bytes have come", || size_of(&part) == 65_536);

    let (code, stdout, _) = hub.fetch("small");
    assert_eq!((code, stdout.contains("another gridwatch is fetching this file")), (1, true), "{stdout}");
    let (code, stdout, _) = finish(&mut hub.models(&["list"]));
    assert_eq!((code, stdout.contains("yolox    part  person")), (0, true), "{stdout}");

    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(hub.files(), ["small.onnx.part", "small.onnx.part.etag"]);
    hub.assert_fetched(&hub.fetch("small"));
    assert_eq!(hub.requests(), [(None, None), range("bytes=65536-", Some("\"1\""))]);
}

#[test]
fn what_cannot_be_resumed_starts_over() {
    // Pieces of something else: from a server that cannot resume, one that can, and one whose file has changed.
    for (habit, requests) in [("no-range", 1), ("no-etag", 2)] {
        let hub = Hub::with_small(habit);
        fs::create_dir(hub.path("models")).unwrap();
        fs::write(hub.path("models/small.onnx.part"), vec![7; 5000]).unwrap();
        let done = hub.fetch("small");
        hub.assert_fetched(&done);
        assert!(done.2.contains("starting from the first byte"), "{}", done.2);
        assert_eq!(hub.requests()[0], range("bytes=5000-", None), "{habit}");
        assert_eq!(hub.requests().len(), requests, "{habit}");
    }
    let hub = Hub::with_small("changed-30000");
    let done = hub.fetch("small");
    hub.assert_fetched(&done);
    assert_eq!(hub.requests(), [(None, None), range("bytes=30000-", Some("\"0\""))]);
    assert!(done.2.contains("its file has changed"), "{}", done.2);
    let hub = Hub::with_small("plain");
    fs::create_dir(hub.path("models")).unwrap();
    fs::write(hub.path("models/small.onnx.part"), vec![7; BYTES + 1]).unwrap();
    hub.assert_fetched(&hub.fetch("small"));
}

#[test]
fn what_is_not_the_file_is_not_kept() {
    let cases = [
        ("wrong", "but the catalogue says", 1),
        ("longer", "sends more than the 100000 bytes", 1),
        ("short", "offers a file of 99990 bytes where the catalogue says 100000", 1),
        ("page", "is there a login page or a filter", 1),
        ("status-404", "the server answers 404 (it has no such file)", 1),
        ("status-403", "the server answers 403 (it refuses)", 1),
    ];
    for (habit, wanted, requests) in cases {
        let hub = Hub::with_small(habit);
        let (code, stdout, stderr) = hub.fetch("small");
        assert_eq!(code, 1, "{habit}: {stdout}{stderr}");
        let url = hub.url(&format!("{habit}/small.onnx"));
        assert!(stdout.starts_with(&format!("failed: small: {url}: ")), "{stdout}");
        assert!(stdout.contains(wanted), "{habit}: {stdout}");
        assert_eq!(hub.files(), [""; 0], "{habit}");
        assert_eq!(hub.log().len(), requests, "{habit}");
    }
    // A part that is right so far outlives a server that is not.
    let hub = Hub::with_small("status-404");
    fs::create_dir(hub.path("models")).unwrap();
    fs::write(hub.path("models/small.onnx.part"), &small()[..5000]).unwrap();
    assert_eq!(hub.fetch("small").0, 1);
    assert_eq!(size_of(&hub.path("models/small.onnx.part")), 5000);
    hub.list(&[("small", "plain")]);
    hub.assert_fetched(&hub.fetch("small"));
    assert_eq!(hub.requests()[1], range("bytes=5000-", None));
}

#[test]
fn several_are_fetched_and_each_is_answered_for() {
    let hub = Hub::with_small("plain");
    fs::write(hub.path("served/other.onnx"), &small()[..1000]).unwrap();
    hub.list(&[("small", "status-404"), ("other", "plain")]);
    let (code, stdout, _) = finish(&mut hub.models(&["fetch", "small", "other", "small"]));
    assert_eq!(code, 1);
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("failed: small:"), "{stdout}");
    assert!(lines[1].starts_with("ready: other:"), "{stdout}");
    assert_eq!(hub.files(), ["other.onnx", "other.toml"]);
    let (code, stdout, stderr) = hub.fetch("smal");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("no model `smal` in the catalogue; it has: small, other"), "{stderr}");
}

#[test]
fn a_sites_own_manifest_is_respected() {
    let hub = Hub::with_small("plain");
    fs::create_dir(hub.path("models")).unwrap();
    let own = fs::read_to_string(hub.path("small.toml")).unwrap().replace("min_score = 0.4", "min_score = 0.6");
    fs::write(hub.path("models/small.toml"), &own).unwrap();
    hub.assert_fetched(&hub.fetch("small"));
    assert_eq!(fs::read_to_string(hub.path("models/small.toml")).unwrap(), own);
    fs::write(hub.path("models/small.toml"), own.replace(&sha256(&small()), &"0".repeat(64))).unwrap();
    let (code, stdout, _) = hub.fetch("small");
    assert_eq!((code, stdout.contains("is here already and wants another file")), (1, true), "{stdout}");
}

#[test]
fn a_mirror_and_a_proxy_are_used() {
    let hub = Hub::with_small("status-500");
    let mirror = hub.url("plain");
    hub.assert_fetched(&finish(&mut hub.models(&["fetch", "small", "--mirror", &mirror])));
    assert_eq!(hub.log()[0]["path"], "/plain/small.onnx");

    let hub = Hub::with_small("plain");
    hub.assert_fetched(&finish(
        hub.models(&["fetch", "small"]).env("GRIDWATCH_MODELS_MIRROR", hub.url("no-etag/{file}")),
    ));
    assert_eq!(hub.log()[0]["path"], "/no-etag/small.onnx");
    let (code, _, stderr) = finish(hub.models(&["fetch", "small"]).env("GRIDWATCH_MODELS_MIRROR", "box.lan"));
    assert_eq!((code, stderr.contains("GRIDWATCH_MODELS_MIRROR: the mirror's address must")), (2, true), "{stderr}");

    let hub = Hub::with_small("plain");
    let catalogue = fs::read_to_string(hub.path("catalogue.toml")).unwrap();
    let elsewhere = catalogue.replace(&format!("127.0.0.1:{}", hub.port), "hub.invalid:80");
    fs::write(hub.path("catalogue.toml"), elsewhere).unwrap();
    hub.assert_fetched(&finish(hub.models(&["fetch", "small"]).env("HTTP_PROXY", hub.url(""))));
    assert_eq!(hub.log()[0]["method"], "CONNECT");
    assert_eq!(hub.log()[0]["path"], "hub.invalid:80");
}

#[test]
fn https_is_checked_and_kept() {
    let authority = Authority::new();
    let signed = authority.sign("hub", "127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(signed.cert, folder.path().join("leaf.crt")).unwrap();
    fs::copy(signed.key, folder.path().join("leaf.key")).unwrap();
    let hub = Hub::start_in(folder, &["leaf.crt", "leaf.key"]).and_small("plain");
    let fetch = |authorities: &str| finish(hub.models(&["fetch", "small"]).env("SSL_CERT_FILE", authorities));
    let (code, stdout, _) = fetch("/etc/ssl/certs/ca-certificates.crt");
    assert_eq!((code, stdout.contains("its certificate is not accepted")), (1, true), "{stdout}");
    let trusted = authority.ca().display().to_string();
    hub.list(&[("small", "downgrade")]);
    let (code, stdout, _) = fetch(&trusted);
    assert_eq!(
        (code, stdout.contains("leads to 127.0.0.1 without https; that is not followed")),
        (1, true),
        "{stdout}"
    );
    hub.list(&[("small", "redirect")]);
    hub.assert_fetched(&fetch(&trusted));
}

#[test]
fn verify_tells_right_from_wrong_and_missing() {
    let hub = Hub::with_small("plain");
    let verify = |names: &[&str]| finish(&mut hub.models(&[&["verify"], names].concat()));
    let (code, stdout, _) = verify(&[]);
    assert_eq!((code, stdout.starts_with("missing: no manifest in ")), (4, true), "{stdout}");
    hub.assert_fetched(&hub.fetch("small"));
    let (code, stdout, _) = verify(&[]);
    assert_eq!((code, stdout.starts_with("ok: small: ")), (0, true), "{stdout}");
    let (code, stdout, _) = verify(&["small", "other"]);
    assert_eq!((code, stdout.lines().nth(1).unwrap().starts_with("missing: other: ")), (4, true), "{stdout}");

    let weights = hub.path("models/small.onnx");
    let mut bytes = small();
    bytes[BYTES / 2] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let (code, stdout, _) = verify(&[]);
    assert_eq!((code, stdout.starts_with("wrong: small: ")), (4, true), "{stdout}");
    assert!(stdout.ends_with("to get it: gridwatch models fetch small\n"), "{stdout}");
    // And that advice works.
    hub.assert_fetched(&hub.fetch("small"));
    fs::remove_file(&weights).unwrap();
    let (code, stdout, _) = verify(&["small"]);
    assert_eq!((code, stdout.starts_with("missing: small: ")), (4, true), "{stdout}");
}

#[test]
fn the_list_is_for_people_and_for_programs() {
    let hub = Hub::with_small("plain");
    let run = |catalogue: bool, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
        command.args(["models", "list"]).args(arguments).arg("--dir").arg(hub.path("models"));
        if catalogue {
            command.arg("--catalogue").arg(hub.path("catalogue.toml"));
        }
        finish(&mut command)
    };
    let (code, stdout, stderr) = run(false, &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("\nNAME        SIZE      INPUT    LICENCE     DECODER  HERE  ROLES\n"), "{stdout}");
    let row = "yolox-nano  3.5 MiB   416x416  Apache-2.0  yolox    no    person vehicle truck cycle goods umbrella";
    assert!(stdout.contains(row), "{stdout}");
    for line in stdout.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    let (_, stdout, _) = run(false, &["--json"]);
    let listed: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    for model in &listed {
        assert_eq!(model["licence"], "Apache-2.0");
        assert!(model["url"].as_str().unwrap().starts_with("https://"), "{model}");
        assert!(model["bytes"].is_u64() && model["sha256"].as_str().unwrap().len() == 64, "{model}");
        assert!(model["decoder"].is_string() && model["input"].is_string() && model["source_of_fact"].is_string());
        assert!(model["roles"].as_array().unwrap().contains(&"person".into()), "{model}");
    }
    assert!(listed.len() >= 5);

    hub.assert_fetched(&hub.fetch("small"));
    let (_, stdout, _) = run(true, &["--json"]);
    let listed: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    assert_eq!((listed.len(), &listed[0]["here"], &listed[0]["bytes"]), (1, &"yes".into(), &100_000.into()));
    // With the program's own catalogue, `small` is a model that only the folder knows.
    let (_, stdout, _) = run(false, &["--json"]);
    let listed: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let small = listed.last().unwrap();
    assert_eq!((&small["name"], &small["url"], &small["here"]), (&"small".into(), &Value::Null, &"yes".into()));
}
