//! The state of one camera: retained; an empty payload removes it.

use serde::Serialize;

use super::time::SiteTime;
use crate::domain::camera::StreamState;
use crate::domain::incident::Kind;

/// What can be said of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the contract's own words")]
pub enum CameraCondition {
    Ok,
    Degraded,
    Offline,
    AuthFailed,
    Busy,
    CodecUnsupported,
    ViewChanged,
    Occluded,
    TooDark,
    Paused,
}

impl From<StreamState> for CameraCondition {
    fn from(state: StreamState) -> Self {
        match state {
            StreamState::Ok => Self::Ok,
            StreamState::Degraded => Self::Degraded,
            StreamState::Offline => Self::Offline,
            StreamState::AuthFailed => Self::AuthFailed,
            StreamState::Busy => Self::Busy,
            StreamState::CodecUnsupported => Self::CodecUnsupported,
        }
    }
}

/// A kind of which the platform wants to hear nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MutedKind {
    /// The kind.
    pub kind: Kind,
    /// Until when.
    pub until: SiteTime,
}

/// The state of one camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraState {
    /// What can be said.
    pub state: CameraCondition,
    /// Since when.
    pub since: SiteTime,
    /// When the latest picture came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_at: Option<SiteTime>,
    /// `h264`, `h265`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width and height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Seconds between keyframes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe_s: Option<f32>,
    /// Kinds of which nothing new is reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<MutedKind>,
    /// Looks done of looks wanted in the last hour, per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysed_pct_1h: Option<f32>,
}
