//! From a picture to boxes: model manifests, preprocessing, decoders, and the ONNX Runtime behind them.
//!
//! A picture goes through `preprocess` (scaled, private ground blackened, normalised), a network,
//! one of the families in `decode`, `nms`, and comes out as [`Detection`]s with roles. No type of the
//! runtime's binding leaves the `onnx` module.

pub mod bilinear;
pub mod decode;
pub mod fit;
pub mod manifest;
pub mod masks;
pub mod nms;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod preprocess;
pub mod rgb;

use crate::domain::detection::Detection;
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use decode::DecodeError;
use preprocess::PictureError;

/// Finds things in pictures. One at a time: a worker owns its detector.
pub trait Detector: Send {
    /// Everything the model gives for one picture. `masks` are private ground of the picture: what lies
    /// inside never reaches the model. A failed call leaves the detector usable.
    fn detect_all(&mut self, frame: &Frame, masks: &[Polygon]) -> Result<Detections, DetectError>;

    /// As [`Detector::detect_all`], only what was seen well enough to judge by: not enough to redact by.
    fn detect(&mut self, frame: &Frame, masks: &[Polygon]) -> Result<Vec<Detection>, DetectError> {
        Ok(self.detect_all(frame, masks)?.seen)
    }

    /// What events say about the model.
    fn info(&self) -> &ModelInfo;
}

/// The boxes of one picture, each with at least one role, best score first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detections {
    /// Of at least the manifest's `min_score`, at most its `max_detections`: what rules judge by.
    pub seen: Vec<Detection>,
    /// What may be a person or a vehicle beside those, down to `redact_min_score`: to be blurred, and to keep
    /// counted who was there before; it begins nothing.
    pub faint: Vec<Detection>,
}

/// Which model looks, as told in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name of the manifest.
    pub name: String,
    /// Version of the manifest.
    pub version: String,
    /// Of the weights, hexadecimal.
    pub sha256: String,
    /// Model input, pixels.
    pub input_width: u32,
    /// Model input, pixels.
    pub input_height: u32,
    /// Whether a class stands for persons; without one nobody can be blurred.
    pub knows_persons: bool,
    /// Whether a class stands for vehicles of any kind; without one their plates are not looked for.
    pub knows_vehicles: bool,
    /// Whether a class stands for heaps of muck: then a change of the ground is not a heap only because it is one.
    pub knows_piles: bool,
}

/// Why one picture could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The picture's buffers do not fit its size.
    #[error("model `{model}`: {source}")]
    Picture {
        /// Name of the model.
        model: String,
        /// What is wrong with it.
        source: PictureError,
    },
    /// The runtime gave up.
    #[error("model `{model}`: inference failed: {reason}")]
    Inference {
        /// Name of the model.
        model: String,
        /// The runtime's words.
        reason: String,
    },
    /// The outputs are not what the manifest says.
    #[error("model `{model}`: {source}")]
    Decode {
        /// Name of the model.
        model: String,
        /// What is wrong with them.
        source: DecodeError,
    },
}
