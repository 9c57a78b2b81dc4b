use std::time::Duration;

use super::*;
use crate::domain::analyzer::scenario::{OnGround, Street, at, encroachment, person, scene, stall, thing};
use crate::domain::detection::{Detection, Role};
use crate::domain::incident::Phase;
use crate::domain::rules::params::{Attendance, Rule};

fn street(change: impl FnOnce(&mut EncroachmentRule)) -> Street {
    let mut rule = encroachment();
    change(&mut rule);
    Street::new(vec![Rule::Encroachment(rule)])
}

fn walker(second: i64, start: f32, role: Role) -> Detection {
    #[allow(clippy::cast_precision_loss, reason = "small")]
    let left = (start + second as f32 * 0.06) % 0.95;
    thing(role, left, 0.45, 0.05, 0.16)
}

#[test]
fn a_stall_opens_when_its_dwell_is_met_and_closes_when_it_has_gone() {
    let mut street = street(|_| {});
    street.watch(0..400, |second| if (20..260).contains(&second) { vec![stall(0.4), person(0.45)] } else { vec![] });
    assert_eq!(street.ends(), [Phase::Opened, Phase::Closed(CloseReason::Cleared)]);
    let opened = &street.transitions[0];
    assert_eq!((opened.first_seen, opened.at, opened.revision), (at(20), at(200), 1));
    assert!(matches!(opened.measure, Measure::Occupation { objects: 1, attendants: 1, .. }));
    assert!(opened.evidence.iter().any(|evidence| evidence.role == EvidenceRole::FirstSeen));
    let closed = street.transitions.last().unwrap();
    assert_eq!((closed.cleared, closed.at), (Some(at(260)), at(320)));
}

#[test]
fn misses_and_passers_by_do_not_restart_the_dwell() {
    let mut street = street(|_| {});
    street.watch(0..200, |second| match second % 10 {
        2 | 6 => vec![],
        3..=5 => vec![thing(Role::Person, 0.38, 0.4, 0.16, 0.3)],
        _ => vec![stall(0.4)],
    });
    assert_eq!(street.ends(), [Phase::Opened]);
    assert!(street.transitions[0].at <= at(185));
}

#[test]
fn umbrellas_over_walkers_are_no_encroachment() {
    let mut street = street(|_| {});
    street.watch(0..600, |second| {
        let starts = [0.0, 0.2, 0.4, 0.6, 0.8];
        starts
            .iter()
            .flat_map(|&start| [walker(second, start, Role::Person), walker(second, start, Role::Umbrella)])
            .collect()
    });
    assert_eq!(street.phases(), []);
}

#[test]
fn furniture_is_learned_and_what_comes_later_is_not() {
    let mut street = street(|rule| rule.learn_furniture = Duration::from_secs(300));
    street.watch(0..900, |second| {
        let mut seen = vec![stall(0.1)];
        if second > 100 {
            seen.push(stall(0.6));
        }
        seen
    });
    assert_eq!(street.ends(), [Phase::Opened]);
    assert!(matches!(street.transitions[0].measure, Measure::Occupation { objects: 1, .. }));
    assert!((street.transitions[0].boxes[0].bbox.left - 0.6).abs() < 0.01);
}

#[test]
fn untended_things_wait_for_somebody_where_that_is_required() {
    let mut street = street(|rule| rule.attendance = Attendance::Required);
    street.watch(0..300, |_| vec![stall(0.4)]);
    assert_eq!(street.phases(), []);
    street.watch(300..500, |_| vec![stall(0.4), person(0.45)]);
    assert_eq!(street.ends(), [Phase::Opened]);
}

#[test]
fn loading_is_tolerated_for_its_time_only() {
    let goods = || thing(Role::Goods, 0.5, 0.6, 0.06, 0.06);
    let lorry = || thing(Role::Truck, 0.3, 0.35, 0.2, 0.3);
    let script = |second: i64| match second {
        0..10 => vec![],
        10..30 => vec![lorry()],
        _ => vec![lorry(), goods(), person(0.5)],
    };
    let mut street = street(|_| {});
    street.watch(0..900, script);
    assert_eq!(street.phases(), [], "within the loading time");
    street.watch(900..1000, script);
    assert_eq!(street.ends(), [Phase::Opened], "and after it");
}

#[test]
fn a_row_of_stalls_is_one_case_that_grows() {
    let mut street = street(|_| {});
    street.watch(0..700, |second| {
        let mut row = vec![stall(0.1)];
        if second > 60 {
            row.push(stall(0.4));
        }
        row
    });
    assert_eq!(street.phases(), [Phase::Opened, Phase::Updated]);
    assert!(matches!(street.transitions[1].measure, Measure::Occupation { objects: 2, .. }));
}

#[test]
fn a_passing_hawker_opens_nothing() {
    let mut street = street(|_| {});
    street.watch(0..600, |second| {
        // Stops for a minute, moves on, stops again elsewhere.
        let stop = second / 60;
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let left = 0.05 + 0.18 * (stop % 5) as f32;
        vec![thing(Role::Tricycle, left, 0.5, 0.1, 0.15), person(left + 0.03)]
    });
    assert_eq!(street.phases(), []);
}

#[test]
fn goods_beyond_a_shop_line_are_out_of_store() {
    use crate::domain::geometry::Point;
    let line = vec![Point { x: 0.0, y: 0.4 }, Point { x: 1.0, y: 0.4 }];
    let mut street = street(|rule| rule.shop_line = Some(line));
    street.watch(0..200, |_| vec![thing(Role::Goods, 0.5, 0.6, 0.06, 0.06)]);
    assert_eq!(street.transitions[0].subkind, "out_of_store");
}

#[test]
fn snapshots_that_nobody_took_are_given_up() {
    let mut street = street(|_| {});
    street.watch(0..300, |second| if second < 60 { vec![stall(0.4)] } else { vec![] });
    assert_eq!(street.phases(), []);
    assert_eq!(street.snapshots.len(), 2, "one kept, the same given up: {:?}", street.snapshots);
    street.look(301, vec![], scene(1, OnGround::Nothing));
}

/// Traffic behind the goods is never followed from look to look: no car brought them.
#[test]
fn cars_that_pass_behind_goods_do_not_make_them_a_delivery() {
    let mut street = street(|rule| rule.loading = Duration::from_secs(900));
    street.watch(0..220, |second| {
        let goods = thing(Role::Goods, 0.4, 0.6, 0.08, 0.1);
        let car = thing(Role::Vehicle, if second % 2 == 0 { 0.2 } else { 0.55 }, 0.5, 0.2, 0.15);
        vec![goods, person(0.42), car]
    });
    assert_eq!(street.phases(), [Phase::Opened]);
}

/// A tricycle that a detector is half sure of, at every look.
#[test]
fn faint_boxes_keep_a_thing_that_was_found_and_make_none() {
    let faint = |role| Detection { score: 0.3, ..thing(role, 0.4, 0.5, 0.12, 0.2) };
    let found_now_and_then = |role| {
        let mut street = street(|_| {});
        for second in (0..300).step_by(2) {
            let seen = if second % 10 < 4 { vec![thing(role, 0.4, 0.5, 0.12, 0.2)] } else { vec![] };
            street.look_with(
                second,
                if second < 40 { vec![] } else { seen },
                vec![faint(role)],
                scene(1, OnGround::Nothing),
            );
        }
        street.ends()
    };
    assert_eq!(found_now_and_then(Role::Tricycle), [Phase::Opened]);
    assert_eq!(found_now_and_then(Role::Goods), [], "furniture looks like goods that are faint");
    let mut only_faint = street(|_| {});
    for second in (0..300).step_by(2) {
        only_faint.look_with(second, vec![], vec![faint(Role::Tricycle)], scene(1, OnGround::Nothing));
    }
    assert_eq!(only_faint.phases(), []);
}

#[test]
fn a_bench_that_was_faint_at_first_is_furniture() {
    let bench = |second: i64| Detection { score: if second < 200 { 0.3 } else { 0.5 }, ..stall(0.4) };
    let mut street = street(|rule| rule.learn_furniture = Duration::from_secs(100));
    for second in (0..900).step_by(2) {
        let (strong, faint): (Vec<_>, Vec<_>) = [bench(second)].into_iter().partition(|bench| bench.score > 0.35);
        street.look_with(second, strong, faint, scene(1, OnGround::Nothing));
    }
    assert_eq!(street.phases(), []);
}
