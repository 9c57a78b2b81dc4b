//! The running program and what becomes of it: started, started anew with another configuration, in safe mode or out
//! of it, stopped.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Reread;
use super::notify::{Notice, notify};
use super::runs::{Runs, WITHIN_MS};
use super::watchdog::{Verdict, Watchdog};
use crate::clock::{Clock, SystemClock, read_last_good};
use crate::config::Config;
use crate::media::workers::Program;
use crate::pipeline::live::Live;

/// From the signal to the exit; below the unit's `TimeoutStopSec`.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Then everything is tried again: what was wrong may have been a passing thing.
const SAFE_MODE_LASTS: Duration = Duration::from_secs(30 * 60);

/// Heartbeats between two words about what was left out of the log.
const REPEATED_EVERY: u32 = 60;

/// What `run` has in its hands.
#[derive(Debug)]
pub(super) struct Service {
    config: Config,
    workers: Program,
    clock: Arc<dyn Clock>,
    /// Nothing where the state directory cannot be written, which the store will say better.
    runs: Option<Runs>,
    /// Nothing only while it is started anew.
    live: Option<Live>,
    safe_mode_ends: Option<Instant>,
    watchdog: Watchdog,
    beats: u32,
    /// When the configuration was read again, and what came of it.
    reloaded: Option<(Timestamp, &'static str)>,
}

impl Service {
    /// Starts everything, or, after too many unexpected ends, only what delivers.
    pub(super) async fn start(config: Config, workers: Program) -> anyhow::Result<Self> {
        let last_good = read_last_good(&config.storage.state_dir);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::not_before(last_good));
        let mut runs = open_runs(&config);
        let ends = runs.as_mut().map_or(Ok(None), |runs| {
            let now = clock.quality();
            runs.begin(&now.boot_id, now.uptime_ms)
        });
        let ends = ends.unwrap_or_else(|error| {
            tracing::warn!(%error, "the start is not recorded; should this run end unexpectedly, it will not count");
            None
        });
        let reason = ends
            .map(|ends| -> Arc<str> { format!("{ends} unexpected ends within {} minutes", WITHIN_MS / 60_000).into() });
        if let Some(reason) = &reason {
            let minutes = SAFE_MODE_LASTS.as_secs() / 60;
            tracing::error!(
                %reason,
                minutes,
                "safe mode: no camera is watched, what is in the outbox is delivered; SIGHUP or a restart by hand ends it"
            );
        }
        let safe_mode_ends = reason.as_ref().map(|_| Instant::now() + SAFE_MODE_LASTS);
        let live = Some(Live::start(&config, Arc::clone(&clock), &workers, reason).await?);
        Ok(Self {
            config,
            workers,
            clock,
            runs,
            live,
            safe_mode_ends,
            watchdog: Watchdog::default(),
            beats: 0,
            reloaded: None,
        })
    }

    /// Tells the service manager how things stand. A dead camera or broker does not stop the ping, a stage that hangs
    /// does.
    pub(super) async fn beat(&mut self) {
        let Some(live) = &self.live else { return };
        notify(&Notice::Status(self.status_line(live).await));
        self.beats += 1;
        if self.beats.is_multiple_of(REPEATED_EVERY) {
            for (camera, lines) in crate::telemetry::take_left_out() {
                tracing::warn!(camera, lines, "lines about a camera were left out: they repeated themselves");
            }
        }
        let stuck = live.stuck();
        match self.watchdog.judge(&stuck) {
            Verdict::Well => notify(&Notice::Watchdog),
            Verdict::Doubtful => {
                tracing::error!(stages = ?stuck, "a stage does not move any more; the watchdog is not fed");
            }
            Verdict::Stuck => {
                tracing::error!(stages = ?stuck, "a stage does not move any more; asking to be restarted");
                notify(&Notice::WatchdogExpired);
            }
        }
    }

    async fn status_line(&self, live: &Live) -> String {
        let mut words = live.status_line().await;
        if let Some((at, outcome)) = self.reloaded {
            let at = at.to_zoned(self.config.gateway.time_zone.clone());
            words = format!("{words}, {outcome} {}", at.strftime("%F %T"));
        }
        words
    }

    /// Reads the configuration again and starts everything anew with it, secrets and certificates included. What
    /// cannot be used changes nothing: the program goes on, or goes on again, with what it had.
    ///
    /// An error means that neither could be started, or that what ran could not be stopped.
    pub(super) async fn reload(&mut self, reread: Reread<'_>) -> anyhow::Result<()> {
        let outcome = match reread() {
            Err(errors) => {
                for finding in &errors.findings {
                    tracing::error!("{finding}");
                }
                tracing::error!(
                    mistakes = errors.findings.len(),
                    "the configuration is not taken over: it has mistakes"
                );
                "reload refused"
            }
            Ok(config) if config.storage.state_dir != self.config.storage.state_dir => {
                let key = "storage.state_dir";
                tracing::error!(key, "the configuration is not taken over: this key changes with a restart only");
                "reload refused"
            }
            Ok(config) => {
                self.note(Runs::forgive);
                let same = config.sha256 == self.config.sha256;
                if self.start_anew(config).await? {
                    tracing::info!(same_text = same, "the configuration is taken over");
                    "reloaded"
                } else {
                    "reload failed"
                }
            }
        };
        self.reloaded = Some((self.clock.utc(), outcome));
        Ok(())
    }

    /// Waits for the end of safe mode; for ever outside it.
    pub(super) async fn safe_mode_is_over(&self) {
        match self.safe_mode_ends {
            Some(end) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// Everything is tried again.
    pub(super) async fn leave_safe_mode(&mut self) -> anyhow::Result<()> {
        tracing::warn!("safe mode ends: cameras are watched again");
        let uptime_ms = self.clock.quality().uptime_ms;
        self.note(|runs| runs.try_again(uptime_ms));
        self.start_anew(self.config.clone()).await.map(drop)
    }

    /// `false` if `config` could not be started and the one before runs again.
    async fn start_anew(&mut self, config: Config) -> anyhow::Result<bool> {
        notify(&Notice::Watchdog);
        self.stop_live().await?;
        notify(&Notice::Watchdog);
        self.watchdog = Watchdog::default();
        self.safe_mode_ends = None;
        match Live::start(&config, Arc::clone(&self.clock), &self.workers, None).await {
            Ok(live) => {
                (self.live, self.config) = (Some(live), config);
                Ok(true)
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the new configuration cannot be started; going on with the one before");
                let live = Live::start(&self.config, Arc::clone(&self.clock), &self.workers, None).await;
                self.live = Some(live.context("starting again with the configuration before")?);
                Ok(false)
            }
        }
    }

    /// Stops everything within the deadline and marks the end as orderly.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.stop_live().await?;
        self.note(Runs::end);
        Ok(())
    }

    async fn stop_live(&mut self) -> anyhow::Result<()> {
        let Some(live) = self.live.take() else { return Ok(()) };
        let stopped = tokio::time::timeout(STOP_DEADLINE, live.stop()).await;
        stopped.context("not everything stopped in time; what was durable stays so")?
    }

    fn note(&mut self, what: impl FnOnce(&mut Runs) -> std::io::Result<()>) {
        if let Some(Err(error)) = self.runs.as_mut().map(what) {
            tracing::warn!(%error, "the record of runs cannot be written");
        }
    }
}

fn open_runs(config: &Config) -> Option<Runs> {
    let directory = &config.storage.state_dir;
    let opened = Runs::open(directory);
    opened
        .inspect_err(|error| {
            tracing::warn!(folder = %directory.display(), %error, "runs are not counted, so there is no safe mode");
        })
        .ok()
}
