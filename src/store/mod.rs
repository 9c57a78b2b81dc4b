//! What must survive a power cut: outbox, timeline, evidence files, analyzer state, authentication stops.
