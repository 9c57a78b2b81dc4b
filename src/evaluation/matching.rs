//! Which report is about which incident. The rules are those of `docs/evaluation.md`.

use serde::Serialize;
use uuid::Uuid;

use super::scene::{Scene, Span};
use crate::domain::incident::Kind;
use crate::domain::rules::params::Rule;

/// An incident may be reported for so long after its end: looks come late.
pub const GRACE_S: f64 = 10.0;
/// An incident has to outlast the dwell by this to be one that must be found.
pub const MARGIN_S: f64 = 5.0;

/// An incident that ought to be reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What, where and when.
    pub span: Span,
    /// Of the rule that watches it; the shortest if there are several.
    pub dwell_s: f64,
}

/// What a scene's truth asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    /// To be found.
    pub cases: Vec<Case>,
    /// Neither right nor wrong.
    pub ignored: Vec<Span>,
    /// Doubts about the truth.
    pub warnings: Vec<String>,
}

impl Expectation {
    /// What `scene` asks for. Incidents of a kind and zone that overlap, or follow one another before the
    /// rule would have closed the first, are one. One that is over before its rule could report it is
    /// neither right nor wrong.
    #[must_use]
    pub fn of(scene: &Scene) -> Self {
        let mut told = scene.incidents.clone();
        told.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
        let mut cases: Vec<Case> = Vec::new();
        for span in told {
            let seconds = |of: fn(&Rule) -> f64| scene.rules(span.kind, &span.zone).map(of);
            let dwell_s = seconds(|rule| rule.common().dwell.as_secs_f64()).fold(f64::MAX, f64::min);
            let clear_s = seconds(|rule| rule.common().clear_after.as_secs_f64()).fold(0.0, f64::max);
            let same = cases.iter_mut().rev().find(|case| {
                is_about(&case.span, span.kind, &span.zone) && span.from_s <= case.span.until_s + clear_s + GRACE_S
            });
            match same {
                Some(case) => case.span.until_s = case.span.until_s.max(span.until_s),
                None => cases.push(Case { span, dwell_s }),
            }
        }
        let (cases, brief): (Vec<_>, Vec<_>) =
            cases.into_iter().partition(|case| case.span.until_s - case.span.from_s >= case.dwell_s + MARGIN_S);
        let warnings = brief.iter().map(|Case { span, dwell_s }| {
            let (kind, lasts) = (span.kind.name(), span.until_s - span.from_s);
            format!(
                "{}: the {kind} in `{}` at {:.0} s lasts {lasts:.0} s, too short for a dwell of {dwell_s:.0} s; it counts neither way",
                scene.name, span.zone, span.from_s
            )
        });
        let warnings = warnings.collect();
        let ignored = scene.ignored.iter().cloned().chain(brief.into_iter().map(|case| case.span)).collect();
        Self { cases, ignored, warnings }
    }
}

fn is_about(span: &Span, kind: Kind, zone: &str) -> bool {
    span.kind == kind && span.zone == zone
}

/// An incident as it was reported: opened, or opened again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of the event.
    pub event_id: Uuid,
    /// Of what.
    pub kind: Kind,
    /// The finer kind.
    pub subkind: String,
    /// Where.
    pub zone: String,
    /// Which rule.
    pub rule: String,
    /// Seconds of the scene.
    pub at_s: f64,
    /// When it was closed; the scene's end if it never was.
    pub until_s: f64,
    /// An incident that was closed goes on.
    pub reopened: bool,
    /// 0–1.
    pub score: f64,
    /// Boxes of the event: left, top, width, height.
    pub boxes: Vec<[f32; 4]>,
}

/// What a report is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first about this case.
    Found(usize),
    /// Another step of the same event about the same case.
    Again(usize),
    /// Another event about a case that has one.
    Duplicate(usize),
    /// Neither right nor wrong.
    Ignored,
    /// Nothing of the kind was there.
    FalseAlarm,
}

/// What the reports of one run are worth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// One for each report.
    pub verdicts: Vec<Verdict>,
    /// For each case the report that found it, if any did.
    pub found: Vec<Option<usize>>,
}

/// Joins reports, in the order of their times, with what was to be found.
#[must_use]
pub fn judge(expected: &Expectation, reports: &[Report]) -> Judgement {
    let mut found: Vec<Option<usize>> = vec![None; expected.cases.len()];
    let mut verdicts = Vec::with_capacity(reports.len());
    for (index, report) in reports.iter().enumerate() {
        let covers = |span: &Span| {
            is_about(span, report.kind, &report.zone) && (span.from_s..=span.until_s + GRACE_S).contains(&report.at_s)
        };
        let about: Vec<usize> = (0..expected.cases.len()).filter(|&case| covers(&expected.cases[case].span)).collect();
        let by_same = |case: &usize| found[*case].is_some_and(|first| reports[first].event_id == report.event_id);
        let verdict = if let Some(&case) = about.iter().find(|case| found[**case].is_none()) {
            found[case] = Some(index);
            Verdict::Found(case)
        } else if let Some(&case) = about.iter().find(|case| by_same(case)) {
            Verdict::Again(case)
        } else if let Some(&case) = about.first() {
            Verdict::Duplicate(case)
        } else if expected.ignored.iter().any(covers) {
            Verdict::Ignored
        } else {
            Verdict::FalseAlarm
        };
        verdicts.push(verdict);
    }
    // Whoever was told of one is told of the next, if the first report still stands when it begins.
    for (case, first) in expected.cases.iter().zip(&mut found).filter(|(_, first)| first.is_none()) {
        *first = reports.iter().zip(&verdicts).position(|(report, verdict)| {
            matches!(verdict, Verdict::Found(_))
                && is_about(&case.span, report.kind, &report.zone)
                && report.at_s <= case.span.from_s
                && report.until_s >= case.span.from_s + case.dwell_s
        });
    }
    Judgement { verdicts, found }
}

#[cfg(test)]
mod tests;
