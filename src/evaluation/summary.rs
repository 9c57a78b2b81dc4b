//! Runs added up: what `eval.json` holds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::agreement::{self, Boxes};
use super::figures::{Figures, Rate, Tally};
use super::noise::Noise;
use super::redaction::HeadCounts;
use super::run::{Lure, Run};
use crate::domain::detection::Role;
use crate::domain::incident::Kind;

/// Rows of one table by name.
pub type Rows = BTreeMap<String, Figures>;

/// One kind's figures, as a whole and broken down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindSummary {
    /// All scenes with a rule of the kind.
    pub all: Figures,
    /// Scenes that name the condition.
    pub by_condition: Rows,
    /// Scenes of the story.
    pub by_story: Rows,
    /// Scenes of the stock.
    pub by_stock: Rows,
}

/// Incidents reported from scenes in which nothing happened to the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LureCounts {
    /// Runs of such scenes.
    pub scenes: u64,
    /// Events from them.
    pub incidents: u64,
}

/// A detector against the truth's boxes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RoleFigures {
    /// Things of at least 40 pixels' height of which little is hidden, that were found.
    pub found: Rate,
    /// Detections that are on a thing of the role.
    pub right: Rate,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// Length of all runs, hours.
    pub scheduled_hours: f64,
    /// The part that looks stand for, hours.
    pub analysed_hours: f64,
    /// One of the other.
    pub share: Option<f64>,
    /// Pictures analysed.
    pub looks: u64,
    /// Pictures that could not be.
    pub looks_failed: u64,
}

/// Everything that an evaluation says. The same scenes, model and noise give the same bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Of this form.
    pub version: u32,
    /// Runs from pixels.
    pub runs_from_pixels: u64,
    /// Runs from journals.
    pub runs_from_journals: u64,
    /// Of the journals, if there were any.
    pub noise: Option<Noise>,
    /// Models that looked at pixels.
    pub models: Vec<String>,
    /// All kinds together.
    pub all: Figures,
    /// Each kind.
    pub kinds: BTreeMap<Kind, KindSummary>,
    /// How much was looked at.
    pub coverage: Coverage,
    /// Scenes without an incident whose view changes.
    pub view_changes: LureCounts,
    /// Scenes without an incident on whose ground nothing changes but the light.
    pub light_only: LureCounts,
    /// Persons of at least 40 pixels' height in published pictures whose head is covered.
    pub heads_covered: Option<Rate>,
    /// Published pictures in which heads were looked for.
    pub pictures_published: u64,
    /// By role, where there are pixels and boxes.
    pub detector: BTreeMap<Role, RoleFigures>,
    /// Doubts about the truth.
    pub warnings: Vec<String>,
    /// One for each run.
    pub runs: Vec<Run>,
}

impl Summary {
    /// Adds up `runs`, which are in the order of their scenes.
    #[must_use]
    pub fn of(runs: Vec<Run>, noise: Noise) -> Self {
        let from_pixels = runs.iter().filter(|run| run.pixels).count() as u64;
        let from_journals = runs.len() as u64 - from_pixels;
        let mut models: Vec<String> = runs.iter().filter_map(|run| run.model.clone()).collect();
        models.sort();
        models.dedup();
        let mut heads = HeadCounts::default();
        for run in &runs {
            heads.add(&run.heads);
        }
        let mut warnings: Vec<String> = runs.iter().flat_map(|run| run.warnings.iter().cloned()).collect();
        warnings.dedup();
        Self {
            version: 1,
            runs_from_pixels: from_pixels,
            runs_from_journals: from_journals,
            noise: (from_journals > 0).then_some(noise),
            models,
            all: all_kinds(&runs).figures(),
            kinds: Kind::ALL.into_iter().filter_map(|kind| Some((kind, by_kind(&runs, kind)?))).collect(),
            coverage: coverage(&runs),
            view_changes: lured(&runs, Lure::View),
            light_only: lured(&runs, Lure::Light),
            heads_covered: (heads.persons > 0).then(|| Rate::new(heads.covered, heads.persons)),
            pictures_published: heads.pictures,
            detector: detector(&runs),
            warnings,
            runs,
        }
    }
}

/// What `run` adds to the figures of `kind`; none if no rule looked for it.
fn tally(run: &Run, kind: Kind) -> Option<Tally> {
    if !run.kinds.contains(&kind) {
        return None;
    }
    let cases: Vec<_> = run.cases.iter().filter(|case| case.kind == kind).collect();
    let count =
        |reports: &[super::matching::Report]| reports.iter().filter(|report| report.kind == kind).count() as u64;
    Some(Tally {
        scenes: 1,
        negatives: u64::from(cases.is_empty()),
        positives: cases.len() as u64,
        found: cases.iter().filter(|case| case.reported_s.is_some()).count() as u64,
        false_alarms: count(&run.false_alarms),
        duplicates: count(&run.duplicates),
        seconds: run.looks.watched_s,
        delays_s: cases.iter().filter_map(|case| case.delay_s).collect(),
    })
}

fn all_kinds(runs: &[Run]) -> Tally {
    let mut sum = Tally::default();
    for run in runs {
        for of_kind in Kind::ALL.into_iter().filter_map(|kind| tally(run, kind)) {
            sum.add(&Tally { scenes: 0, negatives: 0, seconds: 0.0, ..of_kind });
        }
        sum.scenes += 1;
        sum.negatives += u64::from(run.cases.is_empty());
        sum.seconds += run.looks.watched_s;
    }
    sum
}

fn by_kind(runs: &[Run], kind: Kind) -> Option<KindSummary> {
    let tallies: Vec<(&Run, Tally)> = runs.iter().filter_map(|run| Some((run, tally(run, kind)?))).collect();
    let grouped = |names: fn(&Run) -> Vec<String>| {
        let mut groups: BTreeMap<String, Tally> = BTreeMap::new();
        for (run, tally) in &tallies {
            for name in names(run) {
                groups.entry(name).or_default().add(tally);
            }
        }
        groups.into_iter().map(|(name, tally)| (name, tally.figures())).collect::<Rows>()
    };
    let mut all = Tally::default();
    for (_, tally) in &tallies {
        all.add(tally);
    }
    (!tallies.is_empty()).then(|| KindSummary {
        all: all.figures(),
        by_condition: grouped(|run| run.conditions.clone()),
        by_story: grouped(|run| vec![run.story.clone()]),
        by_stock: grouped(|run| vec![run.stock.clone()]),
    })
}

fn coverage(runs: &[Run]) -> Coverage {
    let scheduled: f64 = runs.iter().map(|run| run.seconds).sum();
    let analysed: f64 = runs.iter().map(|run| run.looks.watched_s).sum();
    Coverage {
        scheduled_hours: super::figures::rounded(scheduled / 3600.0),
        analysed_hours: super::figures::rounded(analysed / 3600.0),
        share: (scheduled > 0.0).then(|| super::figures::rounded(analysed / scheduled)),
        looks: runs.iter().map(|run| run.looks.taken).sum(),
        looks_failed: runs.iter().map(|run| run.looks.failed).sum(),
    }
}

fn lured(runs: &[Run], lure: Lure) -> LureCounts {
    let such = runs.iter().filter(|run| run.lure == Some(lure));
    such.fold(LureCounts::default(), |sum, run| LureCounts {
        scenes: sum.scenes + 1,
        incidents: sum.incidents + run.false_alarms.len() as u64,
    })
}

fn detector(runs: &[Run]) -> BTreeMap<Role, RoleFigures> {
    let mut sum = BTreeMap::new();
    for run in runs {
        agreement::add(&mut sum, &run.agreement);
    }
    let figures = |boxes: Boxes| RoleFigures {
        found: Rate::new(boxes.found, boxes.things),
        right: Rate::new(boxes.right, boxes.detections),
    };
    sum.into_iter().map(|(role, boxes)| (role, figures(boxes))).collect()
}
