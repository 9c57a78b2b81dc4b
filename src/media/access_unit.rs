//! access_unit
