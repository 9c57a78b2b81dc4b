//! What the platform orders for a while: silence of a kind, and other values of rules.

use std::collections::BTreeMap;

use super::{CameraAnalyzer, desk};
use crate::domain::Timestamp;
use crate::domain::incident::Kind;
use crate::domain::rules::params::RuleSetting;

impl CameraAnalyzer {
    /// Opens and continues no incident of `kind`, or of any kind, before `until`; `None` or a moment that has passed
    /// lifts the order. What is open goes on to its end, and says nothing in between but the answers to a
    /// verification. What still stands there when the order ends is reported then.
    pub fn mute(&mut self, kind: Option<Kind>, until: Option<Timestamp>, at: Timestamp) {
        self.advance(at);
        let until = until.filter(|until| *until > self.core.now);
        for kind in Kind::ALL.into_iter().filter(|known| kind.is_none_or(|kind| kind == *known)) {
            match until {
                Some(until) => self.core.mutes.insert(kind, until),
                None => self.core.mutes.remove(&kind),
            };
        }
    }

    /// Kinds that are muted, and until when.
    #[must_use]
    pub fn mutes(&self) -> BTreeMap<Kind, Timestamp> {
        let now = self.core.now;
        self.core.mutes.iter().filter(|(_, until)| **until > now).map(|(kind, until)| (*kind, *until)).collect()
    }

    /// Goes on with other values of the rules; those that are not named stay as they are. A rule keeps its incident and
    /// what it has learned of the place; one that is not enabled ends its incident as `rule_disabled` and looks for
    /// nothing until it is enabled again.
    pub fn set_rules(&mut self, settings: &[RuleSetting], at: Timestamp) {
        self.advance(at);
        let at = self.core.now;
        let mut desk = desk(&self.camera, &mut *self.ids, &mut self.core, &mut self.out);
        for watch in &mut self.watches {
            if let Some(setting) = settings.iter().find(|setting| watch.is_of(&setting.rule)) {
                watch.set_rule(setting, at, &mut desk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::scenario::{Street, at, crowding, dumping, encroachment, person, stall};
    use super::*;
    use crate::domain::feedback::{Feedback, Verdict};
    use crate::domain::incident::{CloseReason, Phase, VerificationResult};
    use crate::domain::rules::params::Rule;

    const CLEARED: Phase = Phase::Closed(CloseReason::Cleared);

    fn stalls() -> Vec<Rule> {
        vec![Rule::Encroachment(encroachment())]
    }

    #[test]
    fn nothing_opens_while_muted_and_what_still_stands_is_reported_then() {
        let mut street = Street::new(stalls());
        street.analyzer.mute(Some(Kind::Encroachment), Some(at(1000)), at(0));
        street.watch(0..1000, |_| vec![stall(0.4)]);
        assert_eq!(street.phases(), []);
        street.watch(1000..1010, |_| vec![stall(0.4)]);
        let [opened] = street.transitions.as_slice() else { panic!("{:?}", street.phases()) };
        assert_eq!((opened.phase, opened.at), (Phase::Opened, at(1000)));
        assert_eq!(street.analyzer.mutes(), BTreeMap::new());
    }

    #[test]
    fn another_kind_is_not_muted_and_no_kind_is_every_kind() {
        let rules = || vec![Rule::Encroachment(encroachment()), Rule::Crowding(crowding())];
        let crowd = |_| {
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].map(person).into_iter().chain([stall(0.4)]).collect::<Vec<_>>()
        };
        let mut street = Street::new(rules());
        street.analyzer.mute(Some(Kind::Crowding), Some(at(9000)), at(0));
        street.watch(0..400, crowd);
        assert_eq!(street.transitions.iter().map(|step| step.kind).collect::<Vec<_>>(), [Kind::Encroachment]);
        let mut street = Street::new(rules());
        street.analyzer.mute(None, Some(at(9000)), at(0));
        street.watch(0..400, crowd);
        assert_eq!(street.phases(), []);
        assert_eq!(street.analyzer.mutes().len(), 3);
        // Lifted, by an order without an end or with one that has passed.
        street.analyzer.mute(None, None, at(400));
        assert_eq!(street.analyzer.mutes().len(), 0);
        street.analyzer.mute(None, Some(at(9000)), at(400));
        street.analyzer.mute(Some(Kind::Dumping), Some(at(100)), at(401));
        assert_eq!(street.analyzer.mutes().into_keys().collect::<Vec<_>>(), [Kind::Encroachment, Kind::Crowding]);
    }

    #[test]
    fn what_is_open_goes_on_to_its_end_and_answers_but_is_not_updated() {
        let mut street = Street::new(stalls());
        street.watch(0..200, |_| vec![stall(0.4)]);
        let event_id = street.transitions[0].event_id;
        street.analyzer.mute(None, Some(at(9000)), at(200));
        // Three more stalls, and an hour: neither is told.
        street.watch(200..4000, |_| vec![stall(0.1), stall(0.4), stall(0.6), stall(0.8)]);
        assert_eq!(street.phases(), [Phase::Opened]);
        let ask = Feedback { event_id, verdict: Verdict::Handled { verify: true, seq: Some(3) } };
        assert!(street.analyzer.handle_feedback(&ask, at(4000)));
        street.watch(4000..4200, |_| vec![stall(0.4)]);
        let answer = street.transitions.last().unwrap().verification.unwrap();
        assert_eq!(answer.result, VerificationResult::StillPresent);
        street.watch(4200..4300, |_| vec![]);
        // Back within the time in which it would be the same incident: not while it is muted.
        street.watch(4300..4600, |_| vec![stall(0.4)]);
        assert_eq!(street.phases(), [Phase::Opened, Phase::Updated, CLEARED]);
        // The closed one is looked at, too.
        assert!(street.analyzer.handle_feedback(&ask, at(4600)));
        street.watch(4600..4800, |_| vec![stall(0.4)]);
        assert_eq!(street.transitions.last().unwrap().verification.unwrap().result, VerificationResult::StillPresent);
        assert_eq!(street.ends(), [Phase::Opened, CLEARED, CLEARED]);
    }

    #[test]
    fn a_mute_survives_a_restart_and_a_state_of_before_has_none() {
        let mut before = Street::new(stalls());
        before.analyzer.mute(Some(Kind::Encroachment), Some(at(2000)), at(0));
        let mut stored = serde_json::to_value(before.analyzer.save()).unwrap();
        let saved = serde_json::from_value(stored.clone()).unwrap();
        let mut after = Street::continued(stalls(), Some(saved), at(60));
        after.watch(60..1900, |_| vec![stall(0.4)]);
        assert_eq!(after.phases(), []);
        // The clock is set back by an hour: the order keeps its length.
        let set_back = Street::continued(stalls(), Some(after.analyzer.save()), at(1899 - 3600));
        assert_eq!(set_back.analyzer.mutes()[&Kind::Encroachment], at(2000 - 3600));
        stored["core"].as_object_mut().unwrap().remove("mutes").unwrap();
        let old = Street::continued(stalls(), Some(serde_json::from_value(stored).unwrap()), at(60));
        assert_eq!(old.analyzer.mutes(), BTreeMap::new());
    }

    fn settings(dwell_s: u64, enabled: bool) -> Vec<RuleSetting> {
        let mut rule = encroachment();
        rule.common.dwell = Duration::from_secs(dwell_s);
        vec![RuleSetting { rule: Rule::Encroachment(rule), enabled }]
    }

    #[test]
    fn a_profile_changes_a_rule_and_gives_it_back() {
        let mut street = Street::new(stalls());
        street.analyzer.set_rules(&settings(600, true), at(0));
        street.watch(0..590, |_| vec![stall(0.4)]);
        assert_eq!(street.phases(), [], "three minutes would have been enough");
        street.watch(590..610, |_| vec![stall(0.4)]);
        assert_eq!(street.transitions[0].at, at(600));
        // Back to the rule as it is written: the incident goes on.
        street.analyzer.set_rules(&settings(180, true), at(610));
        street.watch(610..700, |_| vec![]);
        assert_eq!(street.phases(), [Phase::Opened, CLEARED]);
    }

    #[test]
    fn a_rule_that_is_switched_off_ends_its_incident_and_remembers_the_place() {
        let mut rule = encroachment();
        rule.learn_furniture = Duration::from_secs(60);
        let mut street = Street::new(vec![Rule::Encroachment(rule.clone()), Rule::Dumping(dumping())]);
        // A bench that has always stood there, and a stall that came.
        street.watch(0..400, |second| if second < 100 { vec![stall(0.1)] } else { vec![stall(0.1), stall(0.5)] });
        assert_eq!(street.phases(), [Phase::Opened]);
        let off = |enabled| vec![RuleSetting { rule: Rule::Encroachment(rule.clone()), enabled }];
        street.analyzer.set_rules(&off(false), at(400));
        street.drain();
        let closed = street.transitions.last().unwrap();
        assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::RuleDisabled), at(400)));
        street.watch(400..1000, |_| vec![stall(0.1), stall(0.5)]);
        assert_eq!(street.transitions.len(), 2);
        street.analyzer.set_rules(&off(true), at(1000));
        street.watch(1000..1400, |_| vec![stall(0.1), stall(0.5)]);
        let again = street.transitions.last().unwrap();
        assert_eq!((street.transitions.len(), again.phase), (3, Phase::Opened), "the stall, and not the bench");
        assert_eq!(again.boxes.len(), 1, "{:?}", again.boxes);
    }

    /// The same orders at the same moments give the same steps, ids and all.
    #[test]
    fn orders_replay() {
        let run = || {
            let mut street = Street::new(stalls());
            street.watch(0..100, |_| vec![stall(0.4)]);
            street.analyzer.mute(None, Some(at(500)), at(100));
            street.watch(100..300, |_| vec![stall(0.4)]);
            street.analyzer.set_rules(&settings(60, true), at(300));
            street.watch(300..900, |second| if second % 400 < 200 { vec![stall(0.4)] } else { vec![] });
            street.transitions
        };
        let steps = run();
        assert!(steps.len() > 1);
        assert_eq!(steps, run());
    }
}
