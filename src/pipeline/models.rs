//! Loads what the cameras look with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::inference::ModelInfo;
use crate::pipeline::infer::Detectors;

/// The loaded models, and what is to be said of each.
pub struct Models {
    /// For the inference thread.
    pub detectors: Detectors,
    /// By manifest path.
    pub facts: BTreeMap<PathBuf, ModelFacts>,
    /// Of the runtime, as the library tells it.
    pub runtime_version: String,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Models {
    /// For a run that does not look.
    #[must_use]
    pub fn none() -> Self {
        Self { detectors: Detectors::new(), facts: BTreeMap::new(), runtime_version: "not loaded".to_owned() }
    }
}

/// What `info` and events say of a model.
#[derive(Debug, Clone)]
pub struct ModelFacts {
    /// Name, version, hash, input size.
    pub info: ModelInfo,
    /// The provider that really runs it.
    pub provider: String,
    /// Why that is not the configured one, if it is not.
    pub fallback: Option<String>,
}

impl ModelFacts {
    /// Who or what cannot be blurred with this model, and what follows from that.
    #[must_use]
    pub fn redaction_gap(&self) -> Option<&'static str> {
        if !self.info.knows_persons {
            Some("no class has the role `person`, so nobody can be blurred and events go out without pictures")
        } else if !self.info.knows_vehicles {
            Some("no class has the role `vehicle`, so number plates are not blurred in pictures")
        } else {
            None
        }
    }
}

/// Manifest of the model that a camera looks with.
#[must_use]
pub fn manifest_of<'a>(config: &'a Config, camera: &'a crate::config::Camera) -> &'a Path {
    camera.model.as_deref().unwrap_or(&config.inference.model)
}

/// What an event says that no model had a part in.
#[must_use]
pub fn no_model() -> ModelInfo {
    ModelInfo {
        name: "none".to_owned(),
        version: "0".to_owned(),
        sha256: "0".repeat(64),
        input_width: 0,
        input_height: 0,
        knows_persons: false,
        knows_vehicles: false,
        knows_piles: false,
    }
}

/// Loads the runtime and every model that a camera uses; `Ok` means that all of them run.
#[cfg(feature = "onnx")]
pub fn load(config: &Config) -> anyhow::Result<Models> {
    use anyhow::Context;

    use crate::inference::Detector;
    use crate::inference::manifest::Manifest;
    use crate::inference::onnx::{OnnxDetector, OnnxOptions, Runtime, provider_name};

    let runtime = Runtime::load(&config.inference.runtime_library)?;
    let options = OnnxOptions {
        threads: config.inference.threads,
        provider: config.inference.provider,
        allow_cpu_fallback: config.inference.allow_cpu_fallback,
    };
    let mut models = Models { detectors: BTreeMap::new(), facts: BTreeMap::new(), runtime_version: runtime.version() };
    for path in config.cameras.iter().map(|camera| manifest_of(config, camera)) {
        if models.facts.contains_key(path) {
            continue;
        }
        let manifest = Manifest::load(path, None)?;
        let detector = OnnxDetector::load(&runtime, &manifest, options)
            .with_context(|| format!("loading the model of {}", path.display()))?;
        let facts = ModelFacts {
            info: detector.info().clone(),
            provider: provider_name(detector.provider_in_use()).to_owned(),
            fallback: detector.fallback_reason().map(str::to_owned),
        };
        models.facts.insert(path.to_owned(), facts);
        models.detectors.insert(path.to_owned(), Box::new(detector));
    }
    Ok(models)
}

/// A build without the `onnx` feature has nothing to look with.
#[cfg(not(feature = "onnx"))]
pub fn load(_config: &Config) -> anyhow::Result<Models> {
    anyhow::bail!("this build has no ONNX support (feature `onnx`)")
}
