//! `[storage]`, `[inference]`, `[evidence]`, `[alert_budget]`: what the box may use.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::model::Provider;

/// Where things are kept, and how much of them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawStorage {
    /// Folder of the database, the evidence and the keys.
    pub(in crate::config) state_dir: PathBuf,
    /// Evidence pictures are deleted after this many days.
    #[schemars(range(min = 1, max = 365))]
    pub(in crate::config) evidence_max_age_days: u64,
    /// All evidence pictures together; the oldest go first.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub(in crate::config) evidence_max_mib: u64,
    /// The database with outbox and timeline.
    #[schemars(range(min = 16, max = 65536))]
    pub(in crate::config) database_max_mib: u64,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/gridwatch"),
            evidence_max_age_days: 30,
            evidence_max_mib: 1024,
            database_max_mib: 256,
        }
    }
}

/// How models run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawInference {
    /// The ONNX Runtime library that the set-up script has installed.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) runtime_library: Option<PathBuf>,
    /// Manifest of the model for every camera that names none.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) model: Option<PathBuf>,
    /// Processor threads of one inference; decoding needs some too.
    #[schemars(range(min = 1, max = 64))]
    pub(in crate::config) threads: u64,
    /// What computes: `cpu`, `cuda` (NVIDIA) or `openvino` (Intel).
    pub(in crate::config) provider: Provider,
    /// Go on with the processor when the provider cannot be loaded. Otherwise that is an error, because
    /// a box that is twenty times slower than planned looks healthy and sees little.
    pub(in crate::config) allow_cpu_fallback: bool,
}

impl Default for RawInference {
    fn default() -> Self {
        Self { runtime_library: None, model: None, threads: 2, provider: Provider::Cpu, allow_cpu_fallback: false }
    }
}

/// Published pictures.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawEvidence {
    /// Largest JPEG in KiB; the contract allows 256 KB, which is 250 KiB.
    #[schemars(range(min = 20, max = 250))]
    pub(in crate::config) max_kib: u64,
    /// Wider pictures are scaled down to this many pixels.
    #[schemars(range(min = 320, max = 3840))]
    pub(in crate::config) max_width_px: u64,
    /// Public key of the township (`age1…`, from `age-keygen`). With it, dumping events come with the original of
    /// whoever was seen at it and of what lay there, nobody blurred, encrypted to this key: only the owner of the private
    /// key can open it, this box cannot. Without it no original is ever kept.
    pub(in crate::config) seal_originals_to: Option<String>,
}

impl Default for RawEvidence {
    fn default() -> Self {
        Self { max_kib: 250, max_width_px: 1920, seal_originals_to: None }
    }
}

/// How many events may reach people. A town can work off about twenty a day; a system that sends more
/// than that is switched off.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawAlertBudget {
    /// New incidents in any hour, over all cameras. What is held back is counted and reported.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) opened_per_hour: u64,
}

impl Default for RawAlertBudget {
    fn default() -> Self {
        Self { opened_per_hour: 10 }
    }
}
