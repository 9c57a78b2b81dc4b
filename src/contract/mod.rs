//! What the platform sees: messages, topics, schemas. Knows the domain, and nothing of how messages travel.
//!
//! Outgoing messages are plain `serde` structs whose bytes are fixed once they are built; incoming ones
//! are checked for size and depth before they are parsed. The JSON Schemas and the `AsyncAPI` description
//! in the folder `contract/` are the public form of the same thing, held together by this module's tests.

pub mod camera_state;
pub mod catalogue;
pub mod command;
pub mod feedback;
pub mod grid_event;
pub mod inbound;
pub mod info;
pub mod key_id;
mod listing;
pub mod metrics;
pub mod schema;
pub mod sequence;
pub mod signature;
pub mod state;
pub mod time;
pub mod topics;

#[cfg(test)]
mod tests;
