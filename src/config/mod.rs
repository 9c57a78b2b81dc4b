//! Configuration: TOML text → raw tables → a validated [`Config`], all mistakes at once.

pub mod model;

pub use model::*;
