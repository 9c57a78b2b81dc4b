//! gop_ring
