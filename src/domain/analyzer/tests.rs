use std::time::Duration;

use jiff::civil::{date, time};
use jiff::tz::TimeZone;

use super::scenario::{OnGround, Street, at, crowding, dumping, encroachment, scene, stall};
use super::*;
use crate::domain::feedback::Verdict;
use crate::domain::incident::{EvidenceRole, Phase, VerificationResult};
use crate::domain::schedule::{Days, Schedule, Window};

fn rules() -> Vec<Rule> {
    vec![Rule::Encroachment(encroachment()), Rule::Dumping(dumping()), Rule::Crowding(crowding())]
}

#[test]
fn a_restart_keeps_the_incident() {
    let mut before = Street::new(rules());
    before.watch(0..200, |_| vec![stall(0.4)]);
    let state = before.analyzer.save();
    let mut after = Street::continued(rules(), Some(state), at(260));
    assert_eq!(after.phases(), []);
    after.watch(260..400, |_| vec![]);
    assert_eq!(after.phases(), [Phase::Closed(CloseReason::Cleared)]);
    assert_eq!(after.transitions[0].event_id, before.transitions[0].event_id);
    assert_eq!(after.transitions[0].revision, 2);
}

#[test]
fn a_removed_rule_ends_its_incident_at_once() {
    let mut before = Street::new(rules());
    before.watch(0..200, |_| vec![stall(0.4)]);
    let kept = rules().into_iter().skip(1).collect();
    let after = Street::continued(kept, Some(before.analyzer.save()), at(230));
    let [closed] = after.transitions.as_slice() else { panic!("{:?}", after.phases()) };
    assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::RuleDisabled), at(230)));
}

/// The power went between the platform's word and the analyzer's hearing it.
#[test]
fn what_was_asked_of_a_removed_rule_is_answered_by_its_end() {
    let mut before = Street::new(rules());
    before.watch(0..200, |_| vec![stall(0.4)]);
    let mut saved = before.analyzer.save();
    let verdict = Verdict::Handled { verify: true, seq: Some(7) };
    saved.note_question(&Feedback { event_id: before.transitions[0].event_id, verdict });
    let after = Street::continued(rules().into_iter().skip(1).collect(), Some(saved), at(230));
    let [closed] = after.transitions.as_slice() else { panic!("{:?}", after.phases()) };
    assert_eq!(closed.phase, Phase::Closed(CloseReason::RuleDisabled));
    assert_eq!(closed.verification.as_ref().map(|answer| answer.result), Some(VerificationResult::CannotTell));
}

#[test]
fn a_turned_camera_ends_it_and_opens_nothing() {
    let mut street = Street::new(rules());
    street.watch(0..200, |_| vec![stall(0.4)]);
    for second in 200..600 {
        street.look(second, vec![stall(0.7)], scene(9, OnGround::Pile));
    }
    assert_eq!(street.phases(), [Phase::Opened, Phase::Closed(CloseReason::ViewChanged)]);
    assert_eq!(street.analyzer.view(), ViewState::ViewChanged);
    street.watch(600..700, |_| vec![stall(0.4)]);
    assert_eq!(street.phases().last(), Some(&Phase::Updated), "the view is back, and so is the stall");
}

#[test]
fn permitted_hours_open_nothing_and_the_dwell_starts_after_them() {
    let mut rule = encroachment();
    let start = TimeZone::UTC.to_datetime(at(0));
    let market = Window { days: Days::Every, start: time(0, 0, 0, 0), end: start.time() + Duration::from_secs(600) };
    assert!(start.date() > date(2026, 1, 1) && market.end > market.start);
    rule.common.permitted = Some(Schedule { time_zone: TimeZone::UTC, windows: vec![market] });
    let mut street = Street::new(vec![Rule::Encroachment(rule)]);
    street.watch(0..1000, |_| vec![stall(0.4)]);
    assert_eq!(street.transitions[0].at, at(780));
    assert_eq!(street.transitions[0].exceptions_checked, ["permit_window", "loading_window"]);
}

#[test]
fn the_end_of_a_schedule_ends_the_incident_on_time() {
    let mut rule = encroachment();
    let end = TimeZone::UTC.to_datetime(at(0)).time() + Duration::from_secs(600);
    let day = Window { days: Days::Every, start: time(0, 0, 0, 0), end };
    rule.common.active = Some(Schedule { time_zone: TimeZone::UTC, windows: vec![day] });
    let mut street = Street::new(vec![Rule::Encroachment(rule)]);
    street.watch(0..300, |_| vec![stall(0.4)]);
    street.analyzer.handle_timeout(at(5000));
    street.drain();
    let closed = street.transitions.last().unwrap();
    assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::RuleDisabled), at(600)));
}

#[test]
fn candidates_want_denser_looks() {
    let mut street = Street::new(rules());
    assert_eq!(street.analyzer.poll_look().at, at(0));
    street.watch(0..10, |_| vec![]);
    assert_eq!(street.analyzer.poll_look(), LookPlan { at: at(11), max_gap: Duration::from_secs(4) });
    street.watch(10..12, |_| vec![stall(0.4)]);
    assert_eq!(street.analyzer.poll_look(), LookPlan { at: at(12), max_gap: Duration::from_secs(2) });
}

#[test]
fn frames_from_the_past_are_ignored() {
    let mut street = Street::new(rules());
    street.watch(0..170, |_| vec![stall(0.4)]);
    let state = street.analyzer.save();
    street.watch(0..170, |_| vec![]);
    assert_eq!(street.analyzer.save(), state);
}

#[test]
fn ground_is_measured_where_a_rule_needs_it() {
    let street = Street::new(rules());
    assert_eq!(street.analyzer.ground_zones().map(|zone| zone.id.as_str()).collect::<Vec<_>>(), ["ground"]);
    let street = Street::new(vec![Rule::Crowding(crowding())]);
    assert_eq!(street.analyzer.ground_zones().count(), 0);
}

#[test]
fn a_clock_set_back_does_not_blind_the_camera() {
    const BACK: i64 = 3 * 365 * 86_400;
    let mut before = Street::new(rules());
    before.watch(0..200, |_| vec![stall(0.4)]);
    let mut straight = Street::continued(rules(), Some(before.analyzer.save()), at(199));
    let mut set_back = Street::continued(rules(), Some(before.analyzer.save()), at(199 - BACK));
    assert_eq!(set_back.analyzer.save().as_of(), at(199 - BACK));
    assert!(set_back.analyzer.poll_look().at <= at(201 - BACK));
    let script = |second: i64| if (300..420).contains(&second) { vec![] } else { vec![stall(0.4), stall(0.7)] };
    straight.watch(200..1000, script);
    set_back.watch(200 - BACK..1000 - BACK, |second| script(second + BACK));
    assert_eq!(straight.phases(), [Phase::Closed(CloseReason::Cleared), Phase::Updated]);
    assert_eq!(set_back.phases(), straight.phases());
    let back = Duration::from_secs(BACK.unsigned_abs());
    for (moved, step) in set_back.transitions.iter().zip(&straight.transitions) {
        assert_eq!(after(moved.at, back), step.at);
        assert_eq!(after(moved.first_seen, back), step.first_seen);
        assert_eq!((moved.event_id, moved.revision), (step.event_id, step.revision));
    }
    assert_eq!(straight.analyzer.save().not_after(at(999 - BACK)), Some(set_back.analyzer.save()), "nothing is left");
}

#[test]
fn a_failed_look_is_tried_again_an_interval_later() {
    let mut street = Street::new(rules());
    street.analyzer.handle_look_failed(at(0));
    assert_eq!(street.analyzer.poll_look().at, at(2));
    street.watch(2..10, |_| vec![]);
    street.analyzer.handle_look_failed(at(11));
    assert_eq!(street.analyzer.poll_look().at, at(13));
    assert_eq!(street.analyzer.save().core.last_look, Some(at(9)), "it is no good look");
}

#[test]
fn pictures_to_be_given_up_are_not_forgotten_by_a_restart() {
    let mut snapshots = crate::domain::snapshots::Snapshots::new();
    let given_up = snapshots.keep(EvidenceRole::Before, at(0));
    snapshots.discard(Some(given_up));
    let mut state = Street::new(rules()).analyzer.save();
    state.core.snapshots = snapshots;
    let stored = serde_json::to_string(&state).unwrap();
    let street = Street::continued(rules(), Some(serde_json::from_str(&stored).unwrap()), at(5));
    assert_eq!(street.snapshots, [SnapshotRequest::Discard(given_up.snapshot)], "and its frame is gone");
}

#[test]
fn an_incident_is_told_again_open_or_ended_and_lives_on() {
    let mut street = Street::new(rules());
    street.watch(0..200, |_| vec![stall(0.4)]);
    let event_id = street.transitions[0].event_id;
    assert!(street.analyzer.retell(event_id, at(200)));
    street.drain();
    let [opened, again] = street.transitions.as_slice() else { panic!("{:?}", street.phases()) };
    assert_eq!((again.revision, again.phase, again.first_seen), (2, Phase::Updated, opened.first_seen));
    assert!(again.evidence.is_empty(), "its pictures are with it already");
    street.watch(201..400, |_| vec![]);
    assert!(street.analyzer.retell(event_id, at(400)));
    street.drain();
    let end = Phase::Closed(CloseReason::Cleared);
    assert_eq!(street.phases(), [Phase::Opened, Phase::Updated, end, end]);
    assert_eq!(street.transitions.iter().map(|step| step.revision).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(!street.analyzer.retell(uuid::Uuid::nil(), at(400)), "nobody knows it");
}

/// The box began with a clock that is eight hours behind, and gets to know it while an incident is open.
#[test]
fn schedules_go_by_utc_and_durations_do_not() {
    let mut rule = encroachment();
    let windows = vec![Window { days: Days::Every, start: time(6, 0, 0, 0), end: time(14, 0, 0, 0) }];
    // The scenario begins at 06:13 UTC.
    rule.common.active = Some(Schedule { time_zone: TimeZone::UTC, windows });
    let mut street = Street::new(vec![Rule::Encroachment(rule)]);
    street.watch(0..200, |_| vec![stall(0.4)]);
    street.analyzer.set_correction(SignedDuration::from_hours(3));
    street.watch(200..210, |_| vec![stall(0.4)]);
    assert_eq!(street.phases(), [Phase::Opened], "09:16, and nothing has lasted three hours");
    let ends_in = street.analyzer.poll_timeout().unwrap();
    street.analyzer.set_correction(SignedDuration::from_hours(7) + SignedDuration::from_mins(40));
    let sooner = street.analyzer.poll_timeout().unwrap();
    assert!(sooner < ends_in && sooner < at(600), "the schedule's end is near now");
    street.analyzer.set_correction(SignedDuration::from_hours(8));
    street.watch(210..220, |_| vec![stall(0.4)]);
    assert_eq!(street.phases(), [Phase::Opened, Phase::Closed(CloseReason::RuleDisabled)]);
    assert_eq!(street.transitions[1].at, at(210));
}
