//! What the platform has ordered of one camera and waits for.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::contract::grid_event::Redaction;
use crate::domain::camera::LookPlan;
use crate::domain::incident::Kind;
use crate::pipeline::orders::{RulesFeed, RulesInForce};

/// What became of a mute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muted {
    /// What is muted now, and until when.
    pub mutes: BTreeMap<Kind, Timestamp>,
    /// Whether that survives a power cut already.
    pub durable: bool,
}

/// A redacted picture of now.
#[derive(Debug, Clone)]
pub struct PictureOfNow {
    /// The file's bytes.
    pub jpeg: Bytes,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Of `jpeg`, hexadecimal.
    pub sha256: String,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// What was blurred.
    pub redaction: Redaction,
    /// The camera counts people, so their number is not to be told.
    pub banded: bool,
}

/// Why there is no picture of now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// It cannot be redacted.
    #[error("withheld, it could not be redacted: {0}")]
    Withheld(String),
    /// It could not be made.
    #[error("{0}")]
    Failed(String),
}

/// The picture, or why there is none.
pub type SnapshotAnswer = Result<PictureOfNow, NoPicture>;

/// What the platform has ordered and waits for.
#[derive(Debug, Default)]
pub struct Standing {
    /// Other values of rules; `None` in replay.
    pub rules: Option<RulesFeed>,
    pub(super) wanted: Vec<(Timestamp, oneshot::Sender<SnapshotAnswer>)>,
}

impl Standing {
    /// With a feed of rules.
    #[must_use]
    pub fn new(rules: RulesFeed) -> Self {
        Self { rules: Some(rules), wanted: Vec::new() }
    }

    /// Looks sooner where somebody still waits for a picture.
    pub(super) fn hasten(&mut self, plan: LookPlan) -> LookPlan {
        self.wanted.retain(|(_, done)| !done.is_closed());
        let asked = self.wanted.iter().map(|(at, _)| *at).min();
        LookPlan { at: asked.map_or(plan.at, |asked| plan.at.min(asked)), ..plan }
    }

    pub(super) async fn next_rules(&mut self) -> (RulesInForce, Timestamp) {
        match &mut self.rules {
            Some(rules) => rules.changed().await,
            None => std::future::pending().await,
        }
    }
}

/// Pictures of one camera that are waited for at a time.
pub(super) const MOST_WANTED: usize = 4;
