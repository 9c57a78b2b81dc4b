//! Integration tests: detection.
