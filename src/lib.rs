//! gridwatch: watches street cameras on an edge box and publishes suspected encroachment, dumping
//! and crowding as grid events over MQTT 5. Read `ARCHITECTURE.md` first.

pub mod catalogue;
#[cfg(feature = "ffmpeg")]
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
#[cfg(feature = "ffmpeg")]
pub mod daemon;
pub mod domain;
#[cfg(feature = "ffmpeg")]
pub mod evaluation;
pub mod evidence;
pub mod inference;
pub mod media;
pub mod mqtt;
pub mod pipeline;
pub mod scene;
pub mod signing;
pub mod spool;
pub mod store;
pub mod telemetry;
