//! What is this stream?

use std::sync::Arc;
use std::time::Duration;

use super::boundary::{AuthLedger, ResolvedSource};
use super::live::MediaOptions;
use crate::clock::Clock;
use crate::config::{DecodeMode, Transport};
use crate::domain::camera::{StreamInfo, StreamState};
use crate::domain::frame::Frame;

/// How a camera wants to know who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// Password in the clear.
    Basic,
    /// Challenge and response.
    Digest,
    /// The camera did not say.
    Unknown,
}

/// What was found out.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// Codec, size, measured picture rate and keyframe gap.
    pub info: StreamInfo,
    /// RTP over what in the end; `None` for a clip.
    pub transport: Option<Transport>,
    /// `None` for a clip.
    pub authentication: Option<Authentication>,
    /// A keyframe.
    pub snapshot: Arc<Frame>,
    /// Fits the keyframe gap.
    pub suggested_decode: DecodeMode,
    /// Fits the keyframe gap.
    pub suggested_look_interval: Duration,
    /// What an installer should know or change at the camera, in words.
    pub remarks: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{source_name}: {detail}")]
pub struct ProbeError {
    /// The URL without credentials, or the clip.
    pub source_name: String,
    /// What the camera's state would be.
    pub state: StreamState,
    /// In words; never holds a credential.
    pub detail: String,
}

/// Watches `source` for at most `patience`, or until two keyframe gaps are measured.
pub async fn probe(
    source: ResolvedSource,
    patience: Duration,
    options: MediaOptions,
    clock: Arc<dyn Clock>,
    auth: Arc<dyn AuthLedger>,
) -> Result<ProbeReport, ProbeError> {
    todo!("{source:?} {patience:?} {options:?} {clock:?} {auth:?}")
}
