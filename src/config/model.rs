//! The validated configuration. Whatever holds one of these need not check it again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::camera::CameraId;
use crate::domain::geometry::Polygon;
use crate::domain::rules::params::{Rule, RuleSetting};
use crate::domain::zone::Zone;

/// Everything `gridwatch run` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who and where this box is.
    pub gateway: Gateway,
    /// How events leave.
    pub delivery: Delivery,
    /// Where things are kept.
    pub storage: Storage,
    /// How models run.
    pub inference: Inference,
    /// Published pictures.
    pub evidence: Evidence,
    /// How many events may reach people.
    pub alert_budget: AlertBudget,
    /// At least one.
    pub cameras: Vec<Camera>,
    /// Other values of rules that the platform may switch to by name.
    pub profiles: Vec<Profile>,
    /// SHA-256 of the configuration text, hexadecimal.
    pub sha256: String,
}

/// Other values of some rules, for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Unique.
    pub id: String,
    /// Every rule of the cameras that it changes anything at.
    pub cameras: BTreeMap<CameraId, Vec<RuleSetting>>,
}

/// Who and where this box is.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Gateway id, also its MQTT user name and topic level.
    pub id: String,
    /// GB/T 2260, six digits.
    pub county_code: String,
    /// GB/T 10114, three digits.
    pub town_code: String,
    /// Twelve digits; the village the box stands in, unless a camera says otherwise.
    pub village_code: String,
    /// For schedules and event times.
    pub time_zone: TimeZone,
    /// IANA name of `time_zone`.
    pub time_zone_name: String,
    /// Event codes; `None` is the built-in catalogue.
    pub catalogue: Option<PathBuf>,
}

/// How events leave.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// To a broker.
    Mqtt(Box<Mqtt>),
    /// Into a directory, one folder an event: the default without a broker.
    Spool {
        /// Where.
        directory: PathBuf,
    },
}

/// When the outbox lets a message go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseOn {
    /// Receipts once the platform has sent one, PUBACK until then.
    Auto,
    /// The broker has it.
    Puback,
    /// The platform has it.
    Receipt,
}

/// A broker.
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// 1883, or 8883 with TLS, unless set.
    pub port: u16,
    /// `grid/v1` unless set.
    pub root_topic: String,
    /// Seconds between pings.
    pub keep_alive: Duration,
    /// `None`: the gateway's id.
    pub username: Option<String>,
    /// `None`: no password is sent.
    pub password: Option<SecretRef>,
    /// `None`: plain TCP.
    pub tls: Option<Tls>,
    /// When the outbox lets go.
    pub release_on: ReleaseOn,
}

/// Certificates, PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Authorities that may sign the broker's certificate; `None` is the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain.
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<SecretRef>,
}

/// Where a secret is to be found; the secret itself is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A systemd credential of this name.
    Credential(String),
    /// A file; a trailing newline is dropped.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// In the configuration itself: works, with a warning.
    Inline(Secret),
}

/// A secret value: never shown by `Debug`, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for handing to a protocol library and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Database, evidence files, keys.
    pub state_dir: PathBuf,
    /// Evidence is deleted after this.
    pub evidence_max_age: Duration,
    /// Evidence files together.
    pub evidence_max_bytes: u64,
    /// The database.
    pub database_max_bytes: u64,
}

/// How models run.
#[derive(Debug, Clone)]
pub struct Inference {
    /// `libonnxruntime.so…`.
    pub runtime_library: PathBuf,
    /// Manifest of the model for cameras that name none.
    pub model: PathBuf,
    /// Threads of one inference.
    pub threads: u16,
    /// `cpu`, `cuda`, `openvino`.
    pub provider: Provider,
    /// Run on the CPU if the provider cannot be loaded.
    pub allow_cpu_fallback: bool,
}

/// Where inference runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// ONNX Runtime's own kernels.
    Cpu,
    /// NVIDIA.
    Cuda,
    /// Intel.
    OpenVino,
}

/// Published pictures.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Largest JPEG in bytes.
    pub max_bytes: usize,
    /// Pictures wider than this are scaled down.
    pub max_width: u32,
    /// Whom the original of dumping evidence is sealed to; `None`: no original is kept.
    pub seal_originals_to: Option<super::Recipient>,
}

/// How many opened events may reach people.
#[derive(Debug, Clone, Copy)]
pub struct AlertBudget {
    /// Opened events in any hour, over all cameras; those held back are counted.
    pub opened_per_hour: u32,
}

/// Which of the camera's streams the URL names; only documentation and checks depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamChoice {
    /// Full size.
    Main,
    /// Small.
    Sub,
}

/// RTP over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Interleaved in the RTSP connection; falls back to UDP if the camera answers 461.
    Tcp,
    /// Datagrams.
    Udp,
}

/// How much of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecodeMode {
    /// Chosen from the measured keyframe gap.
    Auto,
    /// Keyframes only.
    Keyframes,
    /// A keyframe and what follows while a rule holds a candidate.
    Burst,
    /// Everything.
    Continuous,
}

/// Where a camera's pictures come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A camera.
    Rtsp(RtspSource),
    /// A clip.
    File {
        /// The clip.
        path: PathBuf,
        /// Start again at its end.
        repeat: bool,
    },
}

/// A camera's RTSP address.
#[derive(Debug, Clone)]
pub struct RtspSource {
    /// Without credentials.
    pub url: Url,
    /// Login name.
    pub username: Option<String>,
    /// Login password.
    pub password: Option<SecretRef>,
    /// RTP over what.
    pub transport: Transport,
}

/// One camera.
#[derive(Debug, Clone)]
pub struct Camera {
    /// Unique.
    pub id: CameraId,
    /// What people call it.
    pub name: Option<String>,
    /// GB/T 28181, twenty digits.
    pub gb_device_id: Option<String>,
    /// Pictures.
    pub source: Source,
    /// Main or sub.
    pub stream: StreamChoice,
    /// How much is decoded.
    pub decode: DecodeMode,
    /// Time between two looks while nothing happens.
    pub look_interval: Duration,
    /// Compressed pictures kept, in bytes.
    pub ring_max_bytes: usize,
    /// Manifest of another model than the default.
    pub model: Option<PathBuf>,
    /// Smallest object of interest, in pixels of height in the analysed stream: `check` compares.
    pub min_object_px: u32,
    /// Place in the events.
    pub place: Place,
    /// Private ground: blackened before inference.
    pub masks: Vec<Polygon>,
    /// Areas the rules speak of.
    pub zones: Vec<Zone>,
    /// What to look for.
    pub rules: Vec<Rule>,
}

/// Place in the events.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Twelve digits; `None` is the gateway's.
    pub village_code: Option<String>,
    /// Grid cell.
    pub grid_code: Option<String>,
    /// In words.
    pub address: Option<String>,
    /// Longitude, latitude in CGCS2000.
    pub point: Option<(f64, f64)>,
}
