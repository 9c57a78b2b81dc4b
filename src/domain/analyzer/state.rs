//! What an analyzer remembers, in a form that can be stored.

use serde::{Deserialize, Serialize};

use super::LOST_AFTER;
use super::watch::WatchRecord;
use crate::domain::Timestamp;
use crate::domain::scene::{ViewMonitor, ViewState};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::{after, elapsed};
use crate::domain::tracker::Tracker;

/// Everything of a camera that survives a restart and a change of the configuration: baseline,
/// furniture, candidates, open incidents, cool-downs. Its inside is the analyzer's own; a stored one
/// that cannot be read any more is to be dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalyzerState {
    pub(super) core: Core,
    pub(super) watches: Vec<WatchRecord>,
}

impl AnalyzerState {
    /// The latest moment the analyzer has decided anything at. A clock that starts earlier (a box
    /// without a battery) has to be brought up to it first: frames from before it are ignored.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.core.now
    }
}

/// What is known of the camera as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Core {
    /// The latest moment anything was decided at; never runs backwards.
    pub(super) now: Timestamp,
    pub(super) last_look: Option<Timestamp>,
    pub(super) last_usable: Option<Timestamp>,
    pub(super) down_since: Option<Timestamp>,
    pub(super) blind_since: Option<Timestamp>,
    pub(super) view: ViewMonitor,
    pub(super) tracker: Tracker,
    pub(super) snapshots: Snapshots,
}

impl Core {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            last_look: None,
            last_usable: None,
            down_since: None,
            blind_since: None,
            view: ViewMonitor::default(),
            tracker: Tracker::default(),
            snapshots: Snapshots::new(),
        }
    }

    /// Goes on at `now`. Time in which this program did not run says nothing about the camera, so it
    /// does not count as time without pictures.
    pub(super) fn resumed(mut self, now: Timestamp) -> Self {
        let away = elapsed(self.now, now);
        for since in [&mut self.down_since, &mut self.blind_since] {
            *since = since.map(|since| after(since, away));
        }
        self.now = self.now.max(now);
        self
    }

    /// Notes since when the view has been of no use, and since when it is again.
    pub(super) fn note_view(&mut self, at: Timestamp) {
        if self.view.state() == ViewState::Clear {
            self.blind_since = None;
        } else {
            self.blind_since.get_or_insert(at);
        }
    }

    /// When the camera counts as lost, if it stays as it is.
    pub(super) fn lost_at(&self) -> Option<Timestamp> {
        self.down_since.map(|since| after(since, LOST_AFTER))
    }

    /// When nothing can be said of the zones any more, if the view stays as it is.
    pub(super) fn blind_at(&self) -> Option<Timestamp> {
        self.blind_since.map(|since| after(since, LOST_AFTER))
    }
}
