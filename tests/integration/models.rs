//! `gridwatch models` against a real web server with the habits of bad ones.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::testcard;

const BYTES: usize = 100_000;

/// A web server, a catalogue that leads to it, and an empty folder of models.
struct Hub {
    server: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Hub {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("served")).unwrap();
        let mut server = Command::new("/usr/bin/python3")
            .arg(testcard::root().join("tests/servers/models.py"))
            .args([path("served"), path("log")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        Self { server, port: port.expect("the server listens"), folder }
    }

    /// As [`Hub::start`], with `small` in the catalogue, served with `habit`.
    fn with_small(habit: &str) -> Self {
        let hub = Self::start();
        fs::write(hub.path("served/small.onnx"), small()).unwrap();
        hub.list(&[("small", habit)]);
        hub
    }

    /// Writes the catalogue, and a manifest for each of its models; a file that is not served is as `small`.
    fn list(&self, models: &[(&str, &str)]) {
        let mut catalogue = Vec::new();
        for (name, habit) in models {
            let served = fs::read(self.path("served").join(format!("{name}.onnx"))).unwrap_or_else(|_| small());
            let (url, sha256) = (self.url(&format!("{habit}/{name}.onnx")), sha256(&served));
            catalogue.push(format!(
                "[[model]]\nname = \"{name}\"\nurl = \"{url}\"\nbytes = {}\nsha256 = \"{sha256}\"\n\
                 source_of_fact = \"file\"\nnote = \"for this test\"\n",
                served.len()
            ));
            let manifest = fs::read_to_string(testcard::root().join("models/testcard.toml")).unwrap();
            let line = |key: &str| manifest.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
            let manifest = manifest
                .replace(&line("file = "), &format!("file = \"{name}.onnx\""))
                .replace(&line("sha256 = "), &format!("sha256 = \"{sha256}\""));
            fs::write(self.path(&format!("{name}.toml")), manifest).unwrap();
        }
        fs::write(self.path("catalogue.toml"), catalogue.concat()).unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn models(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
        command.arg("models").args(arguments).arg("--dir").arg(self.path("models"));
        command.arg("--catalogue").arg(self.path("catalogue.toml")).stdin(Stdio::null());
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "GRIDWATCH_MODELS_MIRROR", "GRIDWATCH_LOG"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command
    }

    fn fetch(&self, name: &str) -> (i32, String, String) {
        finish(&mut self.models(&["fetch", name]))
    }

    /// What is in the folder of models.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("models")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_fetched(&self, (code, stdout, stderr): &(i32, String, String)) {
        assert_eq!(*code, 0, "{stdout}{stderr}");
        assert!(stdout.starts_with("ready: small: ") && stdout.contains("SHA-256 is right"), "{stdout}");
        assert_eq!(self.files(), ["small.onnx", "small.toml"]);
        assert!(fs::read(self.path("models/small.onnx")).unwrap() == small());
    }

    /// `Range` and `If-Range` of every request.
    fn requests(&self) -> Vec<(Option<String>, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let log = self.log().into_iter().map(|asked| (text(&asked["range"]), text(&asked["if_range"])));
        log.collect()
    }

    fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Bytes in which every place is told from its neighbours.
fn small() -> Vec<u8> {
    (0..BYTES).map(|i| u8::try_from((i * 31 + i / 251) % 251).unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

fn finish(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("not killed"), text(stdout), text(stderr))
}

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
    fs::copy(testcard::root().join("models/testcard/testcard.onnx"), hub.path("served/card.onnx")).unwrap();
    hub.list(&[("card", "redirect")]);
    let (code, stdout, stderr) = hub.fetch("card");
    assert_eq!((code, stdout.contains("fetched")), (0, true), "{stdout}{stderr}");
    assert!(stderr.contains("card: 100 % of"), "{stderr}");
    let (code, stdout, _) = hub.fetch("card");
    assert_eq!((code, stdout.contains("was here")), (0, true), "{stdout}");
    assert_eq!(hub.log().len(), 2, "a redirect and the file, once");

    let manifest = hub.path("models/card.toml");
    let text = fs::read_to_string(testcard::root().join("config/example.toml")).unwrap();
    let text = text
        .replace("/usr/local/lib/gridwatch/libonnxruntime.so", &testcard::runtime_library().display().to_string())
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
    assert_eq!((code, stdout.contains("detr     part  person")), (0, true), "{stdout}");

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
