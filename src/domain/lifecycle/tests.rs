use std::time::Duration;

use super::*;
use crate::domain::analyzer::scenario::{OnGround, Street, at, encroachment, scene, stall};
use crate::domain::camera::StreamState;
use crate::domain::detection::Detection;
use crate::domain::feedback::Feedback;
use crate::domain::incident::{Verification, VerificationResult};
use crate::domain::rules::params::{EncroachmentRule, Rule};

fn street(change: impl FnOnce(&mut EncroachmentRule)) -> Street {
    let mut rule = encroachment();
    change(&mut rule);
    Street::new(vec![Rule::Encroachment(rule)])
}

fn there(_: i64) -> Vec<Detection> {
    vec![stall(0.4)]
}

fn gone(_: i64) -> Vec<Detection> {
    vec![]
}

fn say(street: &mut Street, second: i64, verdict: Verdict) {
    let event_id = street.transitions[0].event_id;
    street.analyzer.handle_feedback(&Feedback { event_id, verdict }, at(second));
    street.drain();
}

#[test]
fn back_within_the_window_is_the_same_incident() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.watch(200..300, gone);
    street.watch(300..400, there);
    let cleared = Phase::Closed(CloseReason::Cleared);
    assert_eq!(street.phases(), [Phase::Opened, cleared, Phase::Updated]);
    assert_eq!(street.transitions[2].event_id, street.transitions[0].event_id);
    assert_eq!(street.transitions[2].revision, 3);
    assert_eq!(street.transitions[2].cleared, None);
}

#[test]
fn back_later_is_a_new_and_related_one() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.watch(200..1000, gone);
    street.watch(1000..1200, there);
    assert_eq!(street.transitions.len(), 3);
    assert_ne!(street.transitions[2].event_id, street.transitions[0].event_id);
    assert_eq!(street.transitions[2].related, Some(street.transitions[0].event_id));
    assert_eq!(street.transitions[2].revision, 1);
}

#[test]
fn presence_is_told_every_half_hour() {
    let mut street = street(|_| {});
    street.watch(0..4000, there);
    assert_eq!(street.phases(), [Phase::Opened, Phase::Updated, Phase::Updated]);
    assert_eq!(street.transitions[1].at, at(180 + 1800));
}

#[test]
fn a_false_alarm_ends_it_and_silences_the_zone() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, 200, Verdict::FalseAlarm);
    street.watch(201..2000, |_| vec![stall(0.4), stall(0.7)]);
    assert_eq!(street.phases(), [Phase::Opened, Phase::Closed(CloseReason::Retracted)]);
    street.watch(2000..4100, |_| vec![stall(0.4), stall(0.7)]);
    let opened = street.transitions.last().unwrap();
    assert_eq!((opened.phase, opened.at), (Phase::Opened, at(3800)), "after the cool-down");
    assert!((opened.boxes[0].bbox.left - 0.7).abs() < 0.01 && opened.boxes.len() == 1, "the old one is dismissed");
}

#[test]
fn a_rejected_one_may_come_again_after_the_cool_down() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, 200, Verdict::Rejected);
    street.watch(201..3900, there);
    let [opened, closed, again] = street.transitions.as_slice() else { panic!("{:?}", street.phases()) };
    assert_eq!(closed.phase, Phase::Closed(CloseReason::Retracted));
    assert_eq!((again.at, again.related), (at(3800), Some(opened.event_id)));
}

#[test]
fn handled_is_verified_two_minutes_later() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, 200, Verdict::Handled { verify: true, seq: Some(7) });
    assert!(street.analyzer.poll_look().at <= at(320));
    street.watch(201..340, there);
    let answer = street.transitions.last().unwrap();
    let verification = answer.verification.unwrap();
    assert_eq!((answer.at, verification.result), (at(320), VerificationResult::StillPresent));
    assert_eq!(verification.feedback_seq, Some(7));
    assert_eq!(answer.evidence[0].role, EvidenceRole::Verification);
}

#[test]
fn a_verification_says_cleared_when_looks_find_nothing() {
    let mut street = street(|rule| rule.common.clear_after = Duration::from_secs(400));
    street.watch(0..300, there);
    say(&mut street, 300, Verdict::Verify { seq: None });
    street.watch(301..310, gone);
    let verification = street.transitions.last().unwrap().verification.unwrap();
    assert_eq!((verification.result, verification.checked_at), (VerificationResult::Cleared, at(303)));
}

#[test]
fn a_verification_without_pictures_cannot_tell_and_says_so_in_time() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, 200, Verdict::Handled { verify: true, seq: Some(1) });
    street.analyzer.handle_stream_state(StreamState::Offline, at(210));
    assert_eq!(street.analyzer.poll_timeout(), Some(at(440)));
    street.analyzer.handle_timeout(at(500));
    street.drain();
    let answer = street.transitions.last().unwrap();
    assert_eq!((answer.at, answer.verification.unwrap().result), (at(440), VerificationResult::CannotTell));
}

#[test]
fn only_the_last_incident_of_a_rule_is_known() {
    let mut street = street(|rule| rule.common.reopen_within = Duration::from_secs(1));
    street.watch(0..200, there);
    street.watch(200..400, gone);
    street.watch(400..700, there);
    let [first, .., second] = street.transitions.as_slice() else { panic!("{:?}", street.phases()) };
    let ask = |event_id| Feedback { event_id, verdict: Verdict::Verify { seq: None } };
    let asked = [first.event_id, second.event_id, Uuid::nil()].map(ask);
    assert_ne!(asked[0], asked[1]);
    assert_eq!(asked.map(|asked| street.analyzer.handle_feedback(&asked, at(700))), [true, true, false]);
    street.watch(701..900, gone);
    street.watch(900..1200, there);
    assert_eq!(asked.map(|asked| street.analyzer.handle_feedback(&asked, at(1200))), [false, true, false]);
}

#[test]
fn a_closed_incident_is_verified_and_stays_closed() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.watch(200..300, gone);
    say(&mut street, 300, Verdict::Handled { verify: true, seq: Some(4) });
    street.watch(301..500, gone);
    let cleared = Phase::Closed(CloseReason::Cleared);
    assert_eq!(street.phases(), [Phase::Opened, cleared, cleared]);
    let answer = street.transitions.last().unwrap();
    let verification = answer.verification.unwrap();
    assert_eq!((verification.result, verification.checked_at), (VerificationResult::Cleared, at(480)));
    assert_eq!((answer.revision, answer.cleared, verification.feedback_seq), (3, Some(at(200)), Some(4)));
    assert_eq!(answer.evidence[0].role, EvidenceRole::Verification);
}

#[test]
fn a_closed_incident_that_is_back_says_so_when_it_continues() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.watch(200..300, gone);
    say(&mut street, 300, Verdict::Verify { seq: Some(5) });
    street.watch(301..500, there);
    let told: Vec<_> = street.transitions[2..].iter().map(|t| (t.phase, t.verification.map(|v| v.result))).collect();
    assert!(told.iter().all(|(phase, _)| *phase == Phase::Updated), "{told:?}");
    assert!(told.iter().any(|(_, result)| *result == Some(VerificationResult::StillPresent)), "{told:?}");
}

#[test]
fn a_settled_case_that_stays_is_a_new_related_incident() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, 200, Verdict::Closed);
    street.watch(201..900, there);
    let [opened, superseded, again] = street.transitions.as_slice() else { panic!("{:?}", street.phases()) };
    assert_eq!(superseded.phase, Phase::Closed(CloseReason::Superseded));
    assert_eq!((superseded.at, again.related), (at(800), Some(opened.event_id)));
    assert_ne!(again.event_id, opened.event_id);
}

#[test]
fn a_lost_camera_ends_it_at_the_deadline_and_its_return_continues_it() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.analyzer.handle_stream_state(StreamState::Offline, at(200));
    street.watch(5000..5001, there);
    let closed = &street.transitions[1];
    assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::CameraLost), at(799)));
}

#[test]
fn a_short_loss_is_the_same_incident() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.analyzer.handle_stream_state(StreamState::Offline, at(200));
    street.analyzer.handle_stream_state(StreamState::Ok, at(1200));
    street.watch(1200..1300, there);
    let lost = Phase::Closed(CloseReason::CameraLost);
    assert_eq!(street.phases(), [Phase::Opened, lost, Phase::Updated]);
}

#[test]
fn the_longest_duration_is_kept_to_the_second() {
    let mut street = street(|rule| rule.common.max_duration = Duration::from_secs(1000));
    street.watch(0..200, there);
    street.watch(200..700, there);
    street.look(1250, there(0), scene(1, OnGround::Nothing));
    let closed = street.transitions.last().unwrap();
    assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::MaxDuration), at(1180)));
    street.watch(1251..3000, there);
    assert_eq!(street.transitions.len(), 2, "what was reported for long enough is not reported again");
}

#[test]
fn a_camera_of_which_no_look_succeeds_is_lost_whatever_its_stream_says() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    street.analyzer.handle_stream_state(StreamState::Ok, at(300));
    for second in 200..790 {
        street.analyzer.handle_look_failed(at(second));
    }
    assert_eq!(street.analyzer.poll_timeout(), Some(at(799)), "ten minutes after the last good look");
    street.analyzer.handle_timeout(at(900));
    street.drain();
    let closed = street.transitions.last().unwrap();
    assert_eq!((closed.phase, closed.at), (Phase::Closed(CloseReason::CameraLost), at(799)));
}

/// What the closing step answers to a check that is due at 420.
fn answer_of(verdict_at: i64, then: impl FnOnce(&mut Street)) -> (CloseReason, Verification) {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    say(&mut street, verdict_at, Verdict::Handled { verify: true, seq: Some(4) });
    then(&mut street);
    let last = street.transitions.last().unwrap();
    let Phase::Closed(reason) = last.phase else { panic!("{:?}", street.phases()) };
    (reason, last.verification.expect("the check that was asked for is answered"))
}

#[test]
fn an_end_before_the_check_is_due_answers_it() {
    let (reason, answer) = answer_of(200, |street| street.watch(201..262, gone));
    assert_eq!((reason, answer.result), (CloseReason::Cleared, VerificationResult::Cleared));
    assert_eq!((answer.checked_at, answer.feedback_seq), (at(261), Some(4)));

    let (reason, answer) = answer_of(200, |street| say(street, 210, Verdict::Rejected));
    assert_eq!((reason, answer.result), (CloseReason::Retracted, VerificationResult::CannotTell));

    let (reason, answer) = answer_of(750, |street| {
        street.analyzer.handle_timeout(at(800));
        street.drain();
    });
    assert_eq!((reason, answer.result), (CloseReason::CameraLost, VerificationResult::CannotTell));
}

#[test]
fn an_incident_is_open_until_it_is_closed() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    let id = street.transitions[0].event_id;
    assert!(street.analyzer.open_incidents().eq([id]));
    street.watch(200..300, gone);
    assert!(street.analyzer.open_incidents().next().is_none());
    street.watch(301..500, there);
    assert!(street.analyzer.open_incidents().eq([id]), "it came back");
}

#[test]
fn an_orphan_ends_as_no_longer_known() {
    let mut street = street(|_| {});
    street.watch(0..200, there);
    let latest = &street.transitions[0];
    let end = orphaned(latest, at(500));
    assert_eq!((end.phase, end.at), (Phase::Closed(CloseReason::CameraLost), at(500)));
    assert_eq!((end.event_id, end.revision, end.cleared), (latest.event_id, 2, None));
    assert!(end.evidence.is_empty(), "its pictures were handed over with the steps before");
    assert_eq!(orphaned(latest, at(0)).at, latest.at, "the clock was set back");
}
