//! Model sessions of one worker: loaded when a scene first asks for them, and kept for the next.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::inference::ModelInfo;
use crate::pipeline::infer::{InferenceThread, Inferrer};
use crate::pipeline::models::{self, manifest_of};
use crate::pipeline::progress::Progress;

/// A model that looks.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Asks it.
    pub inferrer: Inferrer,
    /// What it is.
    pub model: ModelInfo,
}

/// Sessions by runtime library and manifest.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: BTreeMap<(PathBuf, PathBuf), (Loaded, InferenceThread)>,
}

impl Sessions {
    /// The session for the only camera of `config`. Call it within an asynchronous runtime.
    pub fn of(&mut self, config: &Config) -> anyhow::Result<Loaded> {
        let camera = config.cameras.first().context("the configuration has no camera")?;
        let manifest = manifest_of(config, camera).to_owned();
        let key = (config.inference.runtime_library.clone(), manifest.clone());
        if let Some((loaded, _)) = self.kept.get(&key) {
            return Ok(loaded.clone());
        }
        let models = models::load(config)?;
        let model = models.facts.get(&manifest).map(|facts| facts.info.clone()).context("the model was not loaded")?;
        let progress = Progress::new(Arc::new(SystemClock::new()));
        let (thread, inferrer) = InferenceThread::start(models.detectors, 1, progress)?;
        let loaded = Loaded { inferrer, model };
        self.kept.insert(key, (loaded.clone(), thread));
        Ok(loaded)
    }

    /// Ends every session; blocks until their threads have.
    pub fn stop(self) {
        for (_, (loaded, thread)) in self.kept {
            drop(loaded);
            thread.join();
        }
    }
}
