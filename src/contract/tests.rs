//! Tests of the contract against its published descriptions.
