//! The directory transport.
