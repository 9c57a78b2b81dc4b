//! Checks under faults that go on for long. Each runs in a short form with the other tests and in full where
//! `GRIDWATCH_TORTURE` is `full`, and ends in one line `figure: …`.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

mod chaos;
pub(crate) mod gateway;
mod line;
mod outage;
mod storm;

/// How a check is to be run.
#[allow(clippy::disallowed_methods, reason = "set by whoever runs the checks")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the full form is asked for.
pub(crate) fn is_full() -> bool {
    setting("GRIDWATCH_TORTURE").is_some_and(|form| form == "full")
}

/// The line that `scripts/torture` collects.
#[allow(clippy::print_stdout, reason = "what the check is run for")]
fn figure(values: &str) {
    println!("figure: {values}");
}
