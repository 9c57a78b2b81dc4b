//! What is known of a camera's stream, and what a rule wants from it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Identifier of a camera in the configuration: letters, digits, `-` and `_`, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CameraId(String);

impl CameraId {
    /// The identifier, if it has the right form.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=64).contains(&id.len());
        let legal = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (fits && legal).then(|| Self(id.to_owned()))
    }

    /// As written in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether pictures can be had, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Pictures arrive.
    Ok,
    /// Pictures arrive, but too few or damaged.
    Degraded,
    /// No connection, or no pictures.
    Offline,
    /// The camera refused the credentials twice; no more attempts until the configuration changes.
    AuthFailed,
    /// The camera has no session left for us (403, 453); next attempt in minutes.
    Busy,
    /// The camera sends a codec, bit depth or size that is not decoded.
    CodecUnsupported,
}

/// What a stream turned out to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// `h264`, `h265`, or another codec's name for a clip file.
    pub codec: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures per second, measured; `None` until enough pictures came.
    pub frame_rate: Option<f32>,
    /// Seconds between keyframes, measured (the longest gap seen lately).
    pub keyframe_s: Option<f32>,
}

/// When the next picture is wanted, and how urgently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookPlan {
    /// Not before this moment.
    pub at: Timestamp,
    /// The longest gap between two looks that the rules can live with now. A stream whose keyframes
    /// are further apart has to be decoded in between.
    pub max_gap: Duration,
}
