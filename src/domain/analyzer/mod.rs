//! The façade: one camera's pictures go in, incidents come out.
//!
//! Sans-IO: the owner feeds `handle_*`, then drains `poll_transition` and `poll_snapshot` to `None`
//! before the next input, and asks `poll_look` and `poll_timeout` when to come back. The same loop
//! serves live and replay.

mod orders;
mod state;
mod watch;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use super::camera::{CameraId, LookPlan, StreamState};
use super::feedback::Feedback;
use super::frame::AnalyzedFrame;
use super::ids::IdGenerator;
use super::incident::{CloseReason, IncidentTransition, SnapshotRequest};
use super::lifecycle::Desk;
use super::rules::params::Rule;
use super::rules::{Claim, Look};
use super::scene::ViewState;
use super::time::{after, elapsed};
use super::zone::Zone;
use super::{SignedDuration, Timestamp};

pub use state::AnalyzerState;
use state::Core;
use watch::Watch;

/// Without usable pictures for this long, what was going on is no longer known: open incidents close
/// as `camera_lost` (no pictures) or `view_changed` (a covered lens, darkness).
pub const LOST_AFTER: Duration = Duration::from_secs(600);
/// Time between looks while a rule holds a candidate.
const DENSE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between looks while no rule applies: enough to know the view.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);

/// What one camera's analyzer is told once.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzerConfig {
    /// The camera.
    pub camera: CameraId,
    /// Time between two looks while nothing happens.
    pub look_interval: Duration,
    /// Every zone of the camera.
    pub zones: Vec<Zone>,
    /// What to look for; a rule whose zone is missing is ignored.
    pub rules: Vec<Rule>,
    /// Whether the detector has a class for heaps of muck.
    pub knows_piles: bool,
}

/// Decides, for one camera, what is going on.
#[derive(Debug)]
pub struct CameraAnalyzer {
    camera: CameraId,
    look_interval: Duration,
    knows_piles: bool,
    ids: Box<dyn IdGenerator>,
    core: Core,
    ground: Vec<Zone>,
    watches: Vec<Watch>,
    out: VecDeque<IncidentTransition>,
}

impl CameraAnalyzer {
    /// An analyzer that starts at `now`, not later than the first frame's time. It goes on from
    /// `saved`, the state of an earlier one of the same camera: what is still configured (same rule,
    /// zone and kind) keeps its incidents, and the others' close as `rule_disabled` at once, to be
    /// fetched with [`Self::poll_transition`].
    ///
    /// A state from after `now` is one from before the clock was set back. Which of the two times was
    /// right cannot be known, so the state goes on at `now` with all its moments moved back by the
    /// difference: nothing waits for the clock to catch up, and every span keeps its length. One that
    /// cannot be moved is dropped; see [`Self::open_incidents`] for what that leaves behind.
    #[must_use]
    pub fn new(
        config: AnalyzerConfig,
        ids: Box<dyn IdGenerator>,
        saved: Option<AnalyzerState>,
        now: Timestamp,
    ) -> Self {
        let AnalyzerConfig { camera, look_interval, zones, rules, knows_piles } = config;
        let digs =
            |zone: &&Zone| rules.iter().any(|rule| matches!(rule, Rule::Dumping(rule) if rule.common.zone == zone.id));
        let ground = zones.iter().filter(digs).cloned().collect();
        let zone_of = |rule: &Rule| zones.iter().find(|zone| zone.id == rule.common().zone);
        let claims: Vec<Claim> = rules.iter().filter_map(|rule| Claim::of(rule, zone_of(rule)?)).collect();
        let watches = rules.into_iter().filter_map(|rule| {
            let zone = zone_of(&rule)?.clone();
            Some(Watch::new(rule, zone, claims.clone()))
        });
        let watches = watches.collect();
        let look_interval = look_interval.max(Duration::from_millis(100));
        let mut analyzer = Self {
            camera,
            look_interval,
            knows_piles,
            ids,
            core: Core::new(now),
            ground,
            watches,
            out: VecDeque::new(),
        };
        if let Some(saved) = saved.and_then(|saved| saved.not_after(now)) {
            analyzer.restore(saved, now);
        }
        analyzer
    }

    fn restore(&mut self, saved: AnalyzerState, now: Timestamp) {
        let AnalyzerState { core, watches } = saved;
        self.core = core.resumed(now);
        for record in watches {
            match self.watches.iter_mut().find(|watch| watch.is_continued_by(&record)) {
                Some(watch) => watch.restore(record),
                None => record
                    .disable(self.core.now, &mut desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out)),
            }
        }
    }

    /// Takes in one look. A frame that is not younger than the last one is ignored.
    pub fn handle_frame(&mut self, frame: &AnalyzedFrame) {
        if self.core.last_look.is_some_and(|last| frame.captured_at <= last) {
            return;
        }
        self.advance(frame.captured_at);
        let at = self.core.now;
        let previous = self.core.last_look.replace(at);
        self.core.seen_until = at;
        let usable = self.core.view.observe(&frame.scene, at);
        self.core.note_view(at);
        if self.core.view.state() == ViewState::ViewChanged {
            self.close_all(CloseReason::ViewChanged, at);
        }
        if !usable {
            return;
        }
        let track_of = self.core.tracker.update(&frame.detections, &frame.faint, at);
        let gap = self.core.last_usable.replace(at).map_or(Duration::ZERO, |last| elapsed(last, at));
        let since_look = previous.map_or(Duration::ZERO, |last| elapsed(last, at));
        let credit = since_look.min((self.look_interval * 2).max(Duration::from_secs(5)));
        let Self { camera, knows_piles, ids, core, watches, out, .. } = self;
        let (knows_piles, Core { tracker, snapshots, view, mutes, .. }) = (*knows_piles, core);
        let back_since = view.back_since(at);
        for index in 0..watches.len() {
            let spoken_for = watch::spoken_for(watches, index);
            let tracks = tracker.tracks();
            let (track_of, spoken_for) = (&track_of[..], &spoken_for);
            let look = Look { at, gap, credit, back_since, frame, tracks, track_of, spoken_for, knows_piles };
            let muted = mutes.get(&watches[index].kind()).is_some_and(|until| at < *until);
            watches[index].observe(look, &mut Desk { camera, ids: &mut **ids, snapshots, out, muted });
        }
    }

    /// Takes in that the look at the picture of `at` failed: the next one is wanted an interval later,
    /// and the time without good looks goes on.
    pub fn handle_look_failed(&mut self, at: Timestamp) {
        self.advance(at);
        self.core.failed_look = self.core.failed_look.max(Some(at));
    }

    /// Takes in that the stream's state changed at `at`. Whether the camera is lost does not hang on
    /// it: a stream that calls itself well may carry nothing that can be decoded, so what counts is
    /// the time since the last good look.
    pub fn handle_stream_state(&mut self, _state: StreamState, at: Timestamp) {
        self.advance(at);
    }

    /// Takes in the platform's word on an incident, and says whether the incident is known: open, or the last
    /// one of its rule. A word on any other is ignored.
    pub fn handle_feedback(&mut self, feedback: &Feedback, at: Timestamp) -> bool {
        self.advance(at);
        let at = self.core.now;
        let known = self.watches.iter().any(|watch| watch.is_about(feedback.event_id));
        let mut desk = desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out);
        let silence = self.watches.iter_mut().find_map(|watch| watch.handle_feedback(feedback, at, &mut desk));
        if let Some(silence) = silence {
            self.watches.iter_mut().for_each(|watch| watch.respect(&silence));
        }
        known
    }

    /// Fires every timer that is due at `now`, each as of its own deadline.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(deadline) = self.poll_timeout().filter(|deadline| *deadline <= now) {
            self.core.now = self.core.now.max(deadline);
            self.fire();
        }
    }

    fn advance(&mut self, to: Timestamp) {
        self.handle_timeout(to);
        self.core.now = self.core.now.max(to);
    }

    fn fire(&mut self) {
        let at = self.core.now;
        if self.core.lost_at() <= at {
            self.close_all(CloseReason::CameraLost, at);
        }
        if self.core.blind_at().is_some_and(|blind| blind <= at) {
            self.close_all(CloseReason::ViewChanged, at);
        }
        let mut desk = desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out);
        for watch in &mut self.watches {
            watch.fire(at, &mut desk);
        }
    }

    fn close_all(&mut self, reason: CloseReason, at: Timestamp) {
        let mut desk = desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out);
        for watch in &mut self.watches {
            watch.close(reason, at, &mut desk);
        }
    }

    /// UTC is this much ahead of the time line that moments are given on: the schedules of the rules go by UTC.
    pub fn set_correction(&mut self, correction: SignedDuration) {
        self.watches.iter_mut().for_each(|watch| watch.set_correction(correction));
    }

    /// Says the last word on an incident again, because its times are known better now. False if the incident is not known
    /// any more.
    pub fn retell(&mut self, event_id: Uuid, at: Timestamp) -> bool {
        self.advance(at);
        let at = self.core.now;
        let mut desk = desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out);
        self.watches.iter_mut().any(|watch| watch.retell(event_id, at, &mut desk))
    }

    /// The next step of an incident; to be drained after every input and after [`Self::new`].
    pub fn poll_transition(&mut self) -> Option<IncidentTransition> {
        self.out.pop_front()
    }

    /// The next wish for a picture; to be drained after every input, while the frame just handled is
    /// still at hand. A `Keep` only ever follows [`Self::handle_frame`].
    pub fn poll_snapshot(&mut self) -> Option<SnapshotRequest> {
        self.core.snapshots.poll()
    }

    /// When the next picture is wanted, and how large a gap the rules can live with.
    #[must_use]
    pub fn poll_look(&self) -> LookPlan {
        let now = self.core.now;
        let Some(last) = self.core.last_try() else {
            return LookPlan { at: now, max_gap: self.look_interval * 2 };
        };
        if !self.watches.iter().any(|watch| watch.applies(now)) {
            let change = self.watches.iter().filter_map(|watch| watch.next_change(now)).min();
            let idle = after(last, IDLE_INTERVAL.max(self.look_interval));
            return LookPlan { at: change.map_or(idle, |change| change.min(idle)), max_gap: IDLE_INTERVAL * 2 };
        }
        let dense =
            self.core.view.state() == ViewState::Clear && self.watches.iter().any(|watch| watch.wants_dense_looks(now));
        let interval = if dense { self.look_interval.min(DENSE_INTERVAL) } else { self.look_interval };
        let due = self.watches.iter().filter_map(Watch::next_look).filter(|due| *due > last).min();
        let at = after(last, interval);
        LookPlan { at: due.map_or(at, |due| at.min(due)), max_gap: interval * 2 }
    }

    /// When [`Self::handle_timeout`] wants to be called at the latest; `None` while nothing is timed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let open = self.watches.iter().any(Watch::is_open);
        let lost = [Some(self.core.lost_at()), self.core.blind_at()].into_iter().flatten().filter(|_| open);
        self.watches.iter().filter_map(|watch| watch.next_deadline(self.core.now)).chain(lost).min()
    }

    /// The incidents that are being reported. One that was stored as open and is not among them after
    /// [`Self::new`] is nobody's: [`lifecycle::orphaned`](super::lifecycle::orphaned) ends it.
    pub fn open_incidents(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.watches.iter().filter_map(Watch::open_incident)
    }

    /// What can be made of the camera's pictures.
    #[must_use]
    pub fn view(&self) -> ViewState {
        self.core.view.state()
    }

    /// Zones whose ground has to be measured, in the order of the configuration.
    pub fn ground_zones(&self) -> impl Iterator<Item = &Zone> {
        self.ground.iter()
    }

    /// Everything that must survive a restart. Transitions that were not drained are not part of it;
    /// of the wishes, each `Discard` is, so that one may come again after a restart.
    #[must_use]
    pub fn save(&self) -> AnalyzerState {
        AnalyzerState { core: self.core.clone(), watches: self.watches.iter().map(Watch::save).collect() }
    }
}

fn desk<'a>(
    camera: &'a CameraId,
    ids: &'a mut dyn IdGenerator,
    core: &'a mut Core,
    out: &'a mut VecDeque<IncidentTransition>,
) -> Desk<'a> {
    Desk { camera, ids, snapshots: &mut core.snapshots, out, muted: false }
}
