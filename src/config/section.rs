//! A table under validation: collects what is wrong with it, by key.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use super::key_path::KeyPath;

/// A mistake or doubt whose line is not looked up yet.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: KeyPath,
    pub(super) message: String,
    pub(super) advice: String,
    pub(super) is_warning: bool,
}

/// What all sections write into.
#[derive(Debug, Default)]
struct Report {
    problems: RefCell<Vec<Problem>>,
    /// Keys that were refused before their values could be looked at: what follows from their absence
    /// is no news.
    refused: Vec<KeyPath>,
}

/// One table of the document.
#[derive(Debug, Clone)]
pub(super) struct Section {
    report: Rc<Report>,
    path: KeyPath,
}

impl Section {
    /// The root, with what is known already.
    pub(super) fn root(problems: Vec<Problem>, refused: Vec<KeyPath>) -> Self {
        let report = Report { problems: RefCell::new(problems), refused };
        Self { report: Rc::new(report), path: KeyPath::default() }
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &str) -> Self {
        Self { report: Rc::clone(&self.report), path: self.path.key(key) }
    }

    /// One element, from 0, of an array below this table.
    pub(super) fn element(&self, key: &str, index: usize) -> Self {
        Self { report: Rc::clone(&self.report), path: self.path.key(key).index(index) }
    }

    /// `key` is wrong.
    pub(super) fn error(&self, key: &str, message: impl Into<String>, advice: impl Into<String>) {
        self.add(self.path.key(key), message.into(), advice.into(), false);
    }

    /// `key` can be used, but somebody should look at it.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>, advice: impl Into<String>) {
        self.add(self.path.key(key), message.into(), advice.into(), true);
    }

    /// The table itself can be used, but somebody should look at it.
    pub(super) fn warn_here(&self, message: impl Into<String>, advice: impl Into<String>) {
        self.add(self.path.clone(), message.into(), advice.into(), true);
    }

    /// The value, or a complaint that it is missing.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.error(key, "is missing", format!("`{key}` must be given here"));
        }
        value
    }

    /// The text, or a complaint that it is missing or blank.
    pub(super) fn required_text(&self, key: &str, value: Option<String>) -> Option<String> {
        let value = self.required(key, value)?;
        if value.trim().is_empty() {
            self.error(key, "is empty", format!("`{key}` must be given here"));
            return None;
        }
        Some(value)
    }

    /// The path, or a complaint that it is missing or empty: an empty one would name the folder of the file.
    pub(super) fn required_path(&self, key: &str, value: Option<PathBuf>) -> Option<PathBuf> {
        let value = self.required(key, value)?;
        if value.as_os_str().is_empty() {
            self.error(key, "is empty", format!("`{key}` must name a file"));
            return None;
        }
        Some(value)
    }

    /// Whether something at or below `key` was refused, so that what is known of it is not all.
    pub(super) fn is_incomplete(&self, key: &str) -> bool {
        let path = self.path.key(key);
        self.report.refused.iter().any(|refused| refused.starts_with(&path) || path.starts_with(refused))
    }

    /// Everything that was noticed.
    pub(super) fn take_problems(&self) -> Vec<Problem> {
        self.report.problems.take()
    }

    fn add(&self, path: KeyPath, message: String, advice: String, is_warning: bool) {
        if self.report.refused.iter().any(|refused| path.starts_with(refused)) {
            return;
        }
        self.report.problems.borrow_mut().push(Problem { path, message, advice, is_warning });
    }
}
