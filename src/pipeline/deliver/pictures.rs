//! Pictures of incidents: kept when they are taken, listed when a step refers to them.

use std::sync::Arc;

use bytes::Bytes;

use super::original::{original, original_of};
use super::{KeepError, StoreSink};
use crate::contract::grid_event::EvidenceEntry;
use crate::contract::topics::Channel;
use crate::domain::frame::Frame;
use crate::domain::incident::{IncidentTransition, SnapshotId};
use crate::evidence::Picture;
use crate::pipeline::message::PictureFacts;
use crate::pipeline::picture::redaction;
use crate::pipeline::see::Sight;
use crate::store::{NewPicture, SnapshotUse, StoreError};

impl StoreSink {
    /// Every picture of the incident up to this step, and those that are new with it.
    pub(super) async fn pictures_of(
        &self,
        step: &IncidentTransition,
    ) -> Result<(Vec<EvidenceEntry>, Vec<SnapshotUse>), StoreError> {
        let writer = &self.shared.writer;
        let mut entries = self.shared.store.evidence_of(step.event_id, writer.transport()).await?;
        let names = step.evidence.iter().map(|shown| shown.snapshot);
        let wanted: Vec<SnapshotId> = names.flat_map(|name| [name, original_of(name)]).collect();
        let kept = self.shared.store.snapshot_meta(self.camera.id.clone(), wanted).await?;
        let mut used = Vec::new();
        let shown = step.evidence.iter().copied();
        for shown in shown.flat_map(|shown| [Some(shown), original(step.kind, shown)]).flatten() {
            // A picture that could not be made or had to be given up is missing, and was reported then.
            let Some((snapshot, meta)) = kept.iter().find(|(id, _)| *id == shown.snapshot) else { continue };
            let facts = PictureFacts {
                bytes: meta.bytes,
                width: meta.width,
                height: meta.height,
                sha256: meta.sha256.clone(),
                redaction: meta.redaction,
            };
            let entry = writer.evidence_entry(entries.len() + 1, &shown, &facts);
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

    pub(super) async fn store_picture(
        &self,
        id: SnapshotId,
        frame: &Arc<Frame>,
        sight: &Sight,
        crowd: Option<&str>,
    ) -> Result<(), KeepError> {
        let captured_at = self.shared.clock.outside(frame.captured_at);
        let Picture { jpeg, width, height, sha256, redaction: done } =
            self.redacted(Arc::clone(&self.camera), frame, sight, crowd).await?;
        let redaction = redaction(&done, &self.model);
        let picture = NewPicture { jpeg: Bytes::from(jpeg), width, height, sha256, redaction, captured_at };
        Ok(self.shared.store.keep_snapshot(self.camera.id.clone(), id, picture).await?)
    }
}
