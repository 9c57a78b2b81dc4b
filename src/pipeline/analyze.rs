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

mod input;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{Clock, until};
use crate::domain::analyzer::{AnalyzerState, CameraAnalyzer};
use crate::domain::camera::{LookPlan, StreamInfo};
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, Kind, SnapshotId, SnapshotRequest};
use crate::domain::scene::ViewState;
use crate::media::boundary::{FrameSource, SourceEvent, StreamReport};
use crate::pipeline::infer::InferError;
use crate::pipeline::orders::{RulesFeed, RulesInForce};
use crate::pipeline::progress::REPORT_EVERY;
use crate::pipeline::see::{Eyes, See, Sight};

pub use input::{CameraInput, Muted, NoPicture, PictureOfNow, SnapshotAnswer};

/// Pictures reach us this much after their exposure at the latest; a timer waits so long for the
/// pictures that came before its deadline.
const PICTURE_LATENCY: SignedDuration = SignedDuration::from_secs(2);

/// What the platform has ordered and waits for.
#[derive(Debug, Default)]
pub struct Standing {
    /// Other values of rules; `None` in replay.
    pub rules: Option<RulesFeed>,
    wanted: Vec<(Timestamp, oneshot::Sender<SnapshotAnswer>)>,
}

impl Standing {
    /// With a feed of rules.
    #[must_use]
    pub fn new(rules: RulesFeed) -> Self {
        Self { rules: Some(rules), wanted: Vec::new() }
    }

    /// Looks sooner where somebody still waits for a picture.
    fn hasten(&mut self, plan: LookPlan) -> LookPlan {
        self.wanted.retain(|(_, done)| !done.is_closed());
        let asked = self.wanted.iter().map(|(at, _)| *at).min();
        LookPlan { at: asked.map_or(plan.at, |asked| plan.at.min(asked)), ..plan }
    }

    async fn next_rules(&mut self) -> (RulesInForce, Timestamp) {
        match &mut self.rules {
            Some(rules) => rules.changed().await,
            None => std::future::pending().await,
        }
    }
}

/// Pictures of one camera that are waited for at a time.
const MOST_WANTED: usize = 4;

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
    /// The picture that was just looked at, redacted, for whoever asked.
    fn picture_of_now(&mut self, _frame: &Arc<Frame>, _sight: &Sight) -> impl Future<Output = SnapshotAnswer> + Send {
        async { Err(NoPicture::Failed("nobody can ask for pictures here".to_owned())) }
    }
    /// What the platform has muted; `state` is what follows from it. Whether it is kept.
    fn muted(&mut self, _mutes: BTreeMap<Kind, Timestamp>, _state: AnalyzerState) -> impl Future<Output = bool> + Send {
        async { false }
    }
    /// The rules have other values from now on.
    fn rules(&mut self, _rules: &RulesInForce) {}
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
    /// What the platform has ordered.
    pub standing: Standing,
}

impl<S: FrameSource, K: IncidentSink, E: See> CameraLoop<S, K, E> {
    /// Runs until the source has ended or `stop` is cancelled; gives back the analyzer's last state.
    pub async fn run(&mut self) -> AnalyzerState {
        let mut idle = tokio::time::interval(self.idle_every.unwrap_or(Duration::from_secs(3600)));
        idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.follow_clock();
            self.drain(None).await;
            let plan = self.standing.hasten(self.analyzer.poll_look());
            let deadline = self.analyzer.poll_timeout();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(input) = self.inputs.recv() => self.handle_input(input).await,
                (rules, at) = self.standing.next_rules() => self.handle_rules(&rules, at).await,
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
                self.answer_wanted(frame, &sight).await;
                self.sink.looked(sight.analyzed.captured_at, self.analyzer.poll_look().at, self.analyzer.view()).await;
            }
            Err(error) => {
                self.analyzer.handle_look_failed(frame.captured_at);
                self.sink.look_failed(&error.to_string()).await;
                self.tell_wanted(&Err(NoPicture::Failed("the picture could not be analysed".to_owned())));
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
            CameraInput::Mute { kind, until, at, done } => {
                self.analyzer.mute(kind, until, at);
                self.drain(None).await;
                let mutes = self.analyzer.mutes();
                let durable = self.sink.muted(mutes.clone(), self.analyzer.save()).await;
                drop(done.send(Muted { mutes, durable }));
            }
            CameraInput::Snapshot { at, done } if self.standing.wanted.len() < MOST_WANTED => {
                self.standing.wanted.push((at, done));
            }
            CameraInput::Snapshot { done, .. } => {
                drop(done.send(Err(NoPicture::Failed("too many wait for a picture of this camera".to_owned()))));
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

    /// The sink first: what ends by it is told under the new rules.
    async fn handle_rules(&mut self, rules: &RulesInForce, at: Timestamp) {
        self.sink.rules(rules);
        self.analyzer.set_rules(&rules.rules, at);
        self.drain(None).await;
    }

    async fn answer_wanted(&mut self, frame: &Arc<Frame>, sight: &Sight) {
        if !self.standing.wanted.is_empty() {
            let answer = self.sink.picture_of_now(frame, sight).await;
            self.tell_wanted(&answer);
        }
    }

    fn tell_wanted(&mut self, answer: &SnapshotAnswer) {
        for (_, done) in self.standing.wanted.drain(..) {
            // Whoever asked may have given up.
            drop(done.send(answer.clone()));
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
