//! The messages between the pipeline and whatever reads cameras.
//!
//! Nothing here holds a type of the RTSP or decoding library, so that the other side can become a
//! process of its own without a change on this side.

use std::future::Future;
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::domain::camera::{LookPlan, StreamInfo, StreamState};
use crate::domain::frame::Frame;

/// Gives the pictures of one camera or clip.
pub trait FrameSource: Send {
    /// The next thing that happens, given when the next picture is wanted. Cancel-safe: a call that
    /// is dropped loses nothing, and the next call may bring another plan.
    fn next(&mut self, plan: LookPlan) -> impl Future<Output = SourceEvent> + Send;
}

/// What a source has to say.
#[derive(Debug, Clone)]
pub enum SourceEvent {
    /// A picture at or after the wanted moment.
    Frame(Arc<Frame>),
    /// The state of the stream changed.
    State(StreamReport),
    /// The stream turned out to be this, or changed into it.
    Info(StreamInfo),
    /// A clip has ended, or the source was stopped: nothing follows.
    Ended,
}

/// A change of a stream's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// The new state.
    pub state: StreamState,
    /// Since when.
    pub at: Timestamp,
    /// In words a field installer understands; never holds a credential.
    pub detail: String,
}
