//! ONNX Runtime, loaded from a configured path, and the detector that runs on it.

mod detector;
mod runtime;
mod session;

use std::path::PathBuf;

use super::decode::DecodeError;
use super::manifest::ManifestError;
use crate::config::model::Provider;

pub use detector::OnnxDetector;
pub use runtime::Runtime;

/// How a model is to be run.
#[derive(Debug, Clone, Copy)]
pub struct OnnxOptions {
    /// Threads of one inference, at least 1; the calling thread is one of them.
    pub threads: u16,
    /// Where it runs.
    pub provider: Provider,
    /// Use the CPU if the provider cannot be loaded, instead of failing.
    pub allow_cpu_fallback: bool,
}

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such library.
    #[error(
        "ONNX Runtime is missing: there is no file {path}. Run scripts/setup-onnxruntime, or set \
         inference.runtime_library to the libonnxruntime.so of version 1.{minor} or newer",
        minor = ort::MINOR_VERSION
    )]
    RuntimeMissing {
        /// Configured path.
        path: PathBuf,
    },
    /// The library is no ONNX Runtime for this machine, or too old.
    #[error(
        "{path} is not a usable ONNX Runtime ({reason}). Run scripts/setup-onnxruntime, or set \
         inference.runtime_library to the libonnxruntime.so of version 1.{minor} or newer",
        minor = ort::MINOR_VERSION
    )]
    RuntimeUnsuitable {
        /// Configured path.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// The process already uses another library; that cannot be undone.
    #[error("ONNX Runtime was already loaded from {loaded}; restart to use {path}")]
    RuntimeChanged {
        /// In use.
        loaded: PathBuf,
        /// Configured path.
        path: PathBuf,
    },
    /// The manifest or its weights.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The provider is not there, and may not be replaced by the CPU.
    #[error(
        "model `{model}`: execution provider `{provider}` cannot be used ({reason}). Install an ONNX Runtime \
         that has it, set inference.provider = \"cpu\", or set inference.allow_cpu_fallback = true"
    )]
    Provider {
        /// Name of the model.
        model: String,
        /// Configured provider.
        provider: &'static str,
        /// The runtime's words.
        reason: String,
    },
    /// The runtime does not accept the model.
    #[error("model `{model}` ({path}): ONNX Runtime does not load it: {reason}")]
    Model {
        /// Name of the model.
        model: String,
        /// The ONNX file.
        path: PathBuf,
        /// The runtime's words.
        reason: String,
    },
    /// The model's inputs are not what the manifest says.
    #[error("model `{model}` ({manifest}): {reason}")]
    Input {
        /// Name of the model.
        model: String,
        /// The manifest.
        manifest: PathBuf,
        /// In words.
        reason: String,
    },
    /// The model's outputs are not what the manifest says.
    #[error("model `{model}` ({manifest}): {source}")]
    Output {
        /// Name of the model.
        model: String,
        /// The manifest.
        manifest: PathBuf,
        /// What is wrong with them.
        source: DecodeError,
    },
    /// The trial run on a grey picture failed.
    #[error("model `{model}`: trial run failed: {reason}")]
    TrialRun {
        /// Name of the model.
        model: String,
        /// In words.
        reason: String,
    },
}

/// Name of a provider in the configuration, in logs and in messages.
#[must_use]
pub fn provider_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Cpu => "cpu",
        Provider::Cuda => "cuda",
        Provider::OpenVino => "openvino",
    }
}
