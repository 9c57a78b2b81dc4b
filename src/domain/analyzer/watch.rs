//! One rule at work on its zone: judgement, incident, and the schedule they stand under.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::feedback::{Feedback, Verdict};
use crate::domain::incident::{CloseReason, Kind, SnapshotId};
use crate::domain::lifecycle::{Desk, Lifecycle, Outcome};
use crate::domain::rules::crowding::Crowding;
use crate::domain::rules::dumping::Dumping;
use crate::domain::rules::encroachment::Encroachment;
use crate::domain::rules::params::{Attendance, Rule, RuleSetting};
use crate::domain::rules::{Assessment, Claim, Look, SpokenFor};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::{after, moved};
use crate::domain::zone::Zone;
use crate::domain::{SignedDuration, Timestamp};

#[derive(Debug)]
pub(super) struct Watch {
    rule: Rule,
    zone: Zone,
    /// Of the camera's encroachment rules.
    claims: Vec<Claim>,
    judge: Judge,
    lifecycle: Lifecycle,
    correction: SignedDuration,
    /// Not switched off by a profile.
    enabled: bool,
}

/// What a watch remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WatchRecord {
    rule: String,
    zone: String,
    kind: Kind,
    judge: Judge,
    lifecycle: Lifecycle,
}

/// What a rule remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a handful a camera")]
enum Judge {
    Encroachment(Encroachment),
    Dumping(Dumping),
    Crowding(Crowding),
}

/// The platform wants to hear nothing of a zone and kind for a while.
#[derive(Debug)]
pub(super) struct Silence {
    zone: String,
    kind: Kind,
    until: Timestamp,
}

fn kind_of(rule: &Rule) -> Kind {
    match rule {
        Rule::Encroachment(_) => Kind::Encroachment,
        Rule::Dumping(_) => Kind::Dumping,
        Rule::Crowding(_) => Kind::Crowding,
    }
}

impl Watch {
    pub(super) fn new(rule: Rule, zone: Zone, claims: Vec<Claim>) -> Self {
        let judge = match &rule {
            Rule::Encroachment(_) => Judge::Encroachment(Encroachment::default()),
            Rule::Dumping(_) => Judge::Dumping(Dumping::default()),
            Rule::Crowding(_) => Judge::Crowding(Crowding::default()),
        };
        Self {
            rule,
            zone,
            claims,
            judge,
            lifecycle: Lifecycle::default(),
            correction: SignedDuration::ZERO,
            enabled: true,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        kind_of(&self.rule)
    }

    /// Whether `rule` is this watch's own, perhaps with other values.
    pub(super) fn is_of(&self, rule: &Rule) -> bool {
        let (own, other) = (self.rule.common(), rule.common());
        own.id == other.id && own.zone == other.zone && self.kind() == kind_of(rule)
    }

    /// Goes on with these values.
    pub(super) fn set_rule(&mut self, setting: &RuleSetting, at: Timestamp, desk: &mut Desk<'_>) {
        self.rule = setting.rule.clone();
        self.enabled = setting.enabled;
        if !self.enabled {
            self.close(CloseReason::RuleDisabled, at, desk);
            self.suspend(desk.snapshots);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.lifecycle.is_open()
    }

    pub(super) fn open_incident(&self) -> Option<Uuid> {
        self.lifecycle.open_incident()
    }

    /// UTC is this much ahead of the box's own time: schedules go by it.
    pub(super) fn set_correction(&mut self, correction: SignedDuration) {
        self.correction = correction;
    }

    /// Says the last word on an incident of this watch again.
    pub(super) fn retell(&mut self, event_id: Uuid, at: Timestamp, desk: &mut Desk<'_>) -> bool {
        self.lifecycle.retell(event_id, at, desk)
    }

    /// Whether the rule looks for anything at this moment.
    pub(super) fn applies(&self, at: Timestamp) -> bool {
        let at = moved(at, self.correction);
        let common = self.rule.common();
        self.enabled
            && common.active.as_ref().is_none_or(|active| active.is_active(at))
            && !common.permitted.as_ref().is_some_and(|permitted| permitted.is_active(at))
    }

    /// When [`Self::applies`] may next change its answer.
    pub(super) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let common = self.rule.common();
        let after = moved(after, self.correction);
        let changes = [&common.active, &common.permitted].into_iter().flatten().filter_map(|s| s.next_change(after));
        changes.min().map(|change| moved(change, -self.correction))
    }

    pub(super) fn observe(&mut self, look: Look<'_>, desk: &mut Desk<'_>) {
        if !self.applies(look.at) {
            self.close(CloseReason::RuleDisabled, look.at, desk);
            self.suspend(desk.snapshots);
            return;
        }
        let open = self.lifecycle.is_open();
        let Some(assessment) = self.judge(look, open, desk.snapshots) else { return };
        let kind = kind_of(&self.rule);
        let offered: Vec<SnapshotId> = assessment.evidence.iter().map(|evidence| evidence.snapshot).collect();
        let outcome = self.lifecycle.observe(look.at, assessment, self.rule.common(), kind, desk);
        if outcome == Outcome::Opened {
            self.taken(&offered);
        }
        self.tell(outcome, desk.snapshots);
    }

    /// The incident has taken these pictures: they are no longer the rule's to give up.
    fn taken(&mut self, snapshots: &[SnapshotId]) {
        match &mut self.judge {
            Judge::Encroachment(judge) => judge.opened(snapshots),
            Judge::Dumping(judge) => judge.opened(snapshots),
            Judge::Crowding(_) => {}
        }
    }

    fn judge(&mut self, look: Look<'_>, open: bool, snapshots: &mut Snapshots) -> Option<Assessment> {
        match (&mut self.judge, &self.rule) {
            (Judge::Encroachment(judge), Rule::Encroachment(rule)) => {
                Some(judge.observe(look, rule, &self.zone, open, snapshots))
            }
            (Judge::Dumping(judge), Rule::Dumping(rule)) => {
                judge.observe(look, rule, (&self.zone, &self.claims), open, snapshots)
            }
            (Judge::Crowding(judge), Rule::Crowding(rule)) => Some(judge.observe(look, rule, &self.zone, open)),
            _ => None,
        }
    }

    fn tell(&mut self, outcome: Outcome, snapshots: &mut Snapshots) {
        match (outcome, &mut self.judge) {
            (Outcome::None | Outcome::Opened, _) => {}
            (Outcome::Closed(reason), Judge::Encroachment(judge)) => judge.closed(reason),
            (Outcome::Closed(reason), Judge::Dumping(judge)) => judge.closed(reason, snapshots),
            (Outcome::Closed(reason), Judge::Crowding(judge)) => judge.closed(reason),
        }
    }

    fn suspend(&mut self, snapshots: &mut Snapshots) {
        match &mut self.judge {
            Judge::Encroachment(judge) => judge.suspend(snapshots),
            Judge::Dumping(judge) => judge.suspend(snapshots),
            Judge::Crowding(judge) => judge.suspend(),
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason, at: Timestamp, desk: &mut Desk<'_>) {
        if self.lifecycle.close(reason, at, None, desk) {
            self.tell(Outcome::Closed(reason), desk.snapshots);
        }
    }

    pub(super) fn is_about(&self, event_id: Uuid) -> bool {
        self.lifecycle.is_about(event_id)
    }

    /// Acts on feedback about an incident of this watch.
    pub(super) fn handle_feedback(
        &mut self,
        feedback: &Feedback,
        at: Timestamp,
        desk: &mut Desk<'_>,
    ) -> Option<Silence> {
        if !self.is_about(feedback.event_id) {
            return None;
        }
        let common = self.rule.common();
        let outcome = self.lifecycle.handle_feedback(feedback, at, common, desk);
        let until = after(at, common.cool_down);
        self.tell(outcome, desk.snapshots);
        if feedback.verdict == Verdict::FalseAlarm {
            match &mut self.judge {
                Judge::Encroachment(judge) => judge.dismiss(),
                Judge::Dumping(judge) => judge.dismiss(desk.snapshots),
                Judge::Crowding(judge) => judge.dismiss(),
            }
        }
        let silent = matches!(feedback.verdict, Verdict::Rejected | Verdict::FalseAlarm);
        silent.then(|| Silence { zone: self.zone.id.clone(), kind: kind_of(&self.rule), until })
    }

    pub(super) fn respect(&mut self, silence: &Silence) {
        if silence.zone == self.zone.id && silence.kind == kind_of(&self.rule) {
            self.lifecycle.silence(silence.until);
        }
    }

    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let own = self.lifecycle.next_deadline(self.rule.common())?;
        Some(self.next_change(now).map_or(own, |change| change.min(own)))
    }

    pub(super) fn fire(&mut self, at: Timestamp, desk: &mut Desk<'_>) {
        if !self.applies(at) {
            self.close(CloseReason::RuleDisabled, at, desk);
        }
        let outcome = self.lifecycle.fire(at, self.rule.common(), desk);
        self.tell(outcome, desk.snapshots);
    }

    pub(super) fn wants_dense_looks(&self, at: Timestamp) -> bool {
        let candidate = match &self.judge {
            Judge::Encroachment(judge) => judge.has_candidate(),
            Judge::Dumping(judge) => judge.has_candidate(),
            Judge::Crowding(judge) => judge.has_candidate(),
        };
        self.applies(at) && ((candidate && !self.lifecycle.is_open()) || self.lifecycle.wants_dense_looks(at))
    }

    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.lifecycle.next_look()
    }

    pub(super) fn save(&self) -> WatchRecord {
        WatchRecord {
            rule: self.rule.common().id.clone(),
            zone: self.zone.id.clone(),
            kind: kind_of(&self.rule),
            judge: self.judge.clone(),
            lifecycle: self.lifecycle.clone(),
        }
    }

    pub(super) fn is_continued_by(&self, record: &WatchRecord) -> bool {
        let common = self.rule.common();
        common.id == record.rule && common.zone == record.zone && kind_of(&self.rule) == record.kind
    }

    pub(super) fn restore(&mut self, record: WatchRecord) {
        (self.judge, self.lifecycle) = (record.judge, record.lifecycle);
    }
}

/// What the rules other than `own` speak for.
pub(super) fn spoken_for(watches: &[Watch], own: usize) -> SpokenFor {
    let mut spoken_for = SpokenFor::default();
    for (_, watch) in watches.iter().enumerate().filter(|(index, _)| *index != own) {
        match (&watch.judge, &watch.rule) {
            (Judge::Encroachment(judge), Rule::Encroachment(rule)) if rule.attendance == Attendance::Optional => {
                spoken_for.things.extend(judge.held(rule));
            }
            (Judge::Dumping(judge), _) if watch.is_open() => spoken_for.muck.extend(judge.place()),
            _ => {}
        }
    }
    spoken_for
}

impl WatchRecord {
    /// See [`super::AnalyzerState::note_question`].
    pub(super) fn note_question(&mut self, feedback: &Feedback, at: Timestamp) {
        if self.lifecycle.is_about(feedback.event_id) {
            self.lifecycle.note_question(feedback.verdict, at);
        }
    }

    /// Ends what was going on: nobody watches it any more.
    pub(super) fn disable(mut self, at: Timestamp, desk: &mut Desk<'_>) {
        self.lifecycle.close(CloseReason::RuleDisabled, at, None, desk);
        match self.judge {
            Judge::Encroachment(mut judge) => judge.suspend(desk.snapshots),
            Judge::Dumping(mut judge) => judge.suspend(desk.snapshots),
            Judge::Crowding(_) => {}
        }
    }
}
