use super::*;
use crate::domain::analyzer::scenario::{OnGround, Street, at, dumping, encroachment, person, thing};
use crate::domain::detection::Detection;
use crate::domain::incident::Phase;
use crate::domain::rules::params::Rule;

fn street(change: impl FnOnce(&mut DumpingRule)) -> Street {
    let mut rule = dumping();
    change(&mut rule);
    Street::new(vec![Rule::Dumping(rule)])
}

fn lorry() -> Detection {
    thing(Role::Truck, 0.35, 0.45, 0.3, 0.4)
}

/// A lorry stands from 300 to 360; what lies there afterwards.
fn visit(left_behind: OnGround) -> impl Fn(i64) -> (Vec<Detection>, OnGround) {
    move |second| match second {
        0..300 => (vec![], OnGround::Nothing),
        // The lorry's own look on the cells behind its box.
        300..360 => (vec![lorry()], OnGround::Pile),
        _ => (vec![], left_behind),
    }
}

#[test]
fn a_lorry_that_leaves_a_pile_is_reported_with_its_pictures() {
    let mut street = street(|_| {});
    street.watch_ground(0..600, visit(OnGround::Pile));
    assert_eq!(street.ends(), [Phase::Opened]);
    let opened = &street.transitions[0];
    assert_eq!(opened.first_seen, at(300));
    assert!(opened.at >= at(419) && opened.at <= at(424), "{}", opened.at);
    assert!(matches!(opened.measure, Measure::GroundChange { act_seen: true, .. }));
    let roles: Vec<_> = opened.evidence.iter().map(|evidence| evidence.role).collect();
    assert_eq!(roles, [EvidenceRole::Before, EvidenceRole::During, EvidenceRole::After, EvidenceRole::Confirmed]);
    assert!(opened.evidence[0].captured_at < at(300));
    street.watch_ground(600..800, |_| (vec![], OnGround::Nothing));
    assert_eq!(street.ends(), [Phase::Opened, Phase::Closed(CloseReason::Cleared)]);
}

#[test]
fn a_parked_lorry_that_leaves_nothing_is_not() {
    let mut street = street(|_| {});
    street.watch_ground(0..1200, visit(OnGround::Nothing));
    assert_eq!(street.phases(), []);
}

#[test]
fn light_shadows_and_infrared_are_not() {
    for light in [OnGround::Cloud, OnGround::Shadow, OnGround::Infrared] {
        let mut street = street(|rule| rule.report_state = true);
        street.watch_ground(0..1200, visit(light));
        assert_eq!(street.phases(), [], "{light:?}");
    }
}

#[test]
fn a_lorry_that_is_seen_now_and_then_is_no_pile() {
    let mut street = street(|rule| rule.report_state = true);
    street.watch_ground(0..1200, |second| match second {
        0..300 => (vec![], OnGround::Nothing),
        _ if second % 4 == 0 => (vec![lorry()], OnGround::Pile),
        _ => (vec![], OnGround::Pile),
    });
    assert_eq!(street.phases(), []);
}

#[test]
fn a_pile_without_a_visit_is_a_state_and_only_reported_where_asked() {
    let script = |second: i64| (vec![], if second < 300 { OnGround::Nothing } else { OnGround::Pile });
    let mut act_only = street(|_| {});
    act_only.watch_ground(0..800, script);
    assert_eq!(act_only.phases(), []);
    let mut state_too = street(|rule| rule.report_state = true);
    state_too.watch_ground(0..800, script);
    assert_eq!(state_too.ends(), [Phase::Opened]);
    assert!(matches!(state_too.transitions[0].measure, Measure::GroundChange { act_seen: false, .. }));
}

#[test]
fn taking_a_pile_away_is_no_dumping() {
    let mut street = street(|rule| rule.report_state = true);
    street.watch_ground(0..900, |second| match second {
        0..300 => (vec![], OnGround::Pile),
        300..340 => (vec![lorry()], OnGround::Pile),
        _ => (vec![], OnGround::Nothing),
    });
    assert_eq!(street.phases(), []);
}

#[test]
fn people_who_stop_by_an_old_pile_bring_nothing() {
    let mut street = street(|_| {});
    street.watch_ground(0..900, |second| {
        let ground = if second < 100 { OnGround::Nothing } else { OnGround::Pile };
        (if (300..340).contains(&second) { vec![person(0.45)] } else { vec![] }, ground)
    });
    assert_eq!(street.phases(), []);
}

#[test]
fn a_pile_that_shows_long_after_a_visit_is_nobody_s() {
    let script = |second: i64| {
        let seen = if (300..330).contains(&second) { vec![person(0.45)] } else { vec![] };
        (seen, if second < 370 { OnGround::Nothing } else { OnGround::Pile })
    };
    let mut state_too = street(|rule| rule.report_state = true);
    state_too.watch_ground(0..800, script);
    let [opened] = state_too.transitions.as_slice() else { panic!("{:?}", state_too.phases()) };
    assert!(matches!(opened.measure, Measure::GroundChange { act_seen: false, .. }));
    assert!(opened.first_seen >= at(370) && opened.subkind == "muck_pile");
    let mut act_only = street(|_| {});
    act_only.watch_ground(0..800, script);
    assert_eq!(act_only.phases(), []);
}

#[test]
fn what_an_encroachment_rule_speaks_for_is_no_muck() {
    let suitcase = || thing(Role::Goods, 0.4, 0.6, 0.2, 0.3);
    let script = |second: i64| match second {
        0..300 => (vec![], OnGround::Nothing),
        300..330 => (vec![person(0.45), suitcase()], OnGround::Pile),
        // Missed now and then, as detectors do.
        _ if second % 4 == 0 => (vec![], OnGround::Pile),
        _ => (vec![suitcase()], OnGround::Pile),
    };
    let mut both = Street::new(vec![Rule::Encroachment(encroachment()), Rule::Dumping(dumping())]);
    both.watch_ground(0..600, script);
    let [opened] = both.transitions.as_slice() else { panic!("{:?}", both.phases()) };
    assert_eq!(opened.rule, "stalls");
    let mut alone = street(|_| {});
    alone.watch_ground(0..600, script);
    assert_eq!(alone.ends(), [Phase::Opened], "where nobody else speaks for it, it is fly-tipped");
}

/// One that was there before us, and one that came: only the second can have brought anything.
#[test]
fn a_parked_van_beside_the_place_hides_no_dumping() {
    let mut street = street(|_| {});
    let van = || thing(Role::Vehicle, 0.62, 0.5, 0.2, 0.3);
    street.watch_ground(0..600, |second| {
        let (mut seen, ground) = visit(OnGround::Pile)(second);
        seen.push(van());
        (seen, ground)
    });
    assert_eq!(street.ends(), [Phase::Opened]);
    assert!(matches!(street.transitions[0].measure, Measure::GroundChange { act_seen: true, .. }));
}

/// Where the light swings, a thing is not found for a while, and the ground under it differs all the same.
#[test]
fn what_is_lost_from_sight_for_a_while_is_no_muck() {
    let suitcase = || thing(Role::Goods, 0.4, 0.6, 0.2, 0.3);
    let mut both = Street::new(vec![Rule::Dumping(dumping()), Rule::Encroachment(encroachment())]);
    both.watch_ground(0..700, |second| match second {
        0..300 => (vec![], OnGround::Nothing),
        300..330 => (vec![person(0.45), suitcase()], OnGround::Pile),
        _ if second % 100 < 30 => (vec![], OnGround::Pile),
        _ => (vec![suitcase()], OnGround::Pile),
    });
    let [opened] = both.transitions.as_slice() else { panic!("{:?}", both.phases()) };
    assert_eq!(opened.rule, "stalls");
}

#[test]
fn muck_that_is_reported_is_no_goods() {
    let heap = || thing(Role::Goods, 0.42, 0.6, 0.14, 0.25);
    let mut both = Street::new(vec![Rule::Encroachment(encroachment()), Rule::Dumping(dumping())]);
    both.watch_ground(0..1000, |second| match second {
        0..300 => (vec![], OnGround::Nothing),
        300..360 => (vec![lorry()], OnGround::Pile),
        360..500 => (vec![], OnGround::Pile),
        _ => (vec![heap()], OnGround::Pile),
    });
    let [opened] = both.transitions.as_slice() else { panic!("{:?}", both.phases()) };
    assert_eq!(opened.rule, "muck");
}

fn heap() -> Detection {
    thing(Role::Pile, 0.44, 0.68, 0.12, 0.12)
}

/// In the dark, where no cell of the ground differs for sure.
#[test]
fn a_heap_that_only_the_detector_tells_from_the_ground_is_reported_and_cleared() {
    let mut street = Street::with_piles(vec![Rule::Dumping(dumping())]);
    street.watch_ground(0..900, |second| match second {
        300..330 => (vec![lorry()], OnGround::Nothing),
        330..360 => (vec![lorry(), heap()], OnGround::Nothing),
        // Missed now and then, as detectors do.
        360..600 if second % 4 != 0 => (vec![heap()], OnGround::Nothing),
        _ => (vec![], OnGround::Nothing),
    });
    assert_eq!(street.ends(), [Phase::Opened, Phase::Closed(CloseReason::Cleared)]);
    let opened = &street.transitions[0];
    assert!(opened.at >= at(419) && opened.at <= at(424), "{}", opened.at);
    assert!(matches!(opened.measure, Measure::GroundChange { act_seen: true, changed_ratio } if changed_ratio > 0.0));
    assert_eq!(opened.subkind, "muck_pile");
}

#[test]
fn a_heap_from_before_and_a_load_are_nobody_s() {
    let old: fn(i64) -> Vec<Detection> = |second| match second {
        300..360 => vec![lorry()],
        _ => vec![heap()],
    };
    let load: fn(i64) -> Vec<Detection> = |second| match second {
        300..900 => vec![lorry(), thing(Role::Pile, 0.4, 0.47, 0.2, 0.15)],
        _ => vec![],
    };
    for script in [old, load] {
        let mut street = Street::with_piles(vec![Rule::Dumping(dumping())]);
        street.watch(0..1000, script);
        assert_eq!(street.phases(), []);
    }
}

/// Somebody on foot who sweeps, washes or spreads grain changes the ground as well.
#[test]
fn a_detector_that_knows_heaps_has_to_find_one_unless_a_vehicle_brought_it() {
    let on_foot = |found: bool| {
        move |second: i64| match second {
            0..300 => (vec![], OnGround::Nothing),
            300..340 => (vec![person(0.45)], OnGround::Pile),
            _ => (if found { vec![heap()] } else { vec![] }, OnGround::Pile),
        }
    };
    let phases = |street: &mut Street, found| {
        street.watch_ground(0..700, on_foot(found));
        street.ends()
    };
    let with_piles = || Street::with_piles(vec![Rule::Dumping(dumping())]);
    assert_eq!(phases(&mut with_piles(), false), []);
    assert_eq!(phases(&mut with_piles(), true), [Phase::Opened]);
    assert_eq!(phases(&mut street(|_| {}), false), [Phase::Opened], "another detector cannot tell");
    let mut by_lorry = with_piles();
    by_lorry.watch_ground(0..600, visit(OnGround::Pile));
    assert_eq!(by_lorry.ends(), [Phase::Opened]);
}

/// A shrub under a lamp that is switched on, which a detector takes for a heap all night.
#[test]
fn a_heap_that_nobody_brought_has_to_change_the_ground() {
    let heap_from =
        |ground| move |second| if second < 300 { (vec![], OnGround::Nothing) } else { (vec![heap()], ground) };
    let phases = |ground| {
        let rule = DumpingRule { report_state: true, ..dumping() };
        let mut street = Street::with_piles(vec![Rule::Dumping(rule)]);
        street.watch_ground(0..900, heap_from(ground));
        street.ends()
    };
    assert_eq!(phases(OnGround::Nothing), []);
    assert_eq!(phases(OnGround::Pile), [Phase::Opened]);
}
