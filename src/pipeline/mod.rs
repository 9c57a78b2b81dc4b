//! The only place that knows two adapters at once: pictures in, incidents out, messages away.
//!
//! ```text
//! FrameSource ─▶ analyze ─▶ IncidentSink ─▶ store ─▶ publish ─▶ MQTT | spool
//!                 │   ▲
//!           infer ▼   │ CameraInput (feedback, requests to look)
//! ```

pub mod analyze;
pub mod board;
#[cfg(feature = "ffmpeg")]
pub mod cameras;
pub mod coverage;
#[cfg(feature = "ffmpeg")]
pub mod deliver;
pub mod infer;
pub mod ledger;
#[cfg(feature = "ffmpeg")]
pub mod link;
#[cfg(feature = "ffmpeg")]
pub mod live;
#[cfg(feature = "ffmpeg")]
pub mod machine;
pub mod message;
pub mod models;
pub mod orders;
pub mod picture;
pub mod progress;
pub mod publish;
#[cfg(feature = "ffmpeg")]
pub mod replay;
pub mod retell;
pub mod salvage;
pub mod see;
#[cfg(feature = "ffmpeg")]
pub mod test_event;
#[cfg(feature = "ffmpeg")]
pub mod try_out;
