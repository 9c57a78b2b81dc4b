//! The only place that knows two adapters at once.
