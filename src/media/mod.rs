//! Everything that touches a camera's bytes. Other folders see `boundary`, and the entry points
//! `live::Media`, `clip::ClipSource`, `probe::probe` and `auth`; no type of the RTSP or decoding
//! library appears in their signatures.
//!
//! ```text
//! rtsp │ file ──AccessUnit──▶ camera (one task each: ring, rate, health) ──DecodeJob──▶ pool ──▶ mailbox ──▶ FrameSource
//! ```

mod access_unit;
pub mod auth;
pub mod boundary;
#[cfg(feature = "ffmpeg")]
mod camera;
#[cfg(feature = "ffmpeg")]
mod challenge;
mod choice;
#[cfg(feature = "ffmpeg")]
pub mod clip;
#[cfg(feature = "ffmpeg")]
mod decoder;
#[cfg(feature = "ffmpeg")]
mod desk;
#[cfg(feature = "ffmpeg")]
mod file;
mod gop_ring;
mod health;
mod ingest;
#[cfg(feature = "ffmpeg")]
pub mod live;
mod mailbox;
#[cfg(feature = "ffmpeg")]
mod pool;
#[cfg(feature = "ffmpeg")]
pub mod probe;
mod rate;
mod rtsp;
#[cfg(feature = "ffmpeg")]
mod session;
mod sps;
mod stream_clock;
