//! What the analyzer decides, on its way into the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::original::original_of;
use super::{KeepError, SAVE_EVERY, Step, StoreSink};
use crate::config::Camera;
use crate::domain::analyzer::AnalyzerState;
use crate::domain::camera::StreamInfo;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, Kind, Phase, SnapshotId};
use crate::domain::scene::ViewState;
use crate::evidence::Picture;
use crate::media::boundary::StreamReport;
use crate::pipeline::analyze::{IncidentSink, NoPicture, PictureOfNow, SnapshotAnswer};
use crate::pipeline::orders::RulesInForce;
use crate::pipeline::picture::{for_anybody, redaction};
use crate::pipeline::see::Sight;

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
