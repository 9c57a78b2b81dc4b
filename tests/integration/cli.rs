//! The real binary: help texts, exit codes, and what `check` says about broken configurations.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn gridwatch<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    command.args(arguments).env_remove("GRIDWATCH_LOG").env_remove("JOURNAL_STREAM").stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("not killed"), text(stdout), text(stderr))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_command_explains_itself() {
    let commands = ["run", "check", "doctor", "replay", "eval", "probe", "models", "outbox", "schema", "emit-test"];
    for command in commands.into_iter().chain(["verify-event", "keys", "audit", "retention"]) {
        let (code, help, _) = output(&mut gridwatch([command, "--help"]));
        assert_eq!(code, 0, "{command}");
        assert!(help.contains(&format!("Usage: gridwatch {command}")), "{help}");
        assert!(help.contains(&format!("Example:\n  gridwatch {command}")), "{help}");
    }
    let (code, help, _) = output(&mut gridwatch(["--help"]));
    assert_eq!(code, 0);
    assert!(help.contains("Exit codes:\n  0  done"), "{help}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let wrong: [&[&str]; 5] =
        [&[], &["watch"], &["replay", "clip.mp4"], &["schema", "config", "--log-level", "loud"], &["check", "--quick"]];
    for arguments in wrong {
        let (code, stdout, stderr) = output(&mut gridwatch(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_example_is_valid() {
    let (code, stdout, stderr) = output(gridwatch(["check", "--config", "config/example.toml"]).current_dir(root()));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, "valid: config/example.toml (2 cameras, 3 rules)\n");
}

/// `NN-name.txt` beside each broken `NN-name.toml` is what `check` prints; `GRIDWATCH_BLESS=1` writes it.
#[test]
fn broken_configurations_are_explained() {
    let folder = root().join("tests/fixtures/config");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the fixtures")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "{files:?}");
    for file in files {
        let (code, stdout, stderr) = output(gridwatch(["check", "--config", &file]).current_dir(&folder));
        assert_eq!((code, stderr.as_str()), (3, ""), "{file}");
        assert!(!stdout.contains("CANARY"), "{file} holds a secret that is shown:\n{stdout}");
        let expected = folder.join(&file).with_extension("txt");
        if std::env::var_os("GRIDWATCH_BLESS").is_some() {
            std::fs::write(&expected, &stdout).expect("written");
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(stdout, expected, "{file}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    for command in [&["check"][..], &["doctor"], &["run"], &["emit-test"], &["replay", "--camera", "east", "clip.mp4"]]
    {
        let (code, stdout, stderr) = output(gridwatch(command).args(["--config", "nowhere.toml"]));
        assert_eq!(code, 3, "{command:?}");
        assert!(format!("{stdout}{stderr}").contains("nowhere.toml: cannot be opened"), "{stdout}{stderr}");
    }
}

#[test]
fn secrets_are_looked_for_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(root().join("config/example.toml")).expect("the example");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text.replace("/etc/gridwatch/credentials/", "")).expect("written");
    let mut check = gridwatch(["check", "--secrets", "--log-level", "trace", "--config"]);
    check.arg(&file).env("CREDENTIALS_DIRECTORY", folder.path());
    std::fs::write(folder.path().join("mqtt-password"), "CANARY\n").expect("written");
    std::fs::write(folder.path().join("camera-layby"), "CANARY\n").expect("written");

    let (code, stdout, stderr) = output(&mut check);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.contains("failed: password of camera market-east: "), "{stdout}");
    assert!(stdout.contains("ok: password of the broker: found"), "{stdout}");
    assert!(!format!("{stdout}{stderr}").contains("CANARY"));

    std::fs::write(folder.path().join("camera-market-east"), "CANARY\n").expect("written");
    assert_eq!(output(&mut check).0, 0);
}

#[test]
fn the_schema_of_the_configuration_is_a_schema() {
    let (code, stdout, _) = output(&mut gridwatch(["schema", "config"]));
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a JSON Schema");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = gridwatch(["schema", "config"]).stdout(writer).stderr(Stdio::piped()).spawn().expect("started");
    let status = child.wait().expect("ended");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let (code, stdout, stderr) = output(&mut gridwatch(["probe", "rtsp://admin:CANARY@192.0.2.1/"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("--password-file"), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains("CANARY"), "{stderr}");
}
