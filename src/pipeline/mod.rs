//! The only place that knows two adapters at once: pictures in, incidents out, messages away.
//!
//! ```text
//! FrameSource ─▶ analyze ─▶ IncidentSink ─▶ store ─▶ publish ─▶ MQTT | spool
//!                 │   ▲
//!           infer ▼   │ CameraInput (feedback, requests to look)
//! ```

pub mod analyze;
pub mod board;
pub mod coverage;
pub mod deliver;
pub mod infer;
pub mod ledger;
pub mod link;
pub mod live;
pub mod message;
pub mod models;
pub mod progress;
pub mod publish;
pub mod replay;
pub mod see;
