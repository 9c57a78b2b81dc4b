//! Everything that touches a camera's bytes. Only `boundary` is seen from outside.

pub mod boundary;
