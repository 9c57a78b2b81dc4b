//! **The** loop around the analyzer, the same for a live camera and for a replayed clip.
//!
//! ```text
//!            ┌──────── plan ────────┐
//!            ▼                      │
//! FrameSource ─ Frame ─▶ Eyes ─▶ CameraAnalyzer ─ snapshots, transitions ─▶ IncidentSink
//!             ─ State ─────────────▶│  ▲
//!                        timers ────┘  └── CameraInput
//! ```
//!
//! Live and replay differ in what is passed in: the source, the clock of the timers, the sink.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{Clock, until};
use crate::domain::analyzer::{AnalyzerState, CameraAnalyzer};
use crate::domain::camera::StreamInfo;
use crate::domain::feedback::Feedback;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, SnapshotId, SnapshotRequest};
use crate::domain::scene::ViewState;
use crate::media::boundary::{FrameSource, SourceEvent, StreamReport};
use crate::pipeline::infer::InferError;
use crate::pipeline::progress::REPORT_EVERY;
use crate::pipeline::see::{Eyes, See, Sight};

/// Pictures reach us this much after their exposure at the latest; a timer waits so long for the
/// pictures that came before its deadline.
const PICTURE_LATENCY: SignedDuration = SignedDuration::from_secs(2);

/// Input to one camera's analyzer from the rest of the box.
#[derive(Debug)]
pub enum CameraInput {
    /// The platform said something about an incident of this camera.
    Feedback {
        /// What.
        feedback: Feedback,
        /// The platform's number of it; `None` for a command.
        seq: Option<u64>,
        /// When it reached us.
        at: Timestamp,
        /// Whoever wants to know whether the analyzer still knows the incident.
        known: Option<oneshot::Sender<bool>>,
    },
    /// The times of an incident of this camera, as they were told last, were wrong.
    Retell {
        /// Which.
        event_id: Uuid,
        /// By how much they were behind.
        by: SignedDuration,
    },
}

/// Takes what the analyzer decides.
pub trait IncidentSink: Send {
    /// Keeps the picture under this name, redacted with everything in `sight`; of a picture of crowding, the
    /// zone `crowd` as a whole.
    fn keep(
        &mut self,
        id: SnapshotId,
        frame: &Arc<Frame>,
        sight: &Sight,
        crowd: Option<&str>,
    ) -> impl Future<Output = ()> + Send;
    /// Keeps the original of a picture just kept, sealed, if the site wants that.
    fn keep_original(&mut self, id: SnapshotId, frame: &Arc<Frame>) -> impl Future<Output = ()> + Send {
        _ = (id, frame);
        async {}
    }
    /// Lets a kept picture go.
    fn discard(&mut self, id: SnapshotId) -> impl Future<Output = ()> + Send;
    /// Takes all steps that one input caused, with the state that follows from them.
    fn transitions(&mut self, steps: Vec<IncidentTransition>, state: AnalyzerState) -> impl Future<Output = ()> + Send;
    /// The analyzer has heard the platform's word; `state` is what follows from it.
    fn heard(&mut self, event_id: Uuid, seq: Option<u64>, state: AnalyzerState) -> impl Future<Output = ()> + Send;
    /// The analyzer does not know this incident any more: its last word is to be said again with its times moved by `by`.
    fn retell(&mut self, event_id: Uuid, by: SignedDuration, state: AnalyzerState) -> impl Future<Output = ()> + Send {
        _ = (event_id, by, state);
        async {}
    }
    /// A look was taken and understood; the next one is wanted at `next_at`.
    fn looked(&mut self, at: Timestamp, next_at: Timestamp, view: ViewState) -> impl Future<Output = ()> + Send;
    /// A look was taken and could not be analysed.
    fn look_failed(&mut self, reason: &str) -> impl Future<Output = ()> + Send;
    /// A look waits for its turn.
    fn look_waits(&mut self) -> impl Future<Output = ()> + Send;
    /// The stream's state changed.
    fn stream(&mut self, report: &StreamReport) -> impl Future<Output = ()> + Send;
    /// The stream turned out to be this.
    fn stream_info(&mut self, info: &StreamInfo) -> impl Future<Output = ()> + Send;
    /// Called from time to time, with the state to keep.
    fn idle(&mut self, state: AnalyzerState) -> impl Future<Output = ()> + Send;
}

/// What drives the timers.
#[derive(Debug, Clone)]
pub enum Timers {
    /// They fire when the clock has passed them.
    Live(Arc<dyn Clock>),
    /// They fire when a picture has passed them.
    Pictures,
}

/// One camera's analysis.
#[derive(Debug)]
pub struct CameraLoop<S, K, E = Eyes> {
    /// Pictures.
    pub source: S,
    /// Detection and scene measures.
    pub eyes: E,
    /// Judgement.
    pub analyzer: CameraAnalyzer,
    /// Where it goes.
    pub sink: K,
    /// What drives the timers.
    pub timers: Timers,
    /// Feedback and requests.
    pub inputs: mpsc::Receiver<CameraInput>,
    /// Ends the loop between two inputs.
    pub stop: CancellationToken,
    /// How often `IncidentSink::idle` is called; `None` in replay.
    pub idle_every: Option<Duration>,
}

impl<S: FrameSource, K: IncidentSink, E: See> CameraLoop<S, K, E> {
    /// Runs until the source has ended or `stop` is cancelled; gives back the analyzer's last state.
    pub async fn run(&mut self) -> AnalyzerState {
        let mut idle = tokio::time::interval(self.idle_every.unwrap_or(Duration::from_secs(3600)));
        idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.follow_clock();
            self.drain(None).await;
            let plan = self.analyzer.poll_look();
            let deadline = self.analyzer.poll_timeout();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(input) = self.inputs.recv() => self.handle_input(input).await,
                _ = idle.tick(), if self.idle_every.is_some() => self.sink.idle(self.analyzer.save()).await,
                event = self.source.next(plan) => match event {
                    SourceEvent::Frame(frame) => self.handle_frame(&frame).await,
                    SourceEvent::State(report) => {
                        self.sink.stream(&report).await;
                        self.analyzer.handle_stream_state(report.state, report.at);
                    }
                    SourceEvent::Info(info) => self.sink.stream_info(&info).await,
                    SourceEvent::Ended => break,
                },
                () = wait_for(&self.timers, deadline) => self.fire_timers(deadline),
            }
        }
        self.drain(None).await;
        self.analyzer.save()
    }

    async fn handle_frame(&mut self, frame: &Arc<Frame>) {
        // A timer that fell due before this picture was taken comes first, as it would have live.
        while let Some(deadline) = self.analyzer.poll_timeout().filter(|deadline| *deadline <= frame.captured_at) {
            self.analyzer.handle_timeout(deadline);
            self.drain(None).await;
        }
        match self.look(frame).await {
            Ok(sight) => {
                self.analyzer.handle_frame(&sight.analyzed);
                self.drain(Some((frame, &sight))).await;
                self.sink.looked(sight.analyzed.captured_at, self.analyzer.poll_look().at, self.analyzer.view()).await;
            }
            Err(error) => {
                self.analyzer.handle_look_failed(frame.captured_at);
                self.sink.look_failed(&error.to_string()).await;
            }
        }
    }

    /// Many cameras share the inference thread: one that queues is not one that hangs.
    async fn look(&mut self, frame: &Arc<Frame>) -> Result<Sight, InferError> {
        let look = self.eyes.see(frame);
        tokio::pin!(look);
        loop {
            tokio::select! {
                sight = &mut look => return sight,
                () = tokio::time::sleep(REPORT_EVERY) => self.sink.look_waits().await,
            }
        }
    }

    async fn handle_input(&mut self, input: CameraInput) {
        match input {
            CameraInput::Feedback { feedback, seq, at, known } => {
                let is_known = self.analyzer.handle_feedback(&feedback, at);
                self.drain(None).await;
                self.sink.heard(feedback.event_id, seq, self.analyzer.save()).await;
                // Whoever asked may have given up.
                _ = known.map(|known| known.send(is_known));
            }
            CameraInput::Retell { event_id, by } => {
                let known = self.now().is_some_and(|now| self.analyzer.retell(event_id, now));
                self.drain(None).await;
                if !known {
                    self.sink.retell(event_id, by, self.analyzer.save()).await;
                }
            }
        }
    }

    /// Schedules go by UTC, everything else by the box's own time.
    fn follow_clock(&mut self) {
        if let Timers::Live(clock) = &self.timers {
            self.analyzer.set_correction(clock.correction());
        }
    }

    fn now(&self) -> Option<Timestamp> {
        match &self.timers {
            Timers::Live(clock) => Some(clock.now()),
            Timers::Pictures => None,
        }
    }

    fn fire_timers(&mut self, deadline: Option<Timestamp>) {
        if let Some(deadline) = deadline {
            self.analyzer.handle_timeout(deadline);
        }
    }

    /// Pictures first: the steps refer to them.
    async fn drain(&mut self, look: Option<(&Arc<Frame>, &Sight)>) {
        while let Some(request) = self.analyzer.poll_snapshot() {
            match (request, look) {
                (SnapshotRequest::Keep(id), Some((frame, sight))) => self.sink.keep(id, frame, sight, None).await,
                (SnapshotRequest::KeepCrowd(id, zone), Some((frame, sight))) => {
                    self.sink.keep(id, frame, sight, Some(&zone)).await;
                }
                (SnapshotRequest::Keep(id) | SnapshotRequest::KeepCrowd(id, _), None) => {
                    tracing::error!(?id, "a picture is asked for without a look");
                }
                (SnapshotRequest::KeepOriginal(id), Some((frame, _))) => self.sink.keep_original(id, frame).await,
                // Without the look there is no picture either, and that was said.
                (SnapshotRequest::KeepOriginal(_), None) => {}
                (SnapshotRequest::Discard(id), _) => self.sink.discard(id).await,
            }
        }
        let steps: Vec<_> = std::iter::from_fn(|| self.analyzer.poll_transition()).collect();
        if !steps.is_empty() {
            self.sink.transitions(steps, self.analyzer.save()).await;
        }
    }
}

/// Completes when `deadline` may be handled; never without one, and never in replay.
async fn wait_for(timers: &Timers, deadline: Option<Timestamp>) {
    match (timers, deadline) {
        (Timers::Live(clock), Some(deadline)) => {
            let deadline = deadline.saturating_add(PICTURE_LATENCY).unwrap_or(Timestamp::MAX);
            tokio::time::sleep(until(&**clock, deadline)).await;
        }
        (Timers::Pictures, _) | (Timers::Live(_), None) => std::future::pending().await,
    }
}
