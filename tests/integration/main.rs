//! The one integration-test binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod cli;
mod clips;
mod commands;
mod demo;
mod detection;
mod doctor;
mod evaluation;
mod evidence;
mod main_job;
mod media;
mod models;
mod mqtt;
mod outbox;
mod replay;
mod retention;
#[cfg(feature = "onnx")]
mod runtime;
mod service;
mod signing;
mod store;
mod support;
mod tidy;
mod torture;
mod unit_file;
