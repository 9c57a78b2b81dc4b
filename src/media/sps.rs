//! sps
