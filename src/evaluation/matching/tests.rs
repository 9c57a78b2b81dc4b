use super::*;

fn span(from_s: f64, until_s: f64) -> Span {
    Span { kind: Kind::Encroachment, zone: "walkway".into(), from_s, until_s }
}

fn case(from_s: f64, until_s: f64) -> Case {
    Case { span: span(from_s, until_s), dwell_s: 30.0 }
}

fn report(event: u128, at_s: f64, until_s: f64) -> Report {
    Report {
        event_id: Uuid::from_u128(event),
        kind: Kind::Encroachment,
        subkind: "street_occupation".into(),
        zone: "walkway".into(),
        rule: "stalls".into(),
        at_s,
        until_s,
        reopened: false,
        score: 0.8,
        boxes: Vec::new(),
    }
}

fn expecting(cases: Vec<Case>) -> Expectation {
    Expectation { cases, ..Expectation::default() }
}

#[test]
fn an_event_in_time_finds_its_incident_and_a_second_is_a_duplicate() {
    let expected = expecting(vec![case(100.0, 400.0)]);
    let judged = judge(&expected, &[report(1, 131.0, 420.0), report(2, 200.0, 420.0)]);
    assert_eq!(judged.verdicts, [Verdict::Found(0), Verdict::Duplicate(0)]);
    assert_eq!(judged.found, [Some(0)]);
}

#[test]
fn an_event_before_or_long_after_is_a_false_alarm() {
    let expected = expecting(vec![case(100.0, 400.0)]);
    let judged = judge(&expected, &[report(1, 99.0, 120.0), report(2, 411.0, 500.0)]);
    assert_eq!(judged.verdicts, [Verdict::FalseAlarm, Verdict::FalseAlarm]);
    assert_eq!(judged.found, [None]);
    let late = judge(&expected, &[report(1, 409.0, 500.0)]);
    assert_eq!(late.verdicts, [Verdict::Found(0)]);
}

#[test]
fn another_kind_or_zone_is_another_matter() {
    let expected = expecting(vec![case(100.0, 400.0)]);
    let elsewhere = Report { zone: "road".into(), ..report(1, 150.0, 200.0) };
    let other = Report { kind: Kind::Dumping, ..report(2, 150.0, 200.0) };
    assert_eq!(judge(&expected, &[elsewhere, other]).verdicts, [Verdict::FalseAlarm, Verdict::FalseAlarm]);
}

#[test]
fn an_incident_that_is_opened_again_is_the_same() {
    let expected = expecting(vec![case(100.0, 400.0)]);
    let again = Report { reopened: true, ..report(1, 300.0, 420.0) };
    assert_eq!(judge(&expected, &[report(1, 131.0, 250.0), again]).verdicts, [Verdict::Found(0), Verdict::Again(0)]);
    // Where a second incident follows, going on with the first event's id finds it.
    let two = expecting(vec![case(100.0, 240.0), case(290.0, 500.0)]);
    let again = Report { reopened: true, ..report(1, 330.0, 600.0) };
    assert_eq!(judge(&two, &[report(1, 131.0, 250.0), again]).found, [Some(0), Some(1)]);
}

#[test]
fn a_report_that_still_stands_finds_the_next_incident() {
    let two = expecting(vec![case(100.0, 240.0), case(290.0, 500.0)]);
    assert_eq!(judge(&two, &[report(1, 131.0, 600.0)]).found, [Some(0), Some(0)]);
    assert_eq!(judge(&two, &[report(1, 131.0, 300.0)]).found, [Some(0), None]);
}

#[test]
fn ignored_time_is_neither_right_nor_wrong() {
    let expected = Expectation { ignored: vec![span(0.0, 60.0)], ..Expectation::default() };
    let judged = judge(&expected, &[report(1, 50.0, 90.0), report(2, 80.0, 90.0)]);
    assert_eq!(judged.verdicts, [Verdict::Ignored, Verdict::FalseAlarm]);
}
