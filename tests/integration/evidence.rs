//! Integration tests: evidence.
