//! One incident between its first and its last report.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::request::Request;
use super::{Desk, UPDATE_SPACING, closing_role};
use crate::domain::Timestamp;
use crate::domain::incident::{CloseReason, EvidenceRole, IncidentTransition, Kind, Phase, VerificationResult};
use crate::domain::rules::params::Common;
use crate::domain::rules::{Assessment, BACK_AFTER, Sight};
use crate::domain::time::{after, elapsed};

/// An update without any change, to say that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);
/// Relative change of the measure that is worth an update.
const WORTH_TELLING: f64 = 0.25;
/// The change is over when the measure is this near to its smoothed self: one update tells it, not two.
const SETTLED: f64 = 0.1;
/// The measure is smoothed over this, so that counts which flicker are no change.
const SMOOTHING: Duration = Duration::from_secs(30);
/// Looks that have to find nothing before a verification says `cleared`.
const LOOKS_TO_CLEAR: u32 = 3;
/// Boxes in a message.
const MAX_BOXES: usize = 50;

/// An incident that is being reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenIncident {
    /// What was said last; the next step starts from it.
    last: IncidentTransition,
    opened_at: Timestamp,
    last_report: Timestamp,
    last_look: Timestamp,
    absent_since: Option<Timestamp>,
    magnitude: f64,
    reported: f64,
    verification: Request,
    settled_at: Option<Timestamp>,
}

/// An incident that was closed, as long as it can still matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) last: IncidentTransition,
    opened_at: Timestamp,
    closed_at: Timestamp,
    last_report: Timestamp,
    finished: bool,
    verification: Request,
}

impl Ended {
    pub(super) fn at(&self) -> Timestamp {
        self.closed_at
    }

    /// Until when its thing was this incident's and no other's.
    pub(super) fn open_until(&self) -> Timestamp {
        self.last.cleared.unwrap_or(self.closed_at)
    }

    /// The platform has closed the case.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Ended by what was seen or could not be seen, not by a word or a timer: the rule still knows it.
    fn is_known_again(&self) -> bool {
        let reasons = [CloseReason::Cleared, CloseReason::CameraLost, CloseReason::ViewChanged];
        reasons.iter().any(|reason| self.last.phase == Phase::Closed(*reason))
    }

    pub(super) fn may_continue(&self, at: Timestamp, common: &Common) -> bool {
        self.is_known_again()
            && !self.finished
            && elapsed(self.closed_at, at) <= common.reopen_within
            && elapsed(self.last_report, at) >= UPDATE_SPACING
            && elapsed(self.opened_at, at) < common.max_duration
    }
}

/// Verification after the end: the answer is the last word again, closed for the same reason.
impl Ended {
    /// What was retracted is not looked for.
    pub(super) fn verify(&mut self, due: Timestamp, seq: Option<u64>) {
        if self.last.phase != Phase::Closed(CloseReason::Retracted) {
            self.verification.ask(due, seq);
        }
    }

    pub(super) fn verification(&self) -> &Request {
        &self.verification
    }

    pub(super) fn verification_deadline(&self) -> Option<Timestamp> {
        self.verification.deadline(after(self.last_report, UPDATE_SPACING))
    }

    /// Takes in one look. What has stood there for as long as it takes to be back is still present;
    /// before that time has passed, and once more for looks that come late, nobody can say that it is not.
    pub(super) fn try_verification(&mut self, at: Timestamp, back: bool, desk: &mut Desk<'_>) {
        if !self.is_known_again() {
            return;
        }
        let Some(pending) = self.verification.at_work(at) else { return };
        pending.looks += 1;
        let result = if back {
            VerificationResult::StillPresent
        } else if pending.looks >= LOOKS_TO_CLEAR && elapsed(pending.due, at) >= BACK_AFTER * 2 {
            VerificationResult::Cleared
        } else {
            return;
        };
        if elapsed(self.last_report, at) >= UPDATE_SPACING {
            self.last.evidence = vec![desk.keep(place(&self.last), EvidenceRole::Verification, at)];
            self.answer(result, at, desk);
        }
    }

    /// The last word again, because its times are known better now.
    pub(super) fn retell(&mut self, at: Timestamp, desk: &mut Desk<'_>) {
        (self.last.at, self.last_report) = (at, at);
        self.last.revision += 1;
        desk.out.push_back(self.last.clone());
    }

    /// No usable picture came in time, or the rule no longer knows what it was.
    pub(super) fn cannot_tell(&mut self, at: Timestamp, desk: &mut Desk<'_>) {
        self.answer(VerificationResult::CannotTell, at, desk);
    }

    fn answer(&mut self, result: VerificationResult, at: Timestamp, desk: &mut Desk<'_>) {
        let Some(answer) = self.verification.answer(result, at) else { return };
        self.last.verification = Some(answer);
        (self.last.at, self.last_report) = (at, at);
        self.last.revision += 1;
        desk.out.push_back(self.last.clone());
        self.last.evidence.clear();
        self.last.verification = None;
    }
}

impl OpenIncident {
    pub(super) fn open(
        event_id: Uuid,
        related: Option<Uuid>,
        at: Timestamp,
        seen: Assessment,
        common: &Common,
        kind: Kind,
        desk: &mut Desk<'_>,
    ) -> Self {
        let magnitude = seen.magnitude;
        let mut evidence = seen.evidence;
        evidence.push(desk.keep((kind, &common.zone), EvidenceRole::Confirmed, at));
        let last = IncidentTransition {
            event_id,
            revision: 1,
            phase: Phase::Opened,
            kind,
            subkind: seen.subkind.to_owned(),
            zone: common.zone.clone(),
            rule: common.id.clone(),
            at,
            first_seen: seen.first_seen,
            confirmed: at,
            last_seen: at,
            cleared: None,
            measure: seen.measure,
            score: seen.score,
            frames_hit: seen.frames_hit,
            frames_seen: seen.frames_seen,
            boxes: limited(seen.boxes),
            evidence,
            exceptions_checked: seen.exceptions_checked,
            related,
            verification: None,
        };
        desk.out.push_back(last.clone());
        Self::from_parts(last, at, at, magnitude)
    }

    pub(super) fn reopen(ended: Ended, at: Timestamp, seen: &Assessment, desk: &mut Desk<'_>) -> Self {
        let mut incident = Self::from_parts(ended.last, ended.opened_at, at, seen.magnitude);
        incident.verification = ended.verification;
        let evidence = seen.evidence.clone();
        incident.take_in(at, seen);
        incident.last.cleared = None;
        incident.last.evidence = evidence;
        let latest = desk.keep(place(&incident.last), EvidenceRole::Latest, at);
        incident.last.evidence.push(latest);
        incident.report(Phase::Updated, at, desk);
        incident
    }

    fn from_parts(last: IncidentTransition, opened_at: Timestamp, at: Timestamp, magnitude: f64) -> Self {
        Self {
            last,
            opened_at,
            last_report: at,
            last_look: at,
            absent_since: None,
            magnitude,
            reported: magnitude,
            verification: Request::default(),
            settled_at: None,
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.last.event_id
    }

    pub(super) fn absent_since(&self) -> Option<Timestamp> {
        self.absent_since
    }

    pub(super) fn settle(&mut self, at: Timestamp) {
        self.settled_at.get_or_insert(at);
    }

    pub(super) fn ends_at(&self, common: &Common) -> Timestamp {
        after(self.opened_at, common.max_duration).max(self.last_report)
    }

    /// Takes in one look; the answer is the reason to end it, if there is one.
    pub(super) fn follow(
        &mut self,
        at: Timestamp,
        seen: &Assessment,
        common: &Common,
        desk: &mut Desk<'_>,
    ) -> Option<CloseReason> {
        match seen.sight {
            Sight::Seen => self.take_in(at, seen),
            Sight::NotSeen => _ = self.absent_since.get_or_insert(at),
            Sight::Unknown => {}
        }
        self.last_look = at;
        self.try_verification(at, seen.sight, desk);
        let gone = seen.sight == Sight::NotSeen
            && self.absent_since.is_some_and(|since| elapsed(since, at) >= common.clear_after);
        if gone {
            self.last.evidence = vec![desk.keep(place(&self.last), closing_role(seen.sight), at)];
            return Some(CloseReason::Cleared);
        }
        if seen.sight != Sight::Seen {
            return None;
        }
        if let Some(settled) = self.settled_at {
            let later = elapsed(settled, at) >= common.reopen_within.max(UPDATE_SPACING);
            return (later && seen.met && !desk.muted).then_some(CloseReason::Superseded);
        }
        let changed = (self.magnitude - self.reported).abs() >= WORTH_TELLING * self.reported.abs().max(1e-9);
        let changed = changed && (self.magnitude - seen.magnitude).abs() <= SETTLED * self.magnitude.abs();
        if self.may_update(at) && !desk.muted && (changed || elapsed(self.last_report, at) >= HEARTBEAT) {
            self.last.evidence = vec![desk.keep(place(&self.last), EvidenceRole::Latest, at)];
            self.report(Phase::Updated, at, desk);
        }
        None
    }

    fn take_in(&mut self, at: Timestamp, seen: &Assessment) {
        let gap = elapsed(self.last_look, at).as_secs_f64();
        self.magnitude += (seen.magnitude - self.magnitude) * gap / (gap + SMOOTHING.as_secs_f64());
        self.absent_since = None;
        self.last.last_seen = at;
        self.last.measure = seen.measure.clone();
        self.last.score = seen.score;
        (self.last.frames_hit, self.last.frames_seen) = (seen.frames_hit, seen.frames_seen);
        self.last.boxes = limited(seen.boxes.clone());
    }

    fn may_update(&self, at: Timestamp) -> bool {
        elapsed(self.last_report, at) >= UPDATE_SPACING
    }

    pub(super) fn verify(&mut self, due: Timestamp, seq: Option<u64>) {
        self.verification.ask(due, seq);
    }

    pub(super) fn verification(&self) -> &Request {
        &self.verification
    }

    pub(super) fn verification_deadline(&self) -> Option<Timestamp> {
        self.verification.deadline(after(self.last_report, UPDATE_SPACING))
    }

    fn try_verification(&mut self, at: Timestamp, sight: Sight, desk: &mut Desk<'_>) {
        let Some(pending) = self.verification.at_work(at) else { return };
        if sight == Sight::Unknown {
            return;
        }
        pending.looks += 1;
        pending.seen |= sight == Sight::Seen;
        let answer = match (pending.seen, pending.looks) {
            (true, _) => VerificationResult::StillPresent,
            (false, LOOKS_TO_CLEAR..) => VerificationResult::Cleared,
            (false, _) => return,
        };
        if self.may_update(at) {
            self.last.evidence = vec![desk.keep(place(&self.last), EvidenceRole::Verification, at)];
            self.answer(answer, at, desk);
        }
    }

    /// No usable picture came in time.
    pub(super) fn cannot_tell(&mut self, at: Timestamp, desk: &mut Desk<'_>) {
        self.last.evidence.clear();
        self.answer(VerificationResult::CannotTell, at, desk);
    }

    fn answer(&mut self, result: VerificationResult, at: Timestamp, desk: &mut Desk<'_>) {
        let Some(answer) = self.verification.answer(result, at) else { return };
        self.last.verification = Some(answer);
        self.report(Phase::Updated, at, desk);
    }

    /// The last word again, because its times are known better now.
    pub(super) fn retell(&mut self, at: Timestamp, desk: &mut Desk<'_>) {
        self.last.evidence.clear();
        self.report(Phase::Updated, at, desk);
    }

    fn report(&mut self, phase: Phase, at: Timestamp, desk: &mut Desk<'_>) {
        self.last.phase = phase;
        self.last.revision += 1;
        self.last.at = at;
        desk.out.push_back(self.last.clone());
        self.last.evidence.clear();
        self.last.verification = None;
        (self.last_report, self.reported) = (at, self.magnitude);
    }

    /// The last report.
    pub(super) fn end(
        mut self,
        reason: CloseReason,
        at: Timestamp,
        cleared: Option<Timestamp>,
        desk: &mut Desk<'_>,
    ) -> Ended {
        let (opened_at, last_report) = (self.opened_at, self.last_report);
        if reason != CloseReason::Cleared {
            self.last.evidence.clear();
        }
        // Whoever asked for a check gets an answer, also where the end comes before the check was due.
        let result = match reason {
            CloseReason::Cleared => VerificationResult::Cleared,
            // It ends at a look that has seen it.
            CloseReason::Superseded => VerificationResult::StillPresent,
            CloseReason::CameraLost
            | CloseReason::ViewChanged
            | CloseReason::RuleDisabled
            | CloseReason::Retracted
            | CloseReason::MaxDuration => VerificationResult::CannotTell,
        };
        self.last.verification = self.verification.answer(result, at);
        self.last.cleared = cleared;
        self.report(Phase::Closed(reason), at, desk);
        let (finished, verification) = (self.settled_at.is_some(), self.verification);
        Ended { last: self.last, opened_at, closed_at: at, last_report, finished, verification }
    }
}

/// What a picture of the incident shows: which kind, where.
fn place(incident: &IncidentTransition) -> (Kind, &str) {
    (incident.kind, &incident.zone)
}

fn limited(mut boxes: Vec<crate::domain::incident::LabelledBox>) -> Vec<crate::domain::incident::LabelledBox> {
    boxes.truncate(MAX_BOXES);
    boxes
}
