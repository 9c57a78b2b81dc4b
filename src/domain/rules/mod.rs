//! The three rules.

pub mod params;
