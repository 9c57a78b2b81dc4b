//! Empties the outbox: to a broker, or into a directory. Load → publish → acknowledge → delete, in that
//! order only.

pub mod commands;
pub mod flight;
pub mod gate;
pub mod metrics;
pub mod mqtt;
pub mod refusals;
pub mod retained;
#[cfg(feature = "ffmpeg")]
pub mod spool;
mod suspects;
mod window;
