//! The daemon as its service manager sees it: the real program, a real broker, and a socket for its notices.

mod reload;
mod safe_mode;
mod schema;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::main_job::site::Site;

/// Patience for whatever takes seconds on a quiet machine.
const SOON_S: u64 = 90;

/// What systemd hears.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
}

impl Manager {
    fn listen(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path, heard: Vec::new() }
    }

    /// Every notice so far.
    fn heard(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        &self.heard
    }

    /// Waits for a notice after the first `after` ones; how many there are with it.
    async fn wait(&mut self, what: &str, after: usize, is_it: impl Fn(&str) -> bool) -> usize {
        let asked = Instant::now();
        loop {
            if let Some(at) = self.heard().iter().skip(after).position(|notice| is_it(notice)) {
                return after + at + 1;
            }
            assert!(asked.elapsed() < Duration::from_secs(SOON_S), "no {what}: {:#?}", self.heard);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The running program; killed when dropped.
struct Daemon(Child);

impl Daemon {
    /// With `manager` for its notices; its log goes where the site's goes.
    fn start(site: &Site, manager: &Manager) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(site.path().join("gridwatch.log"));
        let mut command = site.gridwatch(&["run"]);
        command.env("NOTIFY_SOCKET", &manager.path).stdout(Stdio::null()).stderr(log.unwrap());
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the site's outbox holds, by `gridwatch outbox list`.
fn outbox(site: &Site) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_gridwatch"))
        .args(["outbox", "list", "--json", "--state-dir"])
        .arg(site.path().join("state"))
        .output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}
