//! A clip file as a source, as fast as it goes.

use std::path::{Path, PathBuf};

use super::boundary::{FrameSource, SourceEvent};
use crate::config::DecodeMode;
use crate::domain::Timestamp;
use crate::domain::camera::{LookPlan, StreamInfo};

/// Why a clip cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("clip {}: {reason}", path.display())]
pub struct ClipError {
    /// The clip.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The pictures of a clip: same file and same sequence of plans, same frames.
/// `captured_at` is `start` plus the picture's time in the clip.
#[derive(Debug)]
pub struct ClipSource {}

impl ClipSource {
    /// Opens and indexes a clip. Blocks for as long as it takes to read the file once.
    pub fn open(path: &Path, start: Timestamp, decode: DecodeMode) -> Result<Self, ClipError> {
        todo!("{path:?} {start} {decode:?}")
    }

    /// What the clip is.
    #[must_use]
    pub fn info(&self) -> &StreamInfo {
        todo!()
    }
}

impl FrameSource for ClipSource {
    async fn next(&mut self, plan: LookPlan) -> SourceEvent {
        todo!("{plan:?}")
    }
}
