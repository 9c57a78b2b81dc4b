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

/// Whether everything is to be done that the figures are about, and not a sample of it.
pub(crate) fn is_full() -> bool {
    std::env::var_os("GRIDWATCH_TORTURE").is_some_and(|value| value == "full")
}

/// The line that `scripts/torture` gathers.
fn figure(values: &str) {
    println!("figure: {values}");
}
