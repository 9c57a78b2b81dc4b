//! What a village cabinet does to a gateway. Each check prints one line `figure: key=value …`; `scripts/torture` gathers them.
//! In an ordinary `cargo test` they run in a short form.

mod torn;

/// Whether everything is to be done that the figures are about, and not a sample of it.
pub(crate) fn is_full() -> bool {
    std::env::var_os("GRIDWATCH_TORTURE").is_some_and(|value| value == "full")
}
