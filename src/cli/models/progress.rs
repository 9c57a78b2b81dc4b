//! What a download tells the person who waits for it: a bar on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::mebibytes;
use crate::catalogue::Step;

const TEMPLATE: &str = "{msg} {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
/// Of the file, between two lines.
const LINE_EVERY_PERCENT: u64 = 10;

#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    bytes: u64,
    bar: Option<ProgressBar>,
    last_line: Cell<Option<u64>>,
}

impl Progress {
    pub(super) fn new(name: &str, bytes: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(bytes).with_message(name.to_owned()).with_style(style)
        });
        Self { name: name.to_owned(), bytes, bar, last_line: Cell::new(None) }
    }

    pub(super) fn show(&self, step: &Step<'_>) {
        match step {
            Step::Has(bytes) => self.has(*bytes),
            Step::Again { why, wait } => self.say(&format!("{why}; trying again in {:.1} s", wait.as_secs_f64())),
            Step::FromStart(why) => self.say(&format!("{why}; starting from the first byte")),
        }
    }

    fn has(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            // What was here before tells nothing about the line.
            if bar.position() == 0 && bytes > 0 {
                bar.reset_eta();
            }
            bar.set_position(bytes);
            return;
        }
        let percent = bytes * 100 / self.bytes.max(1);
        let line = percent / LINE_EVERY_PERCENT;
        if self.last_line.get().is_none_or(|last| line > last) {
            self.last_line.set(Some(line));
            tracing::info!("{}: {percent} % of {}", self.name, mebibytes(self.bytes));
        }
    }

    fn say(&self, words: &str) {
        let log = || tracing::warn!("{}: {words}", self.name);
        match &self.bar {
            Some(bar) => bar.suspend(log),
            None => log(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
