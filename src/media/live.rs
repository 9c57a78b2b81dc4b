//! Watching cameras: one task each, a shared decode pool, and a mailbox between them and the pipeline.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::boundary::{AuthLedger, FrameSource, MediaCounts, SourceEvent, WatchCamera};
use super::camera::{self, Notes};
use super::decoder;
use super::gate::{LedgerGate, LoginGate};
pub use super::mailbox::CountsHandle;
use super::mailbox::Mailbox;
use super::pool::DecodePool;
use crate::clock::Clock;
use crate::domain::camera::LookPlan;

/// Limits and patience. The defaults are for real cameras; tests shorten them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MediaOptions {
    /// Threads of the decode pool.
    pub decode_threads: usize,
    /// Largest picture that is decoded, in pixels.
    pub max_pixels: u32,
    /// Largest compressed picture; larger ones are dropped and counted.
    pub max_access_unit_bytes: usize,
    /// For each of connect and describe, set-up, play.
    pub request_timeout: Duration,
    /// From play to the first picture, and the shortest silence that counts as a stall; slower streams
    /// get twenty times their mean gap.
    pub silence_limit: Duration,
    /// For one job of the decode pool, from its start. A thread that is in one picture for three times as
    /// long is given up and replaced.
    pub decode_timeout: Duration,
    /// For TEARDOWN.
    pub teardown_timeout: Duration,
    /// First wait before a reconnect, doubled each time.
    pub backoff_first: Duration,
    /// Longest wait before a reconnect.
    pub backoff_longest: Duration,
    /// Wait, give or take half, after the camera had no session left (403, 453) or sent what is not
    /// decoded.
    pub busy_wait: Duration,
    /// A session that lasted this long resets the backoff.
    pub healthy_after: Duration,
    /// Window over which damage is judged.
    pub health_window: Duration,
}

impl Default for MediaOptions {
    fn default() -> Self {
        Self {
            decode_threads: 2,
            // 4K, with what codecs pad.
            max_pixels: 4096 * 2304,
            max_access_unit_bytes: 4 << 20,
            request_timeout: Duration::from_secs(10),
            silence_limit: Duration::from_secs(10),
            decode_timeout: Duration::from_secs(5),
            teardown_timeout: Duration::from_secs(2),
            backoff_first: Duration::from_secs(1),
            backoff_longest: Duration::from_secs(60),
            busy_wait: Duration::from_secs(180),
            healthy_after: Duration::from_secs(30),
            health_window: Duration::from_secs(10),
        }
    }
}

/// What all cameras share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: MediaOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Arc<dyn LoginGate>,
    pub(super) pool: DecodePool,
}

impl Shared {
    pub(super) fn start(
        options: MediaOptions,
        clock: Arc<dyn Clock>,
        gate: Arc<dyn LoginGate>,
    ) -> std::io::Result<Self> {
        decoder::silence_log();
        let pool = DecodePool::start(options.decode_threads, options.decode_timeout, &clock)?;
        Ok(Self { options, clock, gate, pool })
    }
}

/// Replaces decode threads that hang.
async fn watch_over(shared: Arc<Shared>) {
    let mut rounds = tokio::time::interval(shared.options.decode_timeout);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        shared.pool.replace_stuck();
    }
}

/// Everything that reads cameras, in this process: in a media worker, in tests, and where somebody watches
/// a single camera. Owns one task per watched camera and the decode threads.
#[derive(Debug)]
pub struct Media {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Media {
    /// Starts the decode pool; fails if the system gives no threads. Call it within a tokio runtime.
    pub fn start(options: MediaOptions, clock: Arc<dyn Clock>, auth: Arc<dyn AuthLedger>) -> std::io::Result<Self> {
        Self::start_behind(Arc::new(LedgerGate::new(auth)), options, clock)
    }

    pub(super) fn start_behind(
        gate: Arc<dyn LoginGate>,
        options: MediaOptions,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let shared = Shared::start(options, clock, gate)?;
        let (shared, tasks, stop) = (Arc::new(shared), TaskTracker::new(), CancellationToken::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(watch_over(Arc::clone(&shared))));
        Ok(Self { shared, tasks, stop })
    }

    /// Begins to watch a camera; it is left alone when the returned source is dropped.
    ///
    /// After the second refused login the camera stays in `AuthFailed` until it is watched anew with
    /// another password.
    #[must_use]
    pub fn watch(&self, camera: WatchCamera) -> CameraSource {
        let mailbox = Arc::new(Mailbox::default());
        let stop = self.watch_into(camera, &mailbox, Arc::new(|_| {}));
        CameraSource { mailbox, stop }
    }

    /// As `watch`, into a mailbox of the caller's, who is told what the camera's task is at.
    pub(super) fn watch_into(&self, camera: WatchCamera, mailbox: &Arc<Mailbox>, notes: Notes) -> CancellationToken {
        let stop = self.stop.child_token();
        self.tasks.spawn(camera::run(camera, Arc::clone(&self.shared), Arc::clone(mailbox), notes, stop.clone()));
        stop
    }

    /// Whether every decode thread, the replacements included, hangs in a picture: no camera gets a frame
    /// any more, and only a restart of the process helps. A heavy load does not count.
    #[must_use]
    pub fn decoding_is_stuck(&self) -> bool {
        self.shared.pool.is_stuck()
    }

    /// Stops every camera, politely (TEARDOWN), and waits for the tasks and decode threads; `false` when
    /// the deadline passed first.
    pub async fn stop(self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let drain = async {
            self.tasks.wait().await;
            self.shared.pool.close();
            while !self.shared.pool.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(deadline, drain).await.is_ok()
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The pictures of one watched camera.
#[derive(Debug)]
pub struct CameraSource {
    mailbox: Arc<Mailbox>,
    stop: CancellationToken,
}

impl CameraSource {
    pub(super) fn new(mailbox: Arc<Mailbox>, stop: CancellationToken) -> Self {
        Self { mailbox, stop }
    }

    /// What happened to this camera's pictures so far.
    #[must_use]
    pub fn counts(&self) -> MediaCounts {
        self.mailbox.counts().counts()
    }

    /// Reads the same counts when the source itself has been handed on.
    #[must_use]
    pub fn counts_handle(&self) -> CountsHandle {
        self.mailbox.counts().clone()
    }
}

impl FrameSource for CameraSource {
    async fn next(&mut self, plan: LookPlan) -> SourceEvent {
        self.mailbox.next(Some(plan)).await
    }
}

impl Drop for CameraSource {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
