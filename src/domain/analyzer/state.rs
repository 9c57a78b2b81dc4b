//! What an analyzer remembers, in a form that can be stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LOST_AFTER;
use super::watch::WatchRecord;
use crate::domain::feedback::Feedback;
use crate::domain::incident::Kind;
use crate::domain::scene::{ViewMonitor, ViewState};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::{after, elapsed, moved};
use crate::domain::tracker::Tracker;
use crate::domain::{SignedDuration, Timestamp};

/// Everything of a camera that survives a restart and a change of the configuration: baseline,
/// furniture, candidates, open incidents, cool-downs. Its inside is the analyzer's own; a stored one
/// that cannot be read any more is to be dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalyzerState {
    pub(super) core: Core,
    pub(super) watches: Vec<WatchRecord>,
}

impl AnalyzerState {
    /// The latest moment the analyzer has decided anything at. Where the clock is behind it, because
    /// it was set back or the box has no battery for it, `CameraAnalyzer::new` moves the state; the
    /// difference is worth a line in the log.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.core.now
    }

    /// What the platform asked before the program stopped, and no analyzer has heard yet: where nobody watches the
    /// incident any more, its end is the answer.
    pub fn note_question(&mut self, feedback: &Feedback) {
        let at = self.as_of();
        for record in &mut self.watches {
            record.note_question(feedback, at);
        }
    }

    /// The state as it would be, had everything happened earlier by what it is ahead of `now`: every
    /// moment in it is moved by the same amount, so that dwell times, cool-downs and deadlines keep
    /// their lengths. `None` if it is not of this version.
    pub(super) fn not_after(self, now: Timestamp) -> Option<Self> {
        let ahead = elapsed(now, self.as_of());
        if ahead.is_zero() {
            return Some(self);
        }
        self.moved(-SignedDuration::try_from(ahead).ok()?)
    }

    /// The state as it would be, had everything happened later by `by`, or earlier where that is negative. `None` if it is
    /// not of this version.
    #[must_use]
    pub fn moved(self, by: SignedDuration) -> Option<Self> {
        if by.is_zero() {
            return Some(self);
        }
        // The stored form names every moment, also those of rules that do not know of clocks.
        let mut stored = serde_json::to_value(self).ok()?;
        move_all(&mut stored, by);
        serde_json::from_value(stored).ok()
    }
}

/// Moves every moment in `stored`. Only a moment reads as one in full: names of rules and zones hold
/// no colon.
fn move_all(stored: &mut Value, by: SignedDuration) {
    match stored {
        Value::String(text) => {
            if let Ok(moment) = text.parse::<Timestamp>()
                && moment.to_string() == *text
            {
                *text = moved(moment, by).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_all(item, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| move_all(field, by)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is known of the camera as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Core {
    /// The latest moment anything was decided at; never runs backwards.
    pub(super) now: Timestamp,
    pub(super) last_look: Option<Timestamp>,
    pub(super) last_usable: Option<Timestamp>,
    /// The latest look that failed.
    pub(super) failed_look: Option<Timestamp>,
    /// Up to when the pictures are accounted for: the last good look, or the start.
    pub(super) seen_until: Timestamp,
    pub(super) blind_since: Option<Timestamp>,
    pub(super) view: ViewMonitor,
    pub(super) tracker: Tracker,
    pub(super) snapshots: Snapshots,
    /// Kinds of which the platform wants to hear nothing new, and until when.
    #[serde(default)]
    pub(super) mutes: BTreeMap<Kind, Timestamp>,
}

impl Core {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            last_look: None,
            last_usable: None,
            failed_look: None,
            seen_until: now,
            blind_since: None,
            view: ViewMonitor::default(),
            tracker: Tracker::default(),
            snapshots: Snapshots::new(),
            mutes: BTreeMap::new(),
        }
    }

    /// Goes on at `now`. Time in which this program did not run says nothing about the camera, so it
    /// does not count as time without pictures.
    pub(super) fn resumed(mut self, now: Timestamp) -> Self {
        let away = elapsed(self.now, now);
        self.seen_until = after(self.seen_until, away);
        self.blind_since = self.blind_since.map(|since| after(since, away));
        self.snapshots.resume();
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

    /// The latest try at a look, good or not.
    pub(super) fn last_try(&self) -> Option<Timestamp> {
        self.last_look.max(self.failed_look)
    }

    /// When the camera counts as lost, if no look succeeds before.
    pub(super) fn lost_at(&self) -> Timestamp {
        after(self.seen_until, LOST_AFTER)
    }

    /// When nothing can be said of the zones any more, if the view stays as it is.
    pub(super) fn blind_at(&self) -> Option<Timestamp> {
        self.blind_since.map(|since| after(since, LOST_AFTER))
    }
}
