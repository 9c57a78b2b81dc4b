//! Real servers and paths that several tests share.
