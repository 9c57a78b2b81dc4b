//! Real servers and paths that several tests share.

pub(crate) mod authority;
pub(crate) mod broker;
pub(crate) mod clips;
pub(crate) mod data;
pub(crate) mod ejabberd;
pub(crate) mod hostile;
pub(crate) mod hub;
pub(crate) mod incident;
pub(crate) mod lab;
pub(crate) mod rtsp;
pub(crate) mod scripted_broker;
