//! Integration tests: the systemd unit.

use std::path::Path;
use std::process::Command;

const INSTALLED: &str = "/usr/bin/gridwatch";

/// Within these the watchdog's ping comes and the program stops by itself.
const SECONDS: [(&str, u64); 3] = [("WatchdogSec=", 60), ("TimeoutStopSec=", 30), ("RestartSec=", 5)];

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/gridwatch.service");
    std::fs::read_to_string(path).expect("the unit")
}

/// Arguments of every command that starts the program, by the unit's key.
fn commands(unit: &str) -> Vec<(&str, Vec<&str>)> {
    let keys = unit.lines().filter(|line| line.starts_with("Exec")).filter_map(|line| line.split_once('='));
    keys.filter_map(|(key, value)| Some((key, value.strip_prefix(INSTALLED)?.split_whitespace().collect()))).collect()
}

#[test]
fn the_unit_starts_what_the_program_offers() {
    let unit = unit();
    let commands = commands(&unit);
    let named: Vec<_> = commands.iter().map(|(key, arguments)| (*key, arguments[0])).collect();
    assert_eq!(named, [("ExecStartPre", "check"), ("ExecStart", "run"), ("ExecReload", "check")]);
    for (key, arguments) in commands {
        // `--help` last: an unknown subcommand or option before it is still an error.
        let output = Command::new(env!("CARGO_BIN_EXE_gridwatch"))
            .args(&arguments)
            .arg("--help")
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{key}={arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_unit_keeps_its_promises_to_systemd() {
    let unit = unit();
    let has = |line: &str| unit.lines().any(|other| other == line);
    let promised = [
        "Type=notify",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "Environment=ORT_DISABLE_TELEMETRY=1",
        // A SIGHUP that is not understood would end the program.
        "ExecReload=/usr/bin/kill -HUP $MAINPID",
        // A worker that takes too much memory ends alone.
        "OOMPolicy=continue",
    ];
    for line in promised {
        assert!(has(line), "{line} is missing");
    }
    for (key, seconds) in SECONDS {
        assert!(has(&format!("{key}{seconds}s")), "{key} is another one than the program counts on");
    }
    assert!(!has("ProcSubset=pid"), "the boot id would be hidden");
    let filters: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    for call in ["seccomp", "landlock_restrict_self", "adjtimex"] {
        let allowed = |filter: &&str| !filter.starts_with('~') && filter.split(' ').any(|word| word == call);
        assert!(filters.iter().any(allowed), "{call} would be refused");
    }
    assert!(has("SocketBindAllow=ipv4:udp") && has("SocketBindAllow=ipv6:udp"), "RTP over UDP would be refused");
}

#[test]
fn systemd_accepts_the_unit() {
    let test = "systemd_accepts_the_unit";
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: {test}: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("gridwatch.service");
    std::fs::write(&copy, unit().replace(INSTALLED, env!("CARGO_BIN_EXE_gridwatch"))).expect("a copy");

    let verified = Command::new("systemd-analyze").arg("verify").arg(&copy).output().expect("systemd-analyze");
    let complaints = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = complaints.lines().filter(|line| line.contains("gridwatch.service")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{complaints}");

    // Fails above the threshold, which is in tenths.
    let security = ["security", "--offline=yes", "--no-pager", "--threshold=15"];
    let rated = Command::new("systemd-analyze").args(security).arg(&copy).output().expect("systemd-analyze");
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}
