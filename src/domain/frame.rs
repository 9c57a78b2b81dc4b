//! A decoded picture, and what the analyzer is told about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::detection::Detection;
use super::scene::SceneMeasures;

/// How the colour planes of a picture are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColorSpace {
    /// Luma uses 0–255 instead of 16–235.
    pub full_range: bool,
    /// ITU-R BT.709 instead of BT.601.
    pub bt709: bool,
}

/// A decoded picture of full size: planar YUV 4:2:0, eight bits, rows without padding.
///
/// Plane sizes in bytes: `y` is `width × height`; `u` and `v` are each
/// `ceil(width / 2) × ceil(height / 2)`.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// Best estimate of the moment of exposure.
    pub captured_at: Timestamp,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How to read the planes.
    pub color: ColorSpace,
    /// Luma.
    pub y: Vec<u8>,
    /// Blue difference.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
}

impl Frame {
    /// Width and height of the chroma planes.
    #[must_use]
    pub fn chroma_size(&self) -> (u32, u32) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}x{} at {})", self.width, self.height, self.captured_at)
    }
}

/// Everything the analyzer learns from one look: replaying these gives the same incidents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalyzedFrame {
    /// Best estimate of the moment of exposure.
    pub captured_at: Timestamp,
    /// Boxes found, or carried over from the last look when the scene did not change.
    pub detections: Vec<Detection>,
    /// Boxes too weak to be judged by. Persons and vehicles are blurred in pictures; whoever or whatever was found
    /// there before still is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faint: Vec<Detection>,
    /// Picture measures that need no detector.
    pub scene: SceneMeasures,
}
