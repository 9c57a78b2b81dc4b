use jiff::civil::{date, time};

use super::*;

fn schedule(zone: &str, days: Days, start: Time, end: Time) -> Schedule {
    Schedule { time_zone: TimeZone::get(zone).unwrap(), windows: vec![Window { days, start, end }] }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_site_s_time_zone_decides() {
    let day = schedule("Asia/Shanghai", Days::Every, time(8, 0, 0, 0), time(20, 0, 0, 0));
    assert!(!day.is_active(at("2026-03-01T07:59:59.999+08:00")));
    assert!(day.is_active(at("2026-03-01T08:00:00+08:00")));
    assert!(!day.is_active(at("2026-03-01T20:00:00+08:00")), "the end is outside");
    assert_eq!(day.next_change(at("2026-03-01T09:00:00+08:00")), Some(at("2026-03-01T20:00:00+08:00")));
    assert_eq!(day.next_change(at("2026-03-01T20:00:00+08:00")), Some(at("2026-03-02T08:00:00+08:00")));
}

#[test]
fn a_night_belongs_to_the_day_it_starts_on() {
    let friday = Days::Weekdays(vec![Weekday::Friday]);
    let night = schedule("Asia/Shanghai", friday, time(22, 0, 0, 0), time(5, 0, 0, 0));
    assert!(night.is_active(at("2026-03-06T23:00:00+08:00")));
    assert!(night.is_active(at("2026-03-07T04:59:00+08:00")), "Saturday morning");
    assert!(!night.is_active(at("2026-03-06T04:00:00+08:00")), "Friday morning belongs to Thursday");
    assert_eq!(night.next_change(at("2026-03-07T06:00:00+08:00")), Some(at("2026-03-13T22:00:00+08:00")));
}

#[test]
fn summer_time_moves_the_windows() {
    let day = schedule("Europe/Berlin", Days::Every, time(2, 30, 0, 0), time(4, 0, 0, 0));
    // 29 March 2026: 02:00 becomes 03:00, so 02:30 does not exist and is taken as 03:30.
    assert!(!day.is_active(at("2026-03-29T03:15:00+02:00")));
    assert!(day.is_active(at("2026-03-29T03:45:00+02:00")));
    // 25 October 2026: 03:00 becomes 02:00 again; the first 02:30 starts the window.
    assert!(day.is_active(at("2026-10-25T02:30:00+02:00")));
    assert_eq!(day.next_change(at("2026-10-25T02:30:00+02:00")), Some(at("2026-10-25T04:00:00+01:00")));
}

#[test]
fn dates_far_ahead_are_found() {
    let market = Days::Dates(vec![date(2026, 9, 25)]);
    let days = schedule("Asia/Shanghai", market, time(6, 0, 0, 0), time(12, 0, 0, 0));
    assert_eq!(days.next_change(at("2026-03-01T00:00:00Z")), Some(at("2026-09-25T06:00:00+08:00")));
    assert_eq!(days.next_change(at("2026-09-26T00:00:00Z")), None);
}

#[test]
fn equal_ends_are_a_whole_day_and_neighbours_join() {
    let always = schedule("UTC", Days::Every, time(0, 0, 0, 0), time(0, 0, 0, 0));
    assert!(always.is_active(at("2026-03-01T00:00:00Z")) && always.is_active(at("2026-03-01T23:59:59Z")));
    assert_eq!(always.next_change(at("2026-03-01T12:00:00Z")), None);
    let never = Schedule { time_zone: TimeZone::UTC, windows: vec![] };
    assert!(!never.is_active(at("2026-03-01T12:00:00Z")));
    assert_eq!(never.next_change(at("2026-03-01T12:00:00Z")), None);
}
