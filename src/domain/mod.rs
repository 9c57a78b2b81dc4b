//! The product's judgement, as pure data and functions.
//!
//! Nothing here is asynchronous, reads a clock, touches a file or logs: time is an argument, and the
//! same inputs give the same outputs, byte for byte. `serde` derives are allowed on state that must
//! survive a restart; formats and storage live above.

pub mod analyzer;
pub mod backoff;
pub mod budget;
pub mod camera;
pub mod detection;
pub mod feedback;
pub mod frame;
pub mod gateway;
pub mod geometry;
pub mod ids;
pub mod incident;
pub mod lifecycle;
pub mod rules;
pub mod scene;
pub mod schedule;
mod snapshots;
pub mod time;
pub mod tracker;
pub mod zone;

pub use jiff::{SignedDuration, Timestamp};
