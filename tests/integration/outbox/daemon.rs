//! Beside the running gateway.

use super::*;

/// A gateway that writes into a spool directory. Its camera is away, which is all the same here.
pub(crate) fn configuration() -> String {
    format!(
        r#"
[gateway]
id = "gw-0007"
county_code = "330902"
town_code = "101"
village_code = "330902101203"
[storage]
state_dir = "state"
[inference]
runtime_library = "{}"
model = "{}"
threads = 1
[[camera]]
id = "cam-1"
url = "rtsp://127.0.0.1:1/none"
[[camera.zone]]
id = "z"
polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
[[camera.dumping]]
id = "r"
zone = "z"
"#,
        lab::runtime_library().display(),
        lab::model().display()
    )
}

/// The running program; killed when dropped.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn until(what: &str, log: &Path, mut there: impl FnMut() -> bool) {
    let asked = Instant::now();
    while !there() {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(asked.elapsed() < Duration::from_secs(90), "no {what}; the log:\n{}", said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_running_gateway_sends_what_is_taken_back() {
    let site = Site::new().await;
    let (file, log) = (site.folder.path().join("config.toml"), site.folder.path().join("log"));
    fs::write(&file, configuration()).unwrap();
    let spooled = |n: u64, name: &str| site.state().join("spool").join(event(n).to_string()).join(name);
    let gateway = Command::new(env!("CARGO_BIN_EXE_gridwatch"))
        .args(["run", "--config"])
        .arg(&file)
        .env("ORT_DISABLE_TELEMETRY", "1")
        .env_remove("GRIDWATCH_LOG")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn();
    let _daemon = Daemon(gateway.unwrap());
    until("event that waited", &log, || spooled(3, "1.json").exists()).await;
    until("answer for all of them", &log, || site.listed(&["--state", "waiting"])["messages"] == json!([])).await;
    assert!(!spooled(4, "1.json").exists() && !spooled(1, "1.json").exists());

    // What is in quarantine, and what was delivered long ago: the gateway finds both by itself.
    let (code, stdout, stderr) = site.outbox(&["requeue", "--quarantined", &event(1).to_string()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    for (n, name) in [(1, "1.json"), (1, "e1.jpg"), (4, "1.json"), (4, "e1.jpg")] {
        until(name, &log, || spooled(n, name).exists()).await;
    }
    until("delivery of all", &log, || site.listed(&[])["messages"] == json!([])).await;
    // The gateway has ended the incidents that its rule does not know any more, and delivered that as well.
    let all = site.listed(&["--all"])["accounting"].clone();
    // Every picture has a row, and each time that it left; read and checked beside the running gateway.
    let audit = |arguments: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch"))
            .arg("audit")
            .args(arguments)
            .arg("--state-dir")
            .arg(site.state()))
    };
    let (code, stdout, stderr) = audit(&["list", "--json", "--what", "spooled"]);
    assert_eq!(code, 0, "{stderr}");
    let rows: Value = serde_json::from_str(&stdout).unwrap();
    let of =
        |n: u64| rows.as_array().unwrap().iter().filter(|row| row["subject"] == format!("{}/e1", event(n))).count();
    assert_eq!((of(1), of(4)), (1, 1), "{rows:#}");
    assert_eq!(audit(&["verify"]).0, 0);
    let number = |name: &str| all[name].as_u64().unwrap();
    assert_eq!((number("pending"), number("quarantined"), number("lost")), (0, 0, 0), "{all}");
    assert_eq!(number("produced"), number("acknowledged") + number("superseded"), "{all}");
    assert!(number("acknowledged") >= 7, "{all}");
    assert_eq!(fs::read(spooled(4, "e1.jpg")).unwrap(), jpeg(4, 1));
    assert!(!fs::read_to_string(&log).unwrap().contains("accounting does not balance"));
}
