//! `[[camera]]` without its rules.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{RawCrowding, RawDumping, RawEncroachment};
use super::secret::RawSecret;
use crate::config::model::{DecodeMode, StreamChoice, Transport};

/// One camera, or a clip that stands for one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawCamera {
    /// Unique name, used in topics, events and logs. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// What people call it.
    pub(in crate::config) name: Option<String>,
    /// Device number of GB/T 28181, twenty digits.
    pub(in crate::config) gb_device_id: Option<String>,
    /// `rtsp://host:port/path` without user and password, or `file:clip.mp4` for a clip. One camera is
    /// opened once, whatever its rules are.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) url: Option<String>,
    /// Start a clip again at its end.
    pub(in crate::config) repeat: bool,
    /// Login name.
    pub(in crate::config) username: Option<String>,
    /// Login password.
    pub(in crate::config) password: Option<RawSecret>,
    /// RTP over `tcp` or `udp`. TCP loses nothing and passes firewalls; a camera that refuses it is
    /// asked for UDP.
    pub(in crate::config) transport: Transport,
    /// Which of the camera's streams the URL names. `main` (full size) sees small things and gives
    /// good evidence; `sub` costs a fifth of the computing time and is enough where the objects of
    /// interest are at least `min_object_px` high in it.
    pub(in crate::config) stream: StreamChoice,
    /// Height in pixels, in the chosen stream, of the smallest thing that must be seen: the farthest
    /// stall or person of the zones. `gridwatch check --cameras` compares it with the stream.
    #[schemars(range(min = 8, max = 2000))]
    pub(in crate::config) min_object_px: u64,
    /// How much of the stream is decoded. `keyframes`: only those; `burst`: more while something is
    /// going on; `continuous`: everything; `auto`: by the measured distance of the keyframes.
    pub(in crate::config) decode: DecodeMode,
    /// Seconds between two looks while nothing happens.
    #[schemars(range(min = 0.2, max = 60.0))]
    pub(in crate::config) look_interval_s: f64,
    /// Compressed pictures kept in memory.
    #[schemars(range(min = 1, max = 512))]
    pub(in crate::config) ring_max_mib: u64,
    /// Manifest of a model for this camera, instead of `inference.model`.
    pub(in crate::config) model: Option<PathBuf>,
    pub(in crate::config) place: RawPlace,
    pub(in crate::config) mask: Vec<RawMask>,
    pub(in crate::config) zone: Vec<RawZone>,
    pub(in crate::config) encroachment: Vec<RawEncroachment>,
    pub(in crate::config) dumping: Vec<RawDumping>,
    pub(in crate::config) crowding: Vec<RawCrowding>,
}

impl Default for RawCamera {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            gb_device_id: None,
            url: None,
            repeat: false,
            username: None,
            password: None,
            transport: Transport::Tcp,
            stream: StreamChoice::Main,
            min_object_px: 40,
            decode: DecodeMode::Auto,
            look_interval_s: 2.0,
            ring_max_mib: 8,
            model: None,
            place: RawPlace::default(),
            mask: Vec::new(),
            zone: Vec::new(),
            encroachment: Vec::new(),
            dumping: Vec::new(),
            crowding: Vec::new(),
        }
    }
}

/// Where the camera looks, as events say it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawPlace {
    /// Village or community, twelve digits; the gateway's unless set.
    pub(in crate::config) village_code: Option<String>,
    /// Grid cell.
    pub(in crate::config) grid_code: Option<String>,
    /// In words.
    pub(in crate::config) address: Option<String>,
    /// Degrees east, CGCS2000; together with `latitude`.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub(in crate::config) longitude: Option<f64>,
    /// Degrees north, CGCS2000; together with `longitude`.
    #[schemars(range(min = -90.0, max = 90.0))]
    pub(in crate::config) latitude: Option<f64>,
}

/// Private ground: blackened before anything looks at the picture.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMask {
    /// Corners in order, `[x, y]` from 0 to 1; `[0, 0]` is the picture's top left corner.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) polygon: Option<Vec<[f64; 2]>>,
}

/// An area of the picture that rules speak of.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawZone {
    /// Unique within the camera. Letters, digits, `-` and `_`.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) id: Option<String>,
    /// What people call it.
    pub(in crate::config) name: Option<String>,
    /// Corners on the ground in order, `[x, y]` from 0 to 1; `[0, 0]` is the picture's top left corner.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) polygon: Option<Vec<[f64; 2]>>,
    /// Its measured area in m²; gives crowding a density.
    #[schemars(range(min = 1.0, max = 1_000_000.0))]
    pub(in crate::config) ground_m2: Option<f64>,
}
