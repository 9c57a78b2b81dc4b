//! A model that runs on ONNX Runtime.

use super::session::Network;
use super::{LoadError, OnnxOptions, Runtime};
use crate::config::model::Provider;
use crate::domain::detection::Detection;
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use crate::inference::decode::{self, Scope};
use crate::inference::fit::Fit;
use crate::inference::manifest::Manifest;
use crate::inference::preprocess::{PictureError, Preprocessor};
use crate::inference::{DetectError, Detector, ModelInfo, nms};

/// The detector of the product.
#[derive(Debug)]
pub struct OnnxDetector {
    manifest: Manifest,
    info: ModelInfo,
    scope: Scope,
    preprocessor: Preprocessor,
    network: Network,
}

impl OnnxDetector {
    /// Checks the weights, loads them and runs them once on a grey picture, so that a manifest that does
    /// not fit its model is found here and not at the first picture.
    pub fn load(runtime: &Runtime, manifest: &Manifest, options: OnnxOptions) -> Result<Self, LoadError> {
        let weights = manifest.read_model()?;
        let network = Network::load(runtime, manifest, &weights, options)?;
        drop(weights);
        let (input_width, input_height) = (manifest.input.width, manifest.input.height);
        let mut detector = Self {
            info: ModelInfo {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                sha256: manifest.sha256.as_str().to_owned(),
                input_width,
                input_height,
            },
            scope: Scope { input_width, input_height, classes: manifest.labels.len(), min_score: manifest.min_score },
            preprocessor: Preprocessor::new(manifest.input.clone()),
            network,
            manifest: manifest.clone(),
        };
        let grey = vec![128; input_width as usize * input_height as usize * 3];
        match detector.detect_rgb(input_width, input_height, &grey, &[]) {
            Ok(_) => Ok(detector),
            Err(DetectError::Decode { model, source }) => {
                Err(LoadError::Output { model, manifest: manifest.path.clone(), source })
            }
            Err(DetectError::Inference { model, reason }) => Err(LoadError::TrialRun { model, reason }),
            Err(DetectError::Picture { model, source }) => {
                Err(LoadError::TrialRun { model, reason: source.to_string() })
            }
        }
    }

    /// Where the model really runs.
    #[must_use]
    pub fn provider_in_use(&self) -> Provider {
        self.network.provider
    }

    /// Why that is not the configured provider, if it is not.
    #[must_use]
    pub fn fallback_reason(&self) -> Option<&str> {
        self.network.fallback_reason.as_deref()
    }

    /// As [`Detector::detect`], on `width × height × 3` bytes of RGB.
    pub fn detect_rgb(
        &mut self,
        width: u32,
        height: u32,
        rgb: &[u8],
        masks: &[Polygon],
    ) -> Result<Vec<Detection>, DetectError> {
        let fit = self.preprocessor.rgb((width, height), rgb, masks, self.network.input_mut());
        self.look(fit)
    }

    fn look(&mut self, prepared: Result<Fit, PictureError>) -> Result<Vec<Detection>, DetectError> {
        let model = || self.info.name.clone();
        let fit = prepared.map_err(|source| DetectError::Picture { model: model(), source })?;
        let mut candidates = self
            .network
            .run(|outputs| decode::decode(&self.manifest.decoder, outputs, &self.scope))
            .map_err(|reason| DetectError::Inference { model: model(), reason })?
            .map_err(|source| DetectError::Decode { model: model(), source })?;
        // Suppression works within a class, so classes without a role can go first; they must not use up
        // the limit.
        candidates.retain(|candidate| !self.manifest.roles[usize::from(candidate.class_id)].is_empty());
        if decode::is_end_to_end(&self.manifest.decoder) {
            nms::rank(&mut candidates);
            candidates.truncate(self.manifest.max_detections);
        } else {
            nms::suppress(&mut candidates, self.manifest.nms_iou, self.manifest.max_detections);
        }
        let detection = |candidate: &decode::Candidate| {
            let bbox = fit.to_picture(candidate.left, candidate.top, candidate.right, candidate.bottom)?;
            let roles = self.manifest.roles[usize::from(candidate.class_id)];
            Some(Detection { class_id: candidate.class_id, roles, score: candidate.score, bbox })
        };
        Ok(candidates.iter().filter_map(detection).collect())
    }
}

impl Detector for OnnxDetector {
    fn detect(&mut self, frame: &Frame, masks: &[Polygon]) -> Result<Vec<Detection>, DetectError> {
        let fit = self.preprocessor.frame(frame, masks, self.network.input_mut());
        self.look(fit)
    }

    fn info(&self) -> &ModelInfo {
        &self.info
    }
}
