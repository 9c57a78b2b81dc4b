//! What a village cabinet does to a gateway. Each check prints one line `figure: key=value …`; `scripts/torture` gathers them.
//! In an ordinary `cargo test` they run in a short form.
#![allow(clippy::disallowed_methods, reason = "how long a check takes is for its caller to say")]
#![allow(clippy::print_stdout, reason = "what the checks are run for")]
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

mod chaos;
pub(crate) mod gateway;
mod hostile;
mod line;
mod outage;
mod storm;
mod torn;

/// How a check is to be run.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the full form is asked for.
pub(crate) fn is_full() -> bool {
    setting("GRIDWATCH_TORTURE").is_some_and(|form| form == "full")
}

/// The line that `scripts/torture` gathers.
fn figure(values: &str) {
    println!("figure: {values}");
}
