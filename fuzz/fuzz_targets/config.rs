//! The configuration: text to a validated model, or to findings.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(errors) = gridwatch::config::parse(text, Path::new("fuzz.toml")) {
        assert!(!errors.to_string().is_empty());
    }
});
