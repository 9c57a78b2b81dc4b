//! Real servers and paths that several tests share.

pub(crate) mod broker;
pub(crate) mod scripted_broker;
