//! Redacted JPEGs from decoded pictures.
