//! The life of incidents: one rule's, one after the other.
//!
//! ```text
//!             met, not silent                    clear_after unseen, camera lost, view changed, …
//!   nothing ───────────────────▶ open ──────────────────────────────────────────▶ ended
//!                                 ▲  updates: ≥ 25 % change, 30 min, verification    │
//!                                 └──────── back within reopen_within: same id ──────┘
//! ```
//! An incident opens, is updated and is cleared at a look, never at a timer, because its picture is
//! its proof. Timers end what looks cannot: a lost camera, a verification nobody could make, too long
//! a duration, a schedule's end.

mod incident;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;
use super::camera::CameraId;
use super::feedback::{Feedback, Verdict};
use super::ids::IdGenerator;
use super::incident::{CloseReason, EvidenceRef, EvidenceRole, IncidentTransition, Kind, Phase};
use super::rules::params::Common;
use super::rules::{Assessment, Sight};
use super::snapshots::Snapshots;
use super::time::{after, elapsed};
use incident::{Ended, OpenIncident};

/// Never more than one update in this time.
pub(crate) const UPDATE_SPACING: Duration = Duration::from_secs(60);
/// A new incident names the last one of its zone, if that ended no longer ago.
const RELATED_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// From "handled" to the look that verifies it.
pub(crate) const VERIFY_AFTER: Duration = Duration::from_secs(120);
/// How long a verification may wait for usable pictures.
pub(crate) const VERIFY_PATIENCE: Duration = Duration::from_secs(120);

/// Everything an incident touches when it takes a step.
pub(crate) struct Desk<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) ids: &'a mut dyn IdGenerator,
    pub(crate) snapshots: &'a mut Snapshots,
    pub(crate) out: &'a mut VecDeque<IncidentTransition>,
    /// The platform wants to hear nothing new of this kind now.
    pub(crate) muted: bool,
}

impl Desk<'_> {
    /// Asks for the picture at hand as proof of an incident of this kind in this zone.
    fn keep(&mut self, (kind, zone): (Kind, &str), role: EvidenceRole, at: Timestamp) -> EvidenceRef {
        match kind {
            Kind::Crowding => self.snapshots.keep_crowd(zone, role, at),
            Kind::Dumping if role == EvidenceRole::Confirmed => self.snapshots.keep_with_original(role, at),
            Kind::Encroachment | Kind::Dumping => self.snapshots.keep(role, at),
        }
    }
}

/// The step that ends, at `at`, an incident that was last told as `latest`, not closed, and that no
/// analyzer knows any more because its state was lost.
///
/// The reason is `camera_lost`: of the contract's reasons only that one and `view_changed` mean *no
/// longer known*, and nothing is known of a changed view either. It claims neither that the incident
/// was solved, nor that it never was one, nor that another took its place. It is not dated before
/// `latest`, even if the clock is.
#[must_use]
pub fn orphaned(latest: &IncidentTransition, at: Timestamp) -> IncidentTransition {
    IncidentTransition {
        revision: latest.revision.saturating_add(1),
        phase: Phase::Closed(CloseReason::CameraLost),
        at: at.max(latest.at),
        cleared: None,
        evidence: Vec::new(),
        verification: None,
        ..latest.clone()
    }
}

/// What the rule has to know of its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing changed.
    None,
    /// An incident was opened or re-opened and took the evidence.
    Opened,
    /// It ended.
    Closed(CloseReason),
}

/// One rule's incident, the one before, and whether the zone has to be silent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    open: Option<OpenIncident>,
    ended: Option<Ended>,
    silent_until: Option<Timestamp>,
}

impl Lifecycle {
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn open_incident(&self) -> Option<Uuid> {
        self.open.as_ref().map(OpenIncident::id)
    }

    pub(crate) fn is_about(&self, event_id: Uuid) -> bool {
        self.open.as_ref().is_some_and(|incident| incident.id() == event_id)
            || self.ended.as_ref().is_some_and(|ended| ended.last.event_id == event_id)
    }

    pub(crate) fn wants_dense_looks(&self, at: Timestamp) -> bool {
        self.open.as_ref().is_some_and(|incident| incident.verification().is_due(at))
            || self.ended.as_ref().is_some_and(|ended| self.open.is_none() && ended.verification().is_due(at))
    }

    /// When a verification wants its first look.
    pub(crate) fn next_look(&self) -> Option<Timestamp> {
        match (&self.open, &self.ended) {
            (Some(incident), _) => incident.verification().due(),
            (None, ended) => ended.as_ref().and_then(|ended| ended.verification().due()),
        }
    }

    /// Takes in one look's assessment.
    pub(crate) fn observe(
        &mut self,
        at: Timestamp,
        seen: Assessment,
        common: &Common,
        kind: Kind,
        desk: &mut Desk<'_>,
    ) -> Outcome {
        if let Some(incident) = &mut self.open {
            return match incident.follow(at, &seen, common, desk) {
                Some(CloseReason::Superseded) => {
                    self.close(CloseReason::Superseded, at, None, desk);
                    self.open_new(at, seen, common, kind, desk);
                    Outcome::Opened
                }
                Some(reason) => {
                    let cleared = incident.absent_since();
                    self.close(reason, at, cleared, desk);
                    Outcome::Closed(reason)
                }
                None => Outcome::None,
            };
        }
        if self.silent_until.is_some_and(|until| at < until) {
            return Outcome::None;
        }
        match self.ended.take() {
            Some(ended) if seen.back && !desk.muted && ended.may_continue(at, common) => {
                self.open = Some(OpenIncident::reopen(ended, at, &seen, desk));
                Outcome::Opened
            }
            ended => {
                self.ended = ended;
                if let Some(ended) = &mut self.ended {
                    ended.try_verification(at, seen.back, desk);
                }
                if !seen.met || desk.muted {
                    return Outcome::None;
                }
                self.open_new(at, seen, common, kind, desk);
                Outcome::Opened
            }
        }
    }

    fn open_new(&mut self, at: Timestamp, seen: Assessment, common: &Common, kind: Kind, desk: &mut Desk<'_>) {
        // A thing that outlived its last incident is first seen, as this one, at that one's end: two
        // incidents never share a rule and a first sight, from which replayed ids are made.
        let first_seen = self.ended.as_ref().map_or(seen.first_seen, |ended| seen.first_seen.max(ended.open_until()));
        let related = self.ended.as_ref().filter(|ended| elapsed(ended.at(), at) <= RELATED_WITHIN);
        let related = related.map(|ended| ended.last.event_id);
        let event_id = desk.ids.next_id(desk.camera, &common.id, first_seen);
        let seen = Assessment { first_seen, ..seen };
        self.open = Some(OpenIncident::open(event_id, related, at, seen, common, kind, desk));
    }

    /// Ends the open incident, if there is one.
    pub(crate) fn close(
        &mut self,
        reason: CloseReason,
        at: Timestamp,
        cleared: Option<Timestamp>,
        desk: &mut Desk<'_>,
    ) -> bool {
        let Some(incident) = self.open.take() else { return false };
        let cleared = cleared.filter(|_| reason == CloseReason::Cleared);
        self.ended = Some(incident.end(reason, at, cleared, desk));
        true
    }

    /// Opens nothing before `until`.
    pub(crate) fn silence(&mut self, until: Timestamp) {
        self.silent_until = Some(self.silent_until.map_or(until, |known| known.max(until)));
    }

    /// Acts on the platform's word about the incident that [`Self::is_about`] named.
    pub(crate) fn handle_feedback(
        &mut self,
        feedback: &Feedback,
        at: Timestamp,
        common: &Common,
        desk: &mut Desk<'_>,
    ) -> Outcome {
        match feedback.verdict {
            Verdict::Rejected | Verdict::FalseAlarm => {
                self.silence(after(at, common.cool_down));
                if let Some(ended) = &mut self.ended {
                    ended.last.phase = Phase::Closed(CloseReason::Retracted);
                }
                let closed = self.close(CloseReason::Retracted, at, None, desk);
                return if closed { Outcome::Closed(CloseReason::Retracted) } else { Outcome::None };
            }
            Verdict::Handled { .. } | Verdict::Verify { .. } => self.note_question(feedback.verdict, at),
            Verdict::Closed => {
                if let Some(incident) = &mut self.open {
                    incident.settle(at);
                } else if let Some(ended) = &mut self.ended {
                    ended.finish();
                }
            }
        }
        Outcome::None
    }

    /// Says the last word on this incident again. False if it is not known any more.
    pub(crate) fn retell(&mut self, event_id: Uuid, at: Timestamp, desk: &mut Desk<'_>) -> bool {
        if let Some(incident) = self.open.as_mut().filter(|incident| incident.id() == event_id) {
            incident.retell(at, desk);
        } else if let Some(ended) = self.ended.as_mut().filter(|ended| ended.last.event_id == event_id) {
            ended.retell(at, desk);
        } else {
            return false;
        }
        true
    }

    /// A look is wanted that says how things stand; the incident's end answers as well.
    pub(crate) fn note_question(&mut self, verdict: Verdict, at: Timestamp) {
        match verdict {
            Verdict::Handled { verify: true, seq } => self.verify(after(at, VERIFY_AFTER), seq),
            Verdict::Verify { seq } => self.verify(at, seq),
            Verdict::Handled { verify: false, .. } | Verdict::Rejected | Verdict::FalseAlarm | Verdict::Closed => {}
        }
    }

    fn verify(&mut self, due: Timestamp, seq: Option<u64>) {
        if let Some(incident) = &mut self.open {
            incident.verify(due, seq);
        } else if let Some(ended) = &mut self.ended {
            ended.verify(due, seq);
        }
    }

    /// The next moment at which [`Self::fire`] has something to do.
    pub(crate) fn next_deadline(&self, common: &Common) -> Option<Timestamp> {
        let ended = self.ended.as_ref().and_then(Ended::verification_deadline);
        let open = self.open.as_ref();
        let (asked, longest) = (open.and_then(OpenIncident::verification_deadline), open.map(|o| o.ends_at(common)));
        [ended, asked, longest].into_iter().flatten().min()
    }

    /// Does what is due at `at`.
    pub(crate) fn fire(&mut self, at: Timestamp, common: &Common, desk: &mut Desk<'_>) -> Outcome {
        if let Some(ended) = self.ended.as_mut().filter(|ended| ended.verification_deadline().is_some_and(|d| d <= at))
        {
            ended.cannot_tell(at, desk);
        }
        let Some(incident) = &mut self.open else { return Outcome::None };
        if incident.verification_deadline().is_some_and(|deadline| deadline <= at) {
            incident.cannot_tell(at, desk);
        }
        if incident.ends_at(common) <= at {
            self.close(CloseReason::MaxDuration, at, None, desk);
            return Outcome::Closed(CloseReason::MaxDuration);
        }
        Outcome::None
    }
}

/// Role of the picture that goes with a step made at a look.
fn closing_role(seen: Sight) -> EvidenceRole {
    if seen == Sight::NotSeen { EvidenceRole::Closed } else { EvidenceRole::Latest }
}
