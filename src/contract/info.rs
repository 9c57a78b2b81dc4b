//! What runs in the gateway: retained.

use serde::Serialize;

use super::grid_event::ModelNote;
use super::signature::SigningNote;
use super::time::SiteTime;

/// What runs in the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Of the program.
    pub version: String,
    /// When this was written.
    pub at: SiteTime,
    /// Inference as it really runs.
    pub inference: InferenceNote,
    /// Models in use.
    pub models: Vec<ModelNote>,
    /// Configured cameras.
    pub cameras: Vec<CameraNote>,
    /// Profile of rules in force; `default` is none.
    pub rule_profile: String,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_profile_until: Option<SiteTime>,
    /// Profiles that there are.
    pub profiles: Vec<String>,
    /// Of the event codes.
    pub catalogue_version: String,
    /// Of the configuration text, hexadecimal.
    pub config_sha256: String,
    /// Keys that its events are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningNote>,
}

/// Inference as it really runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InferenceNote {
    /// `onnxruntime`.
    pub runtime: String,
    /// Of the library.
    pub version: String,
    /// `cpu`, `cuda`, `openvino`.
    pub provider: String,
}

/// One configured camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraNote {
    /// In the configuration.
    pub id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// GB/T 28181.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_device_id: Option<String>,
    /// Kinds that its rules look for.
    pub kinds: Vec<crate::domain::incident::Kind>,
}
