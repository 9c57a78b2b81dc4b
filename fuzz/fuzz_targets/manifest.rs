//! Manifests of models.
#![no_main]

use std::path::Path;

use gridwatch::inference::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Manifest::parse(text, Path::new("fuzz.toml"), None) {
        Ok(manifest) => assert_eq!(manifest.labels.len(), manifest.roles.len()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
