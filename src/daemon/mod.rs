//! `gridwatch run`: composition, signals, and what systemd is told.
//!
//! ```text
//! start ─▶ READY=1 ─▶ every 10 s: WATCHDOG=1 if all stages move, STATUS=… ─ SIGTERM/SIGINT ─▶ STOPPING=1
//!   ▲                     │ SIGHUP: RELOADING=1                                                  │
//!   └── store closed ◀────┴── half an hour of safe mode                                          │
//!                                             exit ◀─ store closed ◀─ outbox sent ◀─ cameras stopped
//! ```

mod notify;
mod runs;
mod service;
mod watchdog;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigErrors};
use crate::media::workers::Program;
use notify::{Notice, notify};
use service::Service;

/// Reads the configuration again.
pub type Reread<'a> = &'a dyn Fn() -> Result<Config, ConfigErrors>;

/// Runs until a signal asks to stop; an error means that the program could not start, or could not
/// stop in time. Media workers are started as `workers` says; `reread` is asked at SIGHUP.
pub fn run(config: Config, workers: Program, reread: Reread<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("worker")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(serve(config, workers, reread));
    // A blocking call that hangs (a disk, a decoder) must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    served
}

async fn serve(config: Config, workers: Program, reread: Reread<'_>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let mut service = Service::start(config, workers).await?;
    notify(&Notice::Ready);
    let mut heartbeat = tokio::time::interval(watchdog::HEARTBEAT);
    // Beats that were missed while everything was started anew say nothing.
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = heartbeat.tick() => service.beat().await,
            _ = hangup.recv() => {
                notify(&Notice::Reloading);
                service.reload(reread).await?;
                notify(&Notice::Ready);
                heartbeat.reset_immediately();
            }
            () = service.safe_mode_is_over() => service.leave_safe_mode().await?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    notify(&Notice::Stopping);
    // A second signal does not wait.
    tokio::select! {
        stopped = service.stop() => stopped?,
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second signal"),
    }
    tracing::info!("stopped");
    Ok(())
}
