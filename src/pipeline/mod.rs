//! The only place that knows two adapters at once: pictures in, incidents out, messages away.
//!
//! ```text
//! FrameSource ─▶ analyze ─▶ IncidentSink ─▶ store ─▶ publish ─▶ MQTT | spool
//!                 │   ▲
//!           infer ▼   │ CameraInput (feedback, requests to look)
//! ```

pub mod analyze;
pub mod infer;
pub mod progress;
pub mod see;
