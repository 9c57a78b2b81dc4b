//! Composition, signals and systemd for `gridwatch run`.
