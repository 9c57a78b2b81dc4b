//! Checks under faults that go on for long. Each runs in a short form with the other tests and in full where
//! `GRIDWATCH_TORTURE` is `full`, and ends in one line `figure: …`.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

mod chaos;
pub(crate) mod gateway;
mod line;
mod outage;
mod storm;

/// Whether the full form is asked for.
fn full() -> bool {
    std::env::var("GRIDWATCH_TORTURE").is_ok_and(|form| form == "full")
}

/// The line that `scripts/torture` collects.
#[allow(clippy::print_stdout, reason = "what the check is run for")]
fn figure(values: &str) {
    println!("figure: {values}");
}
