//! Everything that touches a camera's bytes. Other folders see `boundary`, and the entry points
//! `workers::Workers`, `worker::run`, `live::Media`, `clip::ClipSource`, `workers::probe`, `probe::probe` and `auth`; no type
//! of the RTSP or decoding library appears in their signatures.
//!
//! ```text
//! rtsp │ file ──AccessUnit──▶ camera (one task each: ring, rate, health) ──DecodeJob──▶ pool ──▶ mailbox ──▶ FrameSource
//!
//! gateway:  FrameSource ◀── mailbox ◀── workers ─┬─ wire ─▶ worker (a process, its rights given up): all of the above
//!                                                └─ wire ─▶ worker …
//! ```

pub mod auth;
pub mod boundary;

#[cfg(feature = "ffmpeg")]
mod access_unit;
#[cfg(feature = "ffmpeg")]
mod camera;
#[cfg(feature = "ffmpeg")]
mod challenge;
#[cfg(feature = "ffmpeg")]
mod choice;
#[cfg(feature = "ffmpeg")]
pub mod clip;
#[cfg(feature = "ffmpeg")]
mod decoder;
#[cfg(feature = "ffmpeg")]
mod file;
#[cfg(all(fuzzing, feature = "ffmpeg"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "ffmpeg")]
mod gate;
#[cfg(feature = "ffmpeg")]
mod gop_ring;
#[cfg(feature = "ffmpeg")]
mod health;
#[cfg(feature = "ffmpeg")]
mod ingest;
#[cfg(feature = "ffmpeg")]
pub mod live;
#[cfg(feature = "ffmpeg")]
mod mailbox;
#[cfg(feature = "ffmpeg")]
mod pool;
#[cfg(feature = "ffmpeg")]
pub mod probe;
#[cfg(feature = "ffmpeg")]
mod rate;
#[cfg(feature = "ffmpeg")]
mod rtsp;
#[cfg(feature = "ffmpeg")]
mod selector;
#[cfg(feature = "ffmpeg")]
mod session;
#[cfg(feature = "ffmpeg")]
mod sps;
#[cfg(feature = "ffmpeg")]
mod stream_clock;
#[cfg(feature = "ffmpeg")]
mod wire;
#[cfg(feature = "ffmpeg")]
pub mod worker;
#[cfg(feature = "ffmpeg")]
pub mod workers;
