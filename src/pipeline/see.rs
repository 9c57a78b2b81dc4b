//! Turns a picture into what the analyzer is told about it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use crate::domain::detection::Detection;
use crate::domain::frame::{AnalyzedFrame, Frame};
use crate::domain::geometry::Polygon;
use crate::pipeline::infer::{InferError, Inferrer};
use crate::scene::SceneMeter;

/// What came of one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// What the analyzer judges by.
    pub analyzed: AnalyzedFrame,
}

impl Sight {
    /// Every box that a published picture is redacted by.
    #[must_use]
    pub fn to_redact(&self) -> Vec<Detection> {
        self.analyzed.detections.iter().chain(&self.analyzed.faint).copied().collect()
    }
}

/// Makes sense of pictures: a camera's eyes, or whatever stands in for them where there are no pixels.
pub trait See: Send {
    /// One look.
    fn see(&mut self, frame: &Arc<Frame>) -> impl Future<Output = Result<Sight, InferError>> + Send;
}

/// Detection and scene measures of one camera.
#[derive(Debug)]
pub struct Eyes {
    meter: SceneMeter,
    inferrer: Inferrer,
    model: Arc<Path>,
    masks: Arc<[Polygon]>,
}

impl Eyes {
    /// Looks with the model loaded from the manifest `model`; `masks` are blackened before inference.
    #[must_use]
    pub fn new(meter: SceneMeter, inferrer: Inferrer, model: &Path, masks: &[Polygon]) -> Self {
        Self { meter, inferrer, model: model.into(), masks: masks.into() }
    }
}

impl See for Eyes {
    async fn see(&mut self, frame: &Arc<Frame>) -> Result<Sight, InferError> {
        let found = self.inferrer.detect(&self.model, frame, &self.masks).await?;
        let scene = self.meter.measure(frame);
        let (detections, faint) = (found.seen, found.faint);
        let analyzed = AnalyzedFrame { captured_at: frame.captured_at, detections, faint, scene };
        Ok(Sight { analyzed })
    }
}
