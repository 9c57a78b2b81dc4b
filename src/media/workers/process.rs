//! One worker process and the gateway's end of the wire to it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use super::Program;
use crate::media::wire::{self, FrameMemory, MESSAGE_BYTES, Order, Report};

/// A worker that does not take an order for so long does not move.
const PATIENCE: Duration = Duration::from_secs(5);

/// From the end of its socket to the end of a process.
const DYING: Duration = Duration::from_millis(500);

/// A running worker; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    socket: UnixDatagram,
    pub(super) memory: FrameMemory,
}

impl Process {
    pub(super) fn start(program: &Program, max_pixels: u32) -> io::Result<Self> {
        let (ours, theirs) = UnixDatagram::pair()?;
        let theirs = theirs.into_std()?;
        theirs.set_nonblocking(false)?;
        let memory = FrameMemory::new(max_pixels)?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).env_clear().envs(program.environment.iter().cloned());
        // Freed pictures go back to the system; an arena for every thread would keep them.
        command.env("MALLOC_ARENA_MAX", "1").env("MALLOC_MMAP_THRESHOLD_", "262144");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(memory.as_fd().try_clone_to_owned()?));
        // Ctrl-C at a terminal is the gateway's alone: it lets its workers end their sessions at the cameras.
        command.process_group(0);
        let child = command.kill_on_drop(true).spawn()?;
        Ok(Self { child, socket: ours, memory })
    }

    /// Gives an order; fails with how the process ended, or with nothing if it just does not listen.
    pub(super) async fn say(&mut self, order: &Order) -> Result<(), Option<Gone>> {
        let message = wire::encode(order).map_err(|error| Some(Gone::Lied(error.to_string())))?;
        if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, self.socket.send(&message)).await {
            return Ok(());
        }
        // A socket without its other end is noticed before the end of the process.
        match tokio::time::timeout(DYING, self.child.wait()).await {
            Ok(Ok(status)) => Err(Some(Gone::Ended(status))),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }

    /// The next message, or how the process ended. Cancel-safe.
    pub(super) async fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<Report, Gone> {
        buffer.resize(MESSAGE_BYTES, 0);
        tokio::select! {
            // What it said before it ended comes first.
            biased;
            heard = self.socket.recv(buffer) => {
                let length = heard.map_err(|error| Gone::Lied(error.to_string()))?;
                serde_json::from_slice(&buffer[..length]).map_err(|error| Gone::Lied(error.to_string()))
            }
            ended = self.child.wait() => Err(ended.map_or_else(|error| Gone::Lied(error.to_string()), Gone::Ended)),
        }
    }

    /// Memory in use in bytes, without what is mapped from files; `None` when the process is gone.
    pub(super) fn memory_in_use(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    }

    /// At once, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::error!(%error, "a media worker cannot be ended");
        }
    }

    /// Until it has ended by itself, or else is killed.
    pub(super) async fn wait(&mut self, deadline: Duration) {
        if tokio::time::timeout(deadline, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }
}

/// Why nothing more is heard.
#[derive(Debug)]
pub(super) enum Gone {
    Ended(ExitStatus),
    /// It said what no worker says.
    Lied(String),
}
