//! Windows of local time.

use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use super::Refused;
use crate::config::raw::window::RawWindow;
use crate::config::section::Section;
use crate::domain::schedule::{Days, Schedule, Window};

/// The schedule at `key`, if one is given.
pub(super) fn schedule(
    key: &str,
    raw: Option<Vec<RawWindow>>,
    zone: &TimeZone,
    rule: &Section,
) -> Result<Option<Schedule>, Refused> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.is_empty() {
        rule.error(key, "has no window", "add one such as { from = \"07:00\", to = \"20:00\" }, or drop the key");
        return Err(Refused);
    }
    let windows: Vec<_> =
        raw.into_iter().enumerate().map(|(index, raw)| window(raw, &rule.element(key, index))).collect();
    let windows = windows.into_iter().collect::<Option<_>>().ok_or(Refused)?;
    Ok(Some(Schedule { time_zone: zone.clone(), windows }))
}

fn window(raw: RawWindow, section: &Section) -> Option<Window> {
    let days = match (raw.days, raw.dates) {
        (None, None) => Some(Days::Every),
        (Some(days), None) => {
            list("days", &days, weekday, "use mon, tue, wed, thu, fri, sat, sun", section).map(Days::Weekdays)
        }
        (None, Some(dates)) => {
            list("dates", &dates, date, "write dates such as \"2026-12-01\"", section).map(Days::Dates)
        }
        (Some(_), Some(_)) => {
            section.error("dates", "stands beside `days`", "write two windows, one with each");
            None
        }
    };
    let start = section.required("from", raw.from).and_then(|text| time("from", &text, section));
    let end = section.required("to", raw.to).and_then(|text| match text.as_str() {
        // A window that ends at its day's last moment ends at the next day's first.
        "24:00" => Some(Time::midnight()),
        text => time("to", text, section),
    });
    Some(Window { days: days?, start: start?, end: end? })
}

fn list<T>(
    key: &str,
    names: &[String],
    parse: fn(&str) -> Option<T>,
    advice: &str,
    section: &Section,
) -> Option<Vec<T>> {
    if names.is_empty() {
        section.error(key, "is empty, so the window never begins", advice);
        return None;
    }
    let parsed: Option<Vec<T>> = names.iter().map(|name| parse(name)).collect();
    if parsed.is_none() {
        let wrong = names.iter().find(|name| parse(name).is_none()).map_or("", String::as_str);
        let wrong: String = wrong.chars().take(40).collect();
        section.error(key, format!("`{wrong}` is not understood"), advice);
    }
    parsed
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    })
}

fn date(text: &str) -> Option<Date> {
    // Ten characters: `FromStr` alone also takes times and time zones.
    (text.len() == 10).then(|| Date::from_str(text).ok())?
}

fn time(key: &str, text: &str, section: &Section) -> Option<Time> {
    let parsed = text.split_once(':').and_then(|(hour, minute)| {
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let valid = two_digits(hour) && two_digits(minute);
        valid.then(|| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok())?
    });
    if parsed.is_none() {
        section.error(key, "is not a time of day", "write hours and minutes such as \"07:30\"");
    }
    parsed
}
