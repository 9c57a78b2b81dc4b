//! The process environment. Nothing else in the program reads it.
#![allow(clippy::disallowed_methods, reason = "the environment is read here, and only here")]

use std::fmt;

/// Where environment variables come from.
pub trait Environment: fmt::Debug {
    /// Value of a variable that is set, not empty, and text.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        // `std::env::var` panics on such names.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// A fixed set of variables.
impl Environment for std::collections::BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).cloned()
    }
}
