//! Words to systemd, if it listens.

use sd_notify::NotifyState;

/// What systemd is told.
#[derive(Debug)]
pub(super) enum Notice {
    /// Started, or started anew: configuration valid, store open, models loaded.
    Ready,
    /// The configuration is read again; `Ready` follows, whatever comes of it.
    Reloading,
    /// Every stage moves.
    Watchdog,
    /// A stage does not move: as if the time for a ping had run out.
    WatchdogExpired,
    /// One line for `systemctl status`.
    Status(String),
    /// Draining.
    Stopping,
}

/// Does nothing when the program was not started by systemd.
pub(super) fn notify(notice: &Notice) {
    let state = match notice {
        Notice::Ready => vec![NotifyState::Ready],
        // From systemd 253 on a reload without its time would be refused.
        Notice::Reloading => std::iter::once(NotifyState::Reloading).chain(NotifyState::monotonic_usec_now()).collect(),
        Notice::Watchdog => vec![NotifyState::Watchdog],
        Notice::WatchdogExpired => vec![NotifyState::WatchdogTrigger],
        Notice::Status(line) => vec![NotifyState::Status(line)],
        Notice::Stopping => vec![NotifyState::Stopping],
    };
    if let Err(error) = sd_notify::notify(&state) {
        tracing::debug!(%error, "systemd was not told");
    }
}
