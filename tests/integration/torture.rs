//! Checks of endurance. Short in an ordinary run of the tests; in full where the environment has
//! `GRIDWATCH_TORTURE=full`, as scripts/torture sets it. Each ends in a line `figure: key=value …`.
#![allow(clippy::disallowed_methods, reason = "how long a check takes is for its caller to say")]

mod hostile;

/// Whether the long form is asked for.
fn full() -> bool {
    std::env::var("GRIDWATCH_TORTURE").is_ok_and(|form| form == "full")
}
