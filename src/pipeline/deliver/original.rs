//! Sealed originals of dumping: kept beside the redacted picture, under a name of their own.

use std::sync::Arc;

use bytes::Bytes;

use super::{KeepError, StoreSink};
use crate::config::Recipient;
use crate::contract::grid_event::{Redaction, RedactionState};
use crate::domain::frame::Frame;
use crate::domain::incident::{EvidenceRef, EvidenceRole, Kind, SnapshotId};
use crate::evidence::{SealedOriginal, seal_original};
use crate::pipeline::picture::PictureError;
use crate::store::NewPicture;

/// Name of the sealed original of a picture. The analyzer counts its pictures from 1 and never comes so far.
pub(super) fn original_of(picture: SnapshotId) -> SnapshotId {
    SnapshotId(picture.0 | 1 << 62)
}

/// How the original of a picture would appear in its event. Of dumping only.
pub(super) fn original(kind: Kind, shown: EvidenceRef) -> Option<EvidenceRef> {
    let original = EvidenceRef { snapshot: original_of(shown.snapshot), role: EvidenceRole::OriginalSealed, ..shown };
    (kind == Kind::Dumping).then_some(original)
}

impl StoreSink {
    /// Seals the picture as it is; it is never written in the clear.
    pub(super) async fn store_original(
        &self,
        id: SnapshotId,
        frame: &Arc<Frame>,
        to: Recipient,
    ) -> Result<(), KeepError> {
        let (frame, camera, options) = (Arc::clone(frame), Arc::clone(&self.camera), self.shared.pictures.clone());
        let captured_at = self.shared.clock.outside(frame.captured_at);
        let work = move || seal_original(&frame, &camera.masks, &to, &options);
        let SealedOriginal { bytes, width, height, sha256 } =
            tokio::task::spawn_blocking(work).await.map_err(|_| KeepError::Stopped)?.map_err(PictureError::from)?;
        let Ok(key) = to.id().parse() else { return Ok(()) };
        let redaction = Redaction { state: RedactionState::Sealed(key), persons: 0, plates: None };
        let sealed = NewPicture { jpeg: Bytes::from(bytes), width, height, sha256, redaction, captured_at };
        Ok(self.shared.store.keep_snapshot(self.camera.id.clone(), original_of(id), sealed).await?)
    }
}
