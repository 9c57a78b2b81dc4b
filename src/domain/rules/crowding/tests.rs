use super::*;
use crate::domain::analyzer::scenario::{OnGround, Street, at, crowding, person, scene, thing};
use crate::domain::detection::Detection;
use crate::domain::incident::{Phase, SnapshotRequest};
use crate::domain::rules::params::Rule;

fn street(change: impl FnOnce(&mut CrowdingRule)) -> Street {
    let mut rule = crowding();
    change(&mut rule);
    Street::new(vec![Rule::Crowding(rule)])
}

fn group(people: u8) -> Vec<Detection> {
    (0..people).map(|n| person(0.1 + 0.08 * f32::from(n))).collect()
}

#[test]
fn a_standing_group_opens_and_ends_below_the_lower_count() {
    let mut street = street(|_| {});
    street.watch(0..200, |_| group(6));
    street.watch(200..400, |_| group(4));
    assert_eq!(street.ends(), [Phase::Opened], "four are fewer than five, but not fewer than three");
    street.watch(400..500, |_| group(2));
    assert_eq!(street.ends(), [Phase::Opened, Phase::Closed(CloseReason::Cleared)]);
    let opened = &street.transitions[0];
    assert!(street.transitions.iter().all(|step| step.boxes.is_empty()));
    let whole = |asked: &SnapshotRequest| matches!(asked, SnapshotRequest::KeepCrowd(_, zone) if zone == "ground");
    assert!(street.snapshots.len() >= 2 && street.snapshots.iter().all(whole), "every picture loses the whole zone");
    assert!(matches!(opened.measure, Measure::Crowd { standing: 6, present: 6, density: Some(_) }));
}

fn flow(second: i64) -> Vec<Detection> {
    (0..10_i64)
        .map(|n| {
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let left = ((n * 97 + second * 61) % 950) as f32 / 1000.0;
            thing(Role::Person, left, 0.45 + 0.02 * f32::from(u8::try_from(n).unwrap()), 0.04, 0.16)
        })
        .collect()
}

#[test]
fn a_flow_of_walkers_is_no_crowd_unless_everybody_counts() {
    let mut standing = street(|_| {});
    standing.watch(0..600, flow);
    assert_eq!(standing.phases(), []);
    let mut everybody = street(|rule| rule.count_everybody = true);
    everybody.watch(0..600, flow);
    assert_eq!(everybody.ends(), [Phase::Opened]);
}

#[test]
fn missed_people_do_not_restart_the_dwell() {
    let mut street = street(|_| {});
    street.watch(0..80, |second| {
        let hidden = usize::try_from(second % 6).unwrap();
        group(6)
            .into_iter()
            .enumerate()
            .filter(|(n, _)| *n != hidden && *n != (hidden + 2) % 6)
            .map(|(_, p)| p)
            .collect()
    });
    assert_eq!(street.ends(), [Phase::Opened]);
}

#[test]
fn the_dwell_counts_from_when_they_stood() {
    let mut street = street(|_| {});
    street.watch(0..100, |second| if second < 20 { Vec::new() } else { group(6) });
    let opened = &street.transitions[0];
    assert_eq!(opened.first_seen, at(20));
    assert_eq!(opened.at, at(80));
}

/// Three people of whom each has two boxes, in turn: never more than three at once.
#[test]
fn second_boxes_make_no_crowd_of_a_few() {
    let mut street = street(|_| {});
    for second in (0..200).step_by(2) {
        let shift = if second % 4 == 0 { 0.0 } else { 0.025 };
        let seen = (0..3_u8).map(|n| person(0.1 + 0.2 * f32::from(n) + shift)).collect();
        street.look(second, seen, scene(1, OnGround::Nothing));
    }
    assert_eq!(street.phases(), []);
}

#[test]
fn faint_boxes_keep_people_counted_and_make_none() {
    let faint = |second: i64| {
        let strong = second % 8 == 0;
        let (seen, rest): (Vec<Detection>, _) = group(6).into_iter().partition(|_| strong);
        (seen, rest)
    };
    let mut with = street(|_| {});
    for second in (0..160).step_by(2) {
        let (seen, rest) = if second < 8 { (group(6), Vec::new()) } else { faint(second) };
        with.look_with(second, seen, rest, scene(1, OnGround::Nothing));
    }
    assert_eq!(with.ends(), [Phase::Opened]);
    let mut only_faint = street(|_| {});
    for second in (0..160).step_by(2) {
        only_faint.look_with(second, Vec::new(), group(6), scene(1, OnGround::Nothing));
    }
    assert_eq!(only_faint.phases(), []);
}

#[test]
fn a_gathering_shorter_than_the_dwell_is_none() {
    let mut street = street(|_| {});
    for second in (0..300).step_by(2) {
        let seen = if (20..70).contains(&second) { group(6) } else { Vec::new() };
        street.look(second, seen, scene(1, OnGround::Nothing));
    }
    assert_eq!(street.phases(), [], "50 s, and the 8 for which they are missed");
}
