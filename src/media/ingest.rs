//! What a session gives, whether it reads a camera or a clip.

use bytes::Bytes;

use super::access_unit::Codec;
use crate::domain::Timestamp;
use crate::domain::camera::StreamState;

/// One compressed picture as it was received.
#[derive(Debug)]
pub(super) struct Received {
    /// The stream's own time.
    pub media_us: i64,
    pub at: Timestamp,
    pub keyframe: bool,
    /// RTP packets missing before it.
    pub lost_packets: u32,
    pub data: Bytes,
    /// Set with the first picture, and again when the parameters changed: earlier pictures cannot be
    /// decoded together with later ones.
    pub stream: Option<StreamParameters>,
}

/// What the stream says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamParameters {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
}

/// Why a session ended or could not be made; decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Fault {
    pub state: StreamState,
    /// In words; never holds a credential.
    pub detail: String,
}

impl Fault {
    pub(super) fn new(state: StreamState, detail: impl Into<String>) -> Self {
        Self { state, detail: detail.into() }
    }

    pub(super) fn offline(detail: impl Into<String>) -> Self {
        Self::new(StreamState::Offline, detail)
    }
}
