//! Makes an incident's step durable: pictures, message, timeline and analyzer state in one transaction.
//!
//! Nothing here talks to a broker: once a step is committed, `publish` finds it in the outbox.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Camera, Evidence};
use crate::contract::grid_event::EvidenceEntry;
use crate::contract::topics::Channel;
use crate::domain::analyzer::AnalyzerState;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::StreamInfo;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, Phase, SnapshotId, SnapshotRequest};
use crate::domain::scene::ViewState;
use crate::evidence::{EvidenceError, Picture, make_picture};
use crate::inference::ModelInfo;
use crate::media::boundary::StreamReport;
use crate::pipeline::analyze::IncidentSink;
use crate::pipeline::board::Board;
use crate::pipeline::message::{EventWriter, PictureFacts, redaction};
use crate::pipeline::progress::{Progress, Stage};
use crate::pipeline::see::Sight;
use crate::store::{Class, Commit, Draft, NewPicture, SnapshotUse, Store, StoreError};

/// The analyzer's state is written this often while nothing happens: what a power cut may take from
/// the baseline, against the wear of the disk.
const SAVE_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Steps that wait for a store that refuses them; a disk that is full for longer than this many steps
/// of one camera loses the oldest, and says so.
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

/// Takes one camera's incidents to the store.
#[derive(Debug)]
pub struct StoreSink {
    camera: Arc<Camera>,
    model: ModelInfo,
    shared: Shared,
    stage: Stage,
    waiting: VecDeque<(IncidentTransition, AnalyzerState)>,
    held_back: BTreeSet<Uuid>,
    saved_at: Timestamp,
}

impl StoreSink {
    /// For `camera`, which looks with `model`.
    #[must_use]
    pub fn new(camera: Arc<Camera>, model: ModelInfo, shared: Shared) -> Self {
        let stage = Stage::Camera(camera.id.to_string());
        let saved_at = shared.clock.now();
        Self { camera, model, shared, stage, waiting: VecDeque::new(), held_back: BTreeSet::new(), saved_at }
    }

    /// Writes the last state; called when the camera's loop has ended.
    pub async fn finish(mut self, state: AnalyzerState) {
        self.flush().await;
        self.save(&state).await;
        self.shared.progress.retire(&self.stage);
        if !self.waiting.is_empty() {
            tracing::error!(steps = self.waiting.len(), "steps of incidents could not be written before the stop");
        }
    }

    async fn flush(&mut self) {
        while let Some((step, state)) = self.waiting.front().cloned() {
            if let Err(error) = self.commit(&step, &state).await {
                tracing::error!(event_id = %step.event_id, %error, "an incident's step cannot be written; it waits");
                return;
            }
            log_step(&step);
            self.waiting.pop_front();
        }
    }

    async fn commit(&mut self, step: &IncidentTransition, state: &AnalyzerState) -> Result<(), StoreError> {
        let (entries, used) = self.pictures_of(step).await?;
        let drafts = if self.admits(step) { vec![self.draft(step, &entries)] } else { Vec::new() };
        let published = !drafts.is_empty();
        let commit = Commit {
            camera: self.camera.id.clone(),
            transitions: vec![step.clone()],
            snapshots_used: used,
            drafts,
            analyzer_state: Some(serde_json::to_string(state)?),
        };
        self.shared.store.commit(commit).await?;
        self.saved_at = step.at;
        if published {
            self.held_back.remove(&step.event_id);
        }
        Ok(())
    }

    /// An incident that was held back goes out with the first later step for which there is room; one
    /// that ends before stays inside the box.
    fn admits(&mut self, step: &IncidentTransition) -> bool {
        let asks = step.phase == Phase::Opened || self.held_back.contains(&step.event_id);
        let ended = matches!(step.phase, Phase::Closed(_));
        if !asks {
            return true;
        }
        let mut budget = self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if !ended && budget.admit(step.at) {
            return true;
        }
        let count = budget.held_back();
        tracing::warn!(event_id = %step.event_id, held_back = count, "the alert budget is used up; the event is held back");
        self.held_back.insert(step.event_id);
        false
    }

    async fn pictures_of(
        &self,
        step: &IncidentTransition,
    ) -> Result<(Vec<EvidenceEntry>, Vec<SnapshotUse>), StoreError> {
        let writer = &self.shared.writer;
        let mut entries = self.shared.store.evidence_of(step.event_id, writer.transport()).await?;
        let wanted: Vec<SnapshotId> = step.evidence.iter().map(|shown| shown.snapshot).collect();
        let kept = self.shared.store.snapshot_meta(self.camera.id.clone(), wanted).await?;
        let mut used = Vec::new();
        for shown in &step.evidence {
            // A picture that could not be made or had to be given up is missing, and was reported then.
            let Some((snapshot, meta)) = kept.iter().find(|(id, _)| *id == shown.snapshot) else { continue };
            let facts = PictureFacts {
                bytes: meta.bytes,
                width: meta.width,
                height: meta.height,
                sha256: meta.sha256.clone(),
                redaction: meta.redaction,
            };
            let entry = writer.evidence_entry(entries.len() + 1, shown, &facts);
            let channel = Channel::Evidence { event_id: step.event_id, id: entry.id.clone() };
            used.push(SnapshotUse {
                event_id: step.event_id,
                snapshot: *snapshot,
                id: entry.id.clone(),
                role: shown.role,
                topic: writer.topics().of(&channel),
            });
            entries.push(entry);
        }
        Ok((entries, used))
    }

    fn draft(&self, step: &IncidentTransition, entries: &[EvidenceEntry]) -> Draft {
        let clock = self.shared.clock.quality();
        let event = self.shared.writer.event(&self.camera, &self.model, step, clock, entries, false);
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

    async fn save(&mut self, state: &AnalyzerState) {
        let written = match serde_json::to_string(state) {
            Err(error) => Err(StoreError::Json(error)),
            Ok(state) => {
                let commit = Commit {
                    camera: self.camera.id.clone(),
                    transitions: Vec::new(),
                    snapshots_used: Vec::new(),
                    drafts: Vec::new(),
                    analyzer_state: Some(state),
                };
                self.shared.store.commit(commit).await.map(drop)
            }
        };
        match written {
            Ok(()) => self.saved_at = self.shared.clock.now(),
            Err(error) => tracing::error!(%error, "the camera's state cannot be written"),
        }
    }

    async fn keep(&self, id: SnapshotId, frame: &Arc<Frame>, sight: &Sight) -> Result<(), KeepError> {
        let boxes = self.model.knows_persons.then(|| sight.to_redact());
        let frame = Arc::clone(frame);
        let (camera, options) = (Arc::clone(&self.camera), self.shared.pictures.clone());
        let captured_at = frame.captured_at;
        let work = move || make_picture(&frame, boxes.as_deref(), &camera.masks, &options);
        let Picture { jpeg, width, height, sha256, redaction: done } =
            tokio::task::spawn_blocking(work).await.map_err(|_| KeepError::Stopped)??;
        let redaction = redaction(&done);
        let picture = NewPicture { jpeg: Bytes::from(jpeg), width, height, sha256, redaction, captured_at };
        Ok(self.shared.store.keep_snapshot(self.camera.id.clone(), id, picture).await?)
    }
}

/// Why a picture is not kept. The event goes all the same.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("withheld, it could not be redacted: {0}")]
    Withheld(#[from] EvidenceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the program stops")]
    Stopped,
}

impl IncidentSink for StoreSink {
    async fn snapshot(&mut self, request: SnapshotRequest, frame: &Arc<Frame>, sight: &Sight) {
        let done = match request {
            SnapshotRequest::Keep(id) => self.keep(id, frame, sight).await,
            SnapshotRequest::Discard(id) => {
                self.shared.store.discard_snapshot(self.camera.id.clone(), id).await.map_err(KeepError::from)
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "a picture is not kept");
        }
    }

    async fn transition(&mut self, transition: IncidentTransition, state: AnalyzerState) {
        if self.waiting.len() == MAX_WAITING
            && let Some((lost, _)) = self.waiting.pop_front()
        {
            tracing::error!(event_id = %lost.event_id, revision = lost.revision, "a step is lost: the store refuses too long");
        }
        self.waiting.push_back((transition, state));
        self.flush().await;
    }

    async fn looked(&mut self, at: Timestamp, view: ViewState) {
        self.shared.progress.report(&self.stage);
        if self.shared.board.looked(&self.camera.id, at, view) {
            tracing::warn!(?view, "the view changed its state");
        }
    }

    async fn look_failed(&mut self, reason: &str) {
        self.shared.progress.report(&self.stage);
        self.shared.board.look_failed(&self.camera.id);
        tracing::warn!(reason, "a picture could not be analysed");
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
        self.flush().await;
        if self.waiting.is_empty() && self.shared.clock.now().duration_since(self.saved_at) >= SAVE_EVERY {
            self.save(&state).await;
        }
    }
}

fn log_step(step: &IncidentTransition) {
    let (kind, zone) = (step.kind.name(), step.zone.as_str());
    match step.phase {
        Phase::Opened => tracing::info!(event_id = %step.event_id, kind, zone, "incident opened"),
        Phase::Updated => {
            tracing::info!(event_id = %step.event_id, kind, zone, revision = step.revision, "incident updated");
        }
        Phase::Closed(reason) => tracing::info!(event_id = %step.event_id, kind, zone, ?reason, "incident closed"),
    }
}
