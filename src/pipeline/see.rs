//! Turns a picture into what the analyzer is told about it.

use std::path::Path;
use std::sync::Arc;

use crate::domain::frame::{AnalyzedFrame, Frame};
use crate::domain::geometry::Polygon;
use crate::pipeline::infer::{InferError, Inferrer};
use crate::scene::SceneMeter;

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

    /// One look.
    pub async fn see(&mut self, frame: &Arc<Frame>) -> Result<AnalyzedFrame, InferError> {
        let detections = self.inferrer.detect(&self.model, frame, &self.masks).await?;
        let scene = self.meter.measure(frame);
        Ok(AnalyzedFrame { captured_at: frame.captured_at, detections, scene })
    }
}
