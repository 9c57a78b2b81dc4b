//! The one integration-test binary.

mod cli;
mod detection;
mod evidence;
mod media;
mod mqtt;
mod replay;
mod store;
mod support;
mod tidy;
mod unit_file;
