//! `gridwatch run`: composition, signals, and what systemd is told.
//!
//! ```text
//! start ─▶ READY=1 ─▶ every 10 s: WATCHDOG=1 if all stages move, STATUS=… ─ SIGTERM/SIGINT ─▶ STOPPING=1
//!                                                                                                │
//!                                             exit ◀─ store closed ◀─ outbox sent ◀─ cameras stopped
//! ```

mod notify;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::{Clock, SystemClock, read_last_good};
use crate::config::Config;
use crate::pipeline::live::Live;
use notify::{Notice, notify};

/// From the signal to the exit; below the unit's `TimeoutStopSec`.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How often the service manager hears from us.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Runs until a signal asks to stop; an error means that the program could not start, or could not
/// stop in time.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(serve(config));
    // A blocking call that hangs (a disk, a decoder) must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::not_before(read_last_good(&config.storage.state_dir)));
    let live = Live::start(config, clock).await?;
    notify(&Notice::Ready);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            _ = heartbeat.tick() => beat(&live).await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    notify(&Notice::Stopping);
    // A second signal does not wait.
    tokio::select! {
        stopped = tokio::time::timeout(STOP_DEADLINE, live.stop()) => {
            stopped.context("not everything stopped in time; what was durable stays so")??;
        }
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second signal"),
    }
    tracing::info!("stopped");
    Ok(())
}

/// A stage that hangs withholds the ping, so that systemd restarts us; a dead camera or broker does not.
async fn beat(live: &Live) {
    notify(&Notice::Status(live.status_line().await));
    let stuck = live.stuck();
    if stuck.is_empty() {
        notify(&Notice::Watchdog);
    } else {
        tracing::error!(stages = ?stuck, "a stage does not move any more; the watchdog is not fed");
    }
}
