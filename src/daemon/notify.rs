//! Words to systemd, if it listens.

use sd_notify::NotifyState;

/// What systemd is told.
#[derive(Debug)]
pub(super) enum Notice {
    /// Started: configuration valid, store open, models loaded.
    Ready,
    /// Every stage moves.
    Watchdog,
    /// One line for `systemctl status`.
    Status(String),
    /// Draining.
    Stopping,
}

/// Does nothing when the program was not started by systemd.
pub(super) fn notify(notice: &Notice) {
    let state = match notice {
        Notice::Ready => NotifyState::Ready,
        Notice::Watchdog => NotifyState::Watchdog,
        Notice::Status(line) => NotifyState::Status(line),
        Notice::Stopping => NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
