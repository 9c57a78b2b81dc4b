//! A model that runs on ONNX Runtime.

use super::session::Network;
use super::{LoadError, OnnxOptions, Runtime};
use crate::config::model::Provider;
use crate::domain::detection::{Detection, Role, RoleSet};
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use crate::inference::decode::{self, Candidate, Scope};
use crate::inference::fit::Fit;
use crate::inference::manifest::Manifest;
use crate::inference::preprocess::{PictureError, Preprocessor};
use crate::inference::{DetectError, Detections, Detector, ModelInfo, nms};

/// Boxes beyond `max_detections` that are looked at for blurring: a full market square has fewer people.
const MAX_FAINT: usize = 1000;

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
                knows_persons: manifest.knows(Role::Person),
                knows_vehicles: manifest.knows(Role::Vehicle),
                knows_piles: manifest.knows(Role::Pile),
            },
            scope: Scope {
                input_width,
                input_height,
                classes: manifest.labels.len(),
                min_score: manifest.redact_min_score,
            },
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

    /// As `Detector::detect`, on `width × height × 3` bytes of RGB.
    pub fn detect_rgb(
        &mut self,
        width: u32,
        height: u32,
        rgb: &[u8],
        masks: &[Polygon],
    ) -> Result<Vec<Detection>, DetectError> {
        let fit = self.preprocessor.rgb((width, height), rgb, masks, self.network.input_mut());
        Ok(self.look(fit)?.seen)
    }

    fn look(&mut self, prepared: Result<Fit, PictureError>) -> Result<Detections, DetectError> {
        let model = || self.info.name.clone();
        let fit = prepared.map_err(|source| DetectError::Picture { model: model(), source })?;
        let mut candidates = self
            .network
            .run(|outputs| decode::decode(&self.manifest.decoder, outputs, &self.scope))
            .map_err(|reason| DetectError::Inference { model: model(), reason })?
            .map_err(|source| DetectError::Decode { model: model(), source })?;
        let roles = |candidate: &Candidate| self.manifest.roles[usize::from(candidate.class_id)];
        let strong = |candidate: &Candidate| candidate.score >= self.manifest.min_score;
        // Suppression works within a class, so classes that nobody asks for can go first; they must not use
        // up the limit.
        candidates.retain(|candidate| {
            let roles = roles(candidate);
            is_kept_faint(roles) || (!roles.is_empty() && strong(candidate))
        });
        // A weaker box never suppresses a better one, so what is seen does not depend on the faint ones.
        let limit = self.manifest.max_detections + MAX_FAINT;
        if decode::is_end_to_end(&self.manifest.decoder) {
            nms::rank(&mut candidates);
            candidates.truncate(limit);
        } else {
            nms::suppress(&mut candidates, self.manifest.nms_iou, limit);
        }
        let count = candidates.iter().take(self.manifest.max_detections).take_while(|c| strong(c)).count();
        let (seen, rest) = candidates.split_at(count);
        let detection = |candidate: &Candidate| {
            let bbox = fit.to_picture(candidate.left, candidate.top, candidate.right, candidate.bottom)?;
            Some(Detection { class_id: candidate.class_id, roles: roles(candidate), score: candidate.score, bbox })
        };
        Ok(Detections {
            seen: seen.iter().filter_map(detection).collect(),
            faint: rest.iter().filter(|candidate| is_kept_faint(roles(candidate))).filter_map(detection).collect(),
        })
    }
}

/// Faint boxes are kept of what is blurred in pictures, and of what stays where it was found.
fn is_kept_faint(roles: RoleSet) -> bool {
    roles.identifies() || roles.stays()
}

impl Detector for OnnxDetector {
    fn detect_all(&mut self, frame: &Frame, masks: &[Polygon]) -> Result<Detections, DetectError> {
        let fit = self.preprocessor.frame(frame, masks, self.network.input_mut());
        self.look(fit)
    }

    fn info(&self) -> &ModelInfo {
        &self.info
    }
}
