//! Real servers and paths that several tests share.

pub(crate) mod clips;
pub(crate) mod data;
pub(crate) mod rtsp;
