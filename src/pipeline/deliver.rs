//! Makes an incident's step durable: pictures, message, timeline and analyzer state in one transaction.
//!
//! Nothing here talks to a broker: once a step is committed, `publish` finds it in the outbox.

mod original;
mod pictures;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Camera, Evidence};
use crate::contract::grid_event::EvidenceEntry;
use crate::contract::sequence::Seq;
use crate::contract::topics::Channel;
use crate::domain::analyzer::AnalyzerState;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::StreamInfo;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, Kind, Phase, SnapshotId};
use crate::domain::scene::ViewState;
use crate::evidence::Picture;
use crate::inference::ModelInfo;
use crate::media::boundary::StreamReport;
use crate::media::live::CountsHandle;
use crate::pipeline::analyze::{IncidentSink, NoPicture, PictureOfNow, SnapshotAnswer};
use crate::pipeline::board::Board;
use crate::pipeline::message::EventWriter;
use crate::pipeline::orders::RulesInForce;
use crate::pipeline::picture::{PictureError, for_anybody, picture, redaction};
use crate::pipeline::progress::{Progress, Stage};
use crate::pipeline::see::Sight;
use crate::store::{Class, Commit, Draft, Store, StoreError};

use original::original_of;

/// The analyzer's state is written this often while nothing happens: what a power cut may take from
/// the baseline, against the wear of the disk.
const SAVE_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Inputs whose steps wait for a store that refuses them; a disk that is full for longer than this
/// loses the oldest, and says so.
const MAX_WAITING: usize = 256;

/// What the sinks of all cameras share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Writes messages.
    pub writer: Arc<EventWriter>,
    /// Size of pictures.
    pub pictures: Evidence,
    /// How many events may reach people.
    pub budget: Arc<Mutex<AlertBudget>>,
    /// Where it goes.
    pub store: Store,
    /// What others see of it.
    pub board: Board,
    /// Where loops report that they turn.
    pub progress: Progress,
    /// Quality of the times.
    pub clock: Arc<dyn Clock>,
}

/// Everything that one input to the analyzer caused: written together or not at all.
#[derive(Debug)]
struct Batch {
    steps: Vec<Step>,
    /// Words of the platform that the state below has taken in.
    heard: Vec<(Uuid, u64)>,
    state: AnalyzerState,
    /// As it was set up at that moment.
    camera: Arc<Camera>,
    profile: Option<Arc<str>>,
}

#[derive(Debug)]
struct Step {
    transition: IncidentTransition,
    /// Whether it goes out; decided once, however often writing it is tried.
    admitted: Option<bool>,
}

/// Takes one camera's incidents to the store.
#[derive(Debug)]
pub struct StoreSink {
    camera: Arc<Camera>,
    /// Of the configuration, in force now.
    profile: Option<Arc<str>>,
    model: ModelInfo,
    shared: Shared,
    stage: Stage,
    waiting: VecDeque<Batch>,
    saved_at: Timestamp,
    looks_fail: bool,
    counts: Option<CountsHandle>,
}

impl StoreSink {
    /// For `camera`, which looks with `model`.
    #[must_use]
    pub fn new(camera: Arc<Camera>, model: ModelInfo, shared: Shared) -> Self {
        let stage = Stage::Camera(camera.id.to_string());
        let saved_at = shared.clock.now();
        let (waiting, profile) = (VecDeque::new(), None);
        Self { camera, profile, model, shared, stage, waiting, saved_at, looks_fail: false, counts: None }
    }

    /// Where the board's counts of this camera's pictures are read.
    pub fn count_pictures_with(&mut self, counts: CountsHandle) {
        self.counts = Some(counts);
    }

    /// Writes the last state; called when the camera's loop has ended.
    pub async fn finish(mut self, state: AnalyzerState) {
        self.enqueue(Vec::new(), Vec::new(), state);
        self.flush().await;
        self.shared.progress.retire(&self.stage);
        let steps: usize = self.waiting.iter().map(|batch| batch.steps.len()).sum();
        if steps > 0 {
            tracing::error!(steps, "steps of incidents could not be written before the stop");
        }
    }

    fn enqueue(&mut self, steps: Vec<Step>, heard: Vec<(Uuid, u64)>, state: AnalyzerState) {
        if self.waiting.len() == MAX_WAITING
            && let Some(lost) = self.waiting.pop_front()
        {
            tracing::error!(steps = lost.steps.len(), "steps of incidents are lost: the store refuses too long");
        }
        let (camera, profile) = (Arc::clone(&self.camera), self.profile.clone());
        self.waiting.push_back(Batch { steps, heard, state, camera, profile });
    }

    async fn flush(&mut self) {
        while let Some(mut batch) = self.waiting.pop_front() {
            match self.commit(&mut batch).await {
                Ok(numbers) => log_steps(&batch.steps, &numbers),
                Err(error) => {
                    tracing::error!(%error, waiting = self.waiting.len() + 1, "an incident's step cannot be written; it waits");
                    self.waiting.push_front(batch);
                    return;
                }
            }
        }
    }

    async fn commit(&mut self, batch: &mut Batch) -> Result<Vec<Seq>, StoreError> {
        let mut drafts = Vec::new();
        let mut used = Vec::new();
        let mut transitions = Vec::new();
        // From the box's own time to UTC, as late as can be: what waited for the disk is told with what is known now.
        let correction = self.shared.clock.correction();
        let set_up = (Arc::clone(&batch.camera), batch.profile.clone());
        for step in &mut batch.steps {
            let told = step.transition.clone().moved(correction);
            let (entries, pictures) = self.pictures_of(&told).await?;
            if self.admits(step).await? {
                drafts.push(self.draft(&set_up, &told, &entries));
            }
            used.extend(pictures);
            transitions.push(told);
        }
        let state = batch.state.clone().moved(correction);
        let commit = Commit {
            camera: self.camera.id.clone(),
            transitions,
            snapshots_used: used,
            drafts,
            analyzer_state: state.map(|state| serde_json::to_string(&state)).transpose()?,
            feedback_applied: batch.heard.clone(),
        };
        let numbers = self.shared.store.commit(commit).await?;
        self.saved_at = self.shared.clock.now();
        Ok(numbers)
    }

    /// An incident that was held back goes out with the first later step for which there is room; one
    /// that ends before stays inside the box.
    async fn admits(&self, step: &mut Step) -> Result<bool, StoreError> {
        if let Some(admitted) = step.admitted {
            return Ok(admitted);
        }
        let event_id = step.transition.event_id;
        let opened = step.transition.phase == Phase::Opened;
        let known = if opened { None } else { self.shared.store.latest_event(event_id).await? };
        let admitted = known.is_some_and(|event| event.published)
            || {
                let ended = matches!(step.transition.phase, Phase::Closed(_));
                let mut budget = self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner);
                let room = !ended && budget.admit(step.transition.at);
                if !room {
                    tracing::warn!(%event_id, held_back = budget.held_back(), "the alert budget is used up; the event is held back");
                }
                room
            };
        step.admitted = Some(admitted);
        Ok(admitted)
    }

    fn draft(
        &self,
        (camera, profile): &(Arc<Camera>, Option<Arc<str>>),
        step: &IncidentTransition,
        entries: &[EvidenceEntry],
    ) -> Draft {
        let clock = self.shared.clock.quality();
        let event = self.shared.writer.event(camera, &self.model, step, clock, entries, false);
        let event = event.under_profile(profile.as_deref());
        let channel = Channel::Event(step.kind);
        Draft {
            class: match step.phase {
                Phase::Opened => Class::Opened,
                Phase::Updated => Class::Update,
                Phase::Closed(_) => Class::Closed,
            },
            topic: self.shared.writer.topics().of(&channel),
            content_type: channel.content_type().to_owned(),
            event: (step.event_id, step.revision),
            render: Box::new(move |stamp| event.to_bytes(stamp)),
        }
    }

    /// The picture as it may leave the box.
    async fn redacted(
        &self,
        camera: Arc<Camera>,
        frame: &Arc<Frame>,
        sight: &Sight,
        crowd: Option<&str>,
    ) -> Result<Picture, KeepError> {
        let (frame, seen, crowd) = (Arc::clone(frame), sight.to_redact(), crowd.map(str::to_owned));
        let (model, options) = (self.model.clone(), self.shared.pictures.clone());
        let work = move || picture(&frame, &seen, (&camera, &model), crowd.as_deref(), &options);
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| KeepError::Stopped)??)
    }
}

/// Why a picture is not kept. The event goes all the same.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("withheld, it could not be redacted: {0}")]
    Withheld(#[from] PictureError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the program stops")]
    Stopped,
}

impl IncidentSink for StoreSink {
    async fn keep(&mut self, id: SnapshotId, frame: &Arc<Frame>, sight: &Sight, crowd: Option<&str>) {
        if let Err(error) = self.store_picture(id, frame, sight, crowd).await {
            tracing::warn!(%error, "a picture is not kept");
        }
    }

    async fn keep_original(&mut self, id: SnapshotId, frame: &Arc<Frame>) {
        if let Some(recipient) = self.shared.pictures.seal_originals_to
            && let Err(error) = self.store_original(id, frame, recipient).await
        {
            tracing::warn!(%error, "an original is not kept");
        }
    }

    async fn discard(&mut self, id: SnapshotId) {
        let original = self.shared.pictures.seal_originals_to.map(|_| original_of(id));
        for id in std::iter::once(id).chain(original) {
            if let Err(error) = self.shared.store.discard_snapshot(self.camera.id.clone(), id).await {
                tracing::warn!(%error, "a picture is not let go");
            }
        }
    }

    async fn transitions(&mut self, steps: Vec<IncidentTransition>, state: AnalyzerState) {
        let steps = steps.into_iter().map(|transition| Step { transition, admitted: None }).collect();
        self.enqueue(steps, Vec::new(), state);
        self.flush().await;
    }

    async fn heard(&mut self, event_id: Uuid, seq: Option<u64>, state: AnalyzerState) {
        if let Some(seq) = seq {
            self.enqueue(Vec::new(), vec![(event_id, seq)], state);
            self.flush().await;
        }
    }

    async fn retell(&mut self, event_id: Uuid, by: SignedDuration, state: AnalyzerState) {
        let known = match self.shared.store.latest_event(event_id).await {
            Ok(known) => known.filter(|event| matches!(event.latest.phase, Phase::Closed(_))),
            Err(error) => return tracing::error!(%event_id, %error, "an incident's times are not corrected yet"),
        };
        // One that is open and unknown is closed at the next start, with the right times.
        let Some(event) = known else { return };
        let mut step = event.latest.moved(by - self.shared.clock.correction());
        step.revision = step.revision.saturating_add(1);
        (step.at, step.evidence, step.verification) = (self.shared.clock.now(), Vec::new(), None);
        self.transitions(vec![step], state).await;
    }

    async fn picture_of_now(&mut self, frame: &Arc<Frame>, sight: &Sight) -> SnapshotAnswer {
        let (camera, crowd) = for_anybody(&self.camera);
        let made = self.redacted(camera, frame, sight, crowd.as_deref()).await;
        let Picture { jpeg, width, height, sha256, redaction: done } = made.map_err(|error| match error {
            KeepError::Withheld(error) => NoPicture::Withheld(error.to_string()),
            KeepError::Store(_) | KeepError::Stopped => NoPicture::Failed(error.to_string()),
        })?;
        let (size, captured_at) = ((width, height), frame.captured_at);
        let (redaction, banded) = (redaction(&done, &self.model), crowd.is_some());
        Ok(PictureOfNow { jpeg: Bytes::from(jpeg), size, sha256, captured_at, redaction, banded })
    }

    async fn muted(&mut self, mutes: BTreeMap<Kind, Timestamp>, state: AnalyzerState) -> bool {
        self.shared.board.muted(&self.camera.id, mutes);
        self.enqueue(Vec::new(), Vec::new(), state);
        self.flush().await;
        self.waiting.is_empty()
    }

    fn rules(&mut self, rules: &RulesInForce) {
        self.profile.clone_from(&rules.profile);
        let rules = rules.rules.iter().map(|setting| setting.rule.clone()).collect();
        self.camera = Arc::new(Camera { rules, ..Camera::clone(&self.camera) });
    }

    async fn looked(&mut self, at: Timestamp, next_at: Timestamp, view: ViewState) {
        self.shared.progress.report(&self.stage);
        self.looks_fail = false;
        if self.shared.board.looked(&self.camera.id, at, next_at, view) {
            tracing::warn!(?view, "the view changed its state");
        }
    }

    async fn look_failed(&mut self, reason: &str) {
        self.shared.progress.report(&self.stage);
        self.shared.board.look_failed(&self.camera.id);
        if !std::mem::replace(&mut self.looks_fail, true) {
            tracing::warn!(reason, "pictures cannot be analysed");
        }
    }

    async fn look_waits(&mut self) {
        self.shared.progress.report(&self.stage);
    }

    async fn stream(&mut self, report: &StreamReport) {
        self.shared.board.stream(&self.camera.id, report);
        tracing::info!(state = ?report.state, detail = report.detail, "stream");
    }

    async fn stream_info(&mut self, info: &StreamInfo) {
        let first = self.shared.board.info(&self.camera.id, info);
        if first {
            tracing::info!(codec = info.codec, width = info.width, height = info.height, "pictures");
        }
    }

    async fn idle(&mut self, state: AnalyzerState) {
        self.shared.progress.report(&self.stage);
        if let Some(counts) = &self.counts {
            self.shared.board.counted(&self.camera.id, counts.counts());
        }
        self.flush().await;
        if self.waiting.is_empty() && self.shared.clock.now().duration_since(self.saved_at) >= SAVE_EVERY {
            self.enqueue(Vec::new(), Vec::new(), state);
            self.flush().await;
        }
    }
}

/// With the numbers of the messages, in order; a commit that was repeated has fewer, and then nobody knows whose.
fn log_steps(steps: &[Step], numbers: &[Seq]) {
    let sent = steps.iter().filter(|step| step.admitted == Some(true)).count();
    let mut numbers = numbers.iter().filter(|_| numbers.len() == sent);
    for step in steps {
        let seq = if step.admitted == Some(true) { numbers.next().map(|seq| seq.0) } else { None };
        log_step(&step.transition, seq);
    }
}

fn log_step(step: &IncidentTransition, seq: Option<u64>) {
    let (kind, zone) = (step.kind.name(), step.zone.as_str());
    match step.phase {
        Phase::Opened => tracing::info!(event_id = %step.event_id, seq, kind, zone, "incident opened"),
        Phase::Updated => {
            tracing::info!(event_id = %step.event_id, seq, kind, zone, revision = step.revision, "incident updated");
        }
        Phase::Closed(reason) => tracing::info!(event_id = %step.event_id, seq, kind, zone, ?reason, "incident closed"),
    }
}

#[cfg(test)]
mod tests;
