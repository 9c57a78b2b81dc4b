//! The catalogue of public models, and fetching from it.
//!
//! ```text
//! catalogue.toml ── Entry (address, bytes, SHA-256) ── source::address ── http ──▶ NAME.onnx.part
//!                                                                                     │ size and SHA-256 agree
//!                                                                                     ▼ fsync, rename, fsync
//!                                                                                 NAME.onnx
//! ```
//!
//! What is fetched is checked against the catalogue and never against what the server says of it, so any
//! mirror will do. Knows nothing of what is in a model: manifests pass through as text.

mod entry;
mod error;
mod fetch;
mod http;
mod part;
mod source;
#[cfg(test)]
mod tests;

pub use entry::{Catalogue, CatalogueError, Entry, SourceOfFact};
pub use error::FetchError;
pub use fetch::{Fetch, Outcome, Step};
pub use http::{Client, Proxy};
pub use part::{is_here, part_file, write_new};
pub use source::{Mirror, MirrorError};
