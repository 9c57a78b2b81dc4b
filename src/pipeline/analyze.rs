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
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, until};
use crate::domain::analyzer::{AnalyzerState, CameraAnalyzer};
use crate::domain::camera::StreamInfo;
use crate::domain::feedback::Feedback;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, SnapshotRequest};
use crate::domain::scene::ViewState;
use crate::media::boundary::{FrameSource, SourceEvent, StreamReport};
use crate::pipeline::see::{Eyes, Sight};

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
        /// When it reached us.
        at: Timestamp,
    },
}

/// Takes what the analyzer decides.
pub trait IncidentSink: Send {
    /// Carries out the wish about `frame`; a kept picture is redacted by all of `sight`.
    fn snapshot(
        &mut self,
        request: SnapshotRequest,
        frame: &Arc<Frame>,
        sight: &Sight,
    ) -> impl Future<Output = ()> + Send;
    /// Takes one step of an incident, with the state that follows from it.
    fn transition(&mut self, transition: IncidentTransition, state: AnalyzerState) -> impl Future<Output = ()> + Send;
    /// A look was taken and understood.
    fn looked(&mut self, at: Timestamp, view: ViewState) -> impl Future<Output = ()> + Send;
    /// A look was taken and could not be analysed.
    fn look_failed(&mut self, reason: &str) -> impl Future<Output = ()> + Send;
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
pub struct CameraLoop<S, K> {
    /// Pictures.
    pub source: S,
    /// Detection and scene measures.
    pub eyes: Eyes,
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

impl<S: FrameSource, K: IncidentSink> CameraLoop<S, K> {
    /// Runs until the source has ended or `stop` is cancelled; gives back the analyzer's last state.
    pub async fn run(&mut self) -> AnalyzerState {
        self.drain_transitions().await;
        let mut idle = tokio::time::interval(self.idle_every.unwrap_or(Duration::from_secs(3600)));
        idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let plan = self.analyzer.poll_look();
            let deadline = self.analyzer.poll_timeout();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(input) = self.inputs.recv() => self.handle_input(&input),
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
                _ = idle.tick(), if self.idle_every.is_some() => self.sink.idle(self.analyzer.save()).await,
            }
            self.drain_transitions().await;
        }
        self.analyzer.save()
    }

    async fn handle_frame(&mut self, frame: &Arc<Frame>) {
        // A timer that fell due before this picture was taken comes first, as it would have live.
        while let Some(deadline) = self.analyzer.poll_timeout().filter(|deadline| *deadline <= frame.captured_at) {
            self.analyzer.handle_timeout(deadline);
            self.drain_transitions().await;
        }
        let sight = match self.eyes.see(frame).await {
            Ok(sight) => sight,
            Err(error) => return self.sink.look_failed(&error.to_string()).await,
        };
        self.analyzer.handle_frame(&sight.analyzed);
        while let Some(request) = self.analyzer.poll_snapshot() {
            self.sink.snapshot(request, frame, &sight).await;
        }
        self.sink.looked(sight.analyzed.captured_at, self.analyzer.view()).await;
    }

    fn handle_input(&mut self, input: &CameraInput) {
        match input {
            CameraInput::Feedback { feedback, at } => self.analyzer.handle_feedback(feedback, *at),
        }
    }

    fn fire_timers(&mut self, deadline: Option<Timestamp>) {
        if let Some(deadline) = deadline {
            self.analyzer.handle_timeout(deadline);
        }
    }

    async fn drain_transitions(&mut self) {
        while let Some(transition) = self.analyzer.poll_transition() {
            let state = self.analyzer.save();
            self.sink.transition(transition, state).await;
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
