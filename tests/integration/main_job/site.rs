//! One box: configuration, secrets, and the running program.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use tempfile::TempDir;

use crate::support::lab;
use crate::support::rtsp::CameraServer;

pub(crate) const CAMERA_PASSWORD: &str = "CANARY-camera-7f3a";
pub(crate) const BROKER_PASSWORD: &str = "CANARY-broker-91c2";
/// What everything of the box is published under.
pub(crate) const BASE: &str = "grid/v1/330902/101/gw-demo";

/// A folder with a configuration, its state, and the logs of what ran there.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) text: String,
}

impl Site {
    /// The demo's four cameras.
    pub(crate) fn new(rtsp_port: u16, mqtt_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = lab::configuration(folder.path(), rtsp_port, mqtt_port);
        Self { folder, text }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from} in\n{}", self.text);
        self.text = self.text.replace(from, to);
    }

    /// Keeps only these cameras.
    pub(crate) fn keep_cameras(&mut self, ids: &[&str]) {
        let mut parts = self.text.split("[[camera]]\n");
        let head = parts.next().unwrap_or_default().to_owned();
        let kept = parts.filter(|part| ids.iter().any(|id| part.contains(&format!("id = \"{id}\""))));
        self.text = kept.fold(head, |text, part| text + "[[camera]]\n" + part);
    }

    /// Another camera that is set up, and sees, as this one; by another name of its host, since no address may be
    /// opened twice.
    pub(crate) fn twin(&mut self, id: &str, twin: &str) {
        let part = self.text.split("[[camera]]\n").find(|part| part.contains(&format!("id = \"{id}\""))).unwrap();
        self.text = format!("{}\n[[camera]]\n{}", self.text, part.replace(id, twin).replace("127.0.0.1", "localhost"));
    }

    /// Takes away a camera's only rule.
    pub(crate) fn remove_rule(&mut self, kind: &str, next: &str) {
        let start = self.text.find(&format!("[[camera.{kind}]]")).unwrap();
        let end = self.text[start..].find(next).map_or(self.text.len(), |length| start + length);
        self.text.replace_range(start..end, "");
    }

    pub(crate) fn write(&self) -> PathBuf {
        let file = self.path().join("gridwatch.toml");
        std::fs::write(&file, &self.text).unwrap();
        file
    }

    /// The program with this configuration and the secrets in its environment.
    pub(crate) fn gridwatch(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.write())
            .env("ORT_DISABLE_TELEMETRY", "1")
            .env("GRIDWATCH_DEMO_PASSWORD", CAMERA_PASSWORD)
            .env("GRIDWATCH_TEST_BROKER_PASSWORD", BROKER_PASSWORD)
            .env_remove("GRIDWATCH_LOG")
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null());
        command
    }

    /// Everything that was logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.path().join("gridwatch.log")
    }

    pub(crate) fn run(&self, level: &str) -> Daemon {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let child = self.gridwatch(&["run", "--log-level", level]).stdout(Stdio::null()).stderr(log).spawn();
        Daemon { child: child.unwrap() }
    }
}

/// The running program; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Power cut.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As the service manager does it; how it ended, and how long that took.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, asked.elapsed());
            }
            assert!(asked.elapsed() < Duration::from_secs(30), "it does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A camera server with all clips, behind Digest.
pub(crate) fn cameras(port: u16) -> CameraServer {
    let mounts = lab::mounts();
    let mounts: Vec<_> = mounts.iter().map(|(name, clip, fps)| (*name, clip.as_path(), *fps)).collect();
    CameraServer::start_on(port, &mounts, &["--user", "demo", "--password", CAMERA_PASSWORD, "--scheme", "digest"])
}
