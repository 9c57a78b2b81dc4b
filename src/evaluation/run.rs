//! One scene through the real loop: from its pixels, or from its journal.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::agreement::{Agreement, Compared};
use super::exhibit::{Exhibit, What};
use super::inference::{Loaded, Sessions};
use super::journal::{Journal, JournalEyes, JournalSource, moment, street};
use super::matching::{Case, Expectation, Judgement, Report, Verdict, judge};
use super::noise::Noise;
use super::recorder::{Looks, Recorded, Recorder, Shown};
use super::redaction::{HeadCounts, Heads};
use super::scene::Scene;
use super::truth::{self, Cover, Picture, View, picture_at};
use crate::domain::analyzer::CameraAnalyzer;
use crate::domain::ids::DerivedIds;
use crate::domain::incident::Kind;
use crate::inference::ModelInfo;
use crate::media::boundary::FrameSource;
use crate::media::clip::ClipSource;
use crate::pipeline::analyze::{CameraLoop, Standing, Timers};
use crate::pipeline::models::{manifest_of, no_model};
use crate::pipeline::replay::{analyzer_config, scene_meter};
use crate::pipeline::see::{Eyes, See};

/// What became of an incident that was to be found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseResult {
    /// Of what.
    pub kind: Kind,
    /// Where.
    pub zone: String,
    /// Seconds of the scene.
    pub from_s: f64,
    /// Seconds of the scene.
    pub until_s: f64,
    /// When it was reported; none if it never was.
    pub reported_s: Option<f64>,
    /// From the end of the dwell to the report; none if the report of an earlier incident still stood.
    pub delay_s: Option<f64>,
}

/// What a negative scene may be fooled by that no thing has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lure {
    /// The lens is covered, it is dark, or the camera is turned.
    View,
    /// The ground is lit or shaded, and nothing else.
    Light,
}

/// What came of one run of a scene.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The folder.
    pub scene: String,
    /// From 0; always 0 from pixels.
    pub repeat: u32,
    /// From pixels, not from a journal.
    pub pixels: bool,
    /// As the scene says.
    pub story: String,
    /// As the scene says.
    pub split: String,
    /// As the scene says.
    pub stock: String,
    /// As the scene says.
    pub conditions: Vec<String>,
    /// Of the rules at work.
    pub kinds: Vec<Kind>,
    /// Length of the scene.
    pub seconds: f64,
    /// How much was looked at.
    pub looks: Looks,
    /// What was to be found.
    pub cases: Vec<CaseResult>,
    /// Events without an incident.
    pub false_alarms: Vec<Report>,
    /// Further events for an incident that has one.
    pub duplicates: Vec<Report>,
    /// A scene in which nothing was to be found but a view or a light that changes.
    pub lure: Option<Lure>,
    /// Heads in published pictures.
    #[serde(skip)]
    pub heads: HeadCounts,
    /// The detector against the truth.
    #[serde(skip)]
    pub agreement: Agreement,
    /// Which model looked.
    #[serde(skip)]
    pub model: Option<String>,
    /// For the report.
    #[serde(skip)]
    pub exhibits: Vec<Exhibit>,
    /// Doubts about the truth.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Runs the journal of a scene, once for each of `repeats`.
pub async fn run_journal(scene: &Scene, noise: Noise, repeats: Range<u32>) -> anyhow::Result<Vec<Run>> {
    let file = scene.truth.as_deref().with_context(|| format!("{}: a journal needs `truth`", scene.name))?;
    Ok(run_pictures(scene, Arc::new(truth::read(file)?), noise, repeats).await)
}

/// Runs a journal of these pictures, once for each of `repeats`.
pub async fn run_pictures(scene: &Scene, pictures: Arc<Vec<Picture>>, noise: Noise, repeats: Range<u32>) -> Vec<Run> {
    let journal = Arc::new(Journal::new(Arc::clone(&pictures), scene.start));
    // What stands in for a detector knows whatever the truth has boxes of.
    let model = ModelInfo { knows_piles: true, ..no_model() };
    let street = street(scene, &analyzer(scene, &model), noise);
    let mut runs = Vec::with_capacity(repeats.len());
    for repeat in repeats {
        let eyes = JournalEyes::new(Arc::clone(&journal), street.clone(), scene, noise, repeat);
        let sink = Recorder::new(span(scene), None, None);
        let (recorded, _) = drive(JournalSource::new(Arc::clone(&journal)), eyes, analyzer(scene, &model), sink).await;
        runs.push(Outcome::of(scene, recorded, Arc::clone(&pictures)).run(repeat));
    }
    runs
}

/// Runs the pixels of a scene.
pub async fn run_clip(scene: &Scene, sessions: &mut Sessions) -> anyhow::Result<Run> {
    let clip = scene.clip.as_deref().with_context(|| format!("{}: there is no clip", scene.name))?;
    let pictures = Arc::new(scene.truth.as_deref().map(truth::read).transpose()?.unwrap_or_default());
    let loaded = sessions.of(&scene.config).with_context(|| scene.name.clone())?;
    let camera = scene.camera();
    let source = ClipSource::open(clip, scene.start, camera.decode)?;
    let analyzer = analyzer(scene, &loaded.model);
    let eyes = eyes(scene, &analyzer, &loaded);
    let eyes = Compared::new(eyes, Arc::clone(&pictures), scene.start);
    let heads = loaded.model.knows_persons && !pictures.is_empty();
    let heads = heads.then(|| Heads::new(Arc::clone(&pictures), camera.masks.clone(), scene.config.evidence.max_width));
    let sink = Recorder::new(span(scene), loaded.model.knows_persons.then(|| camera.zones.clone()), heads);
    let (recorded, eyes) = drive(source, eyes, analyzer, sink).await;
    let mut outcome = Outcome::of(scene, recorded, pictures);
    outcome.agreement = eyes.agreement;
    outcome.model = Some(format!("{} {}", loaded.model.name, loaded.model.version));
    if loaded.model.knows_persons {
        outcome.missed = look_again(scene, &outcome.moments_missed(), &loaded).await?;
    }
    Ok(outcome.run(0))
}

fn span(scene: &Scene) -> (crate::domain::Timestamp, crate::domain::Timestamp) {
    (scene.start, moment(scene.start, scene.seconds))
}

fn analyzer(scene: &Scene, model: &ModelInfo) -> CameraAnalyzer {
    CameraAnalyzer::new(analyzer_config(scene.camera(), model), Box::new(DerivedIds), None, scene.start)
}

fn eyes(scene: &Scene, analyzer: &CameraAnalyzer, loaded: &Loaded) -> Eyes {
    let manifest = manifest_of(&scene.config, scene.camera());
    Eyes::new(scene_meter(analyzer), loaded.inferrer.clone(), manifest, &scene.camera().masks)
}

async fn drive<S: FrameSource, E: See>(source: S, eyes: E, analyzer: CameraAnalyzer, sink: Recorder) -> (Recorded, E) {
    let (_no_inputs, inputs) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let mut camera_loop = CameraLoop {
        source,
        eyes,
        analyzer,
        sink,
        timers: Timers::Pictures,
        inputs,
        stop,
        idle_every: None,
        standing: Standing::default(),
    };
    camera_loop.run().await;
    (camera_loop.sink.finish(), camera_loop.eyes)
}

/// Pictures of moments at which something was there and not reported: nobody kept one at the time.
async fn look_again(scene: &Scene, moments: &[f64], loaded: &Loaded) -> anyhow::Result<Vec<Option<Shown>>> {
    let mut shown = Vec::with_capacity(moments.len());
    for second in moments {
        // A clip is read forwards, and misses may overlap.
        let clip = scene.clip.as_deref().context("there is no clip")?;
        let mut source = ClipSource::open(clip, scene.start, scene.camera().decode)?;
        let at = moment(scene.start, *second);
        let mut eyes = eyes(scene, &analyzer(scene, &loaded.model), loaded);
        let max_gap = scene.camera().look_interval * 2;
        shown.push(match source.look(crate::domain::camera::LookPlan { at, max_gap }) {
            Some(frame) => {
                let sight = eyes.see(&frame).await?;
                Some(Shown { frame, boxes: sight.to_redact(), crowd: None })
            }
            None => None,
        });
    }
    Ok(shown)
}

/// Everything that is known when the loop has ended.
struct Outcome<'a> {
    scene: &'a Scene,
    recorded: Recorded,
    expected: Expectation,
    judgement: Judgement,
    pictures: Arc<Vec<Picture>>,
    agreement: Agreement,
    model: Option<String>,
    missed: Vec<Option<Shown>>,
}

impl<'a> Outcome<'a> {
    fn of(scene: &'a Scene, recorded: Recorded, pictures: Arc<Vec<Picture>>) -> Self {
        let expected = Expectation::of(scene);
        let judgement = judge(&expected, &recorded.reports);
        let (agreement, model) = (Agreement::new(), None);
        Self { scene, recorded, expected, judgement, pictures, agreement, model, missed: Vec::new() }
    }

    fn missed(&self) -> impl Iterator<Item = &Case> {
        self.expected.cases.iter().zip(&self.judgement.found).filter(|(_, found)| found.is_none()).map(|(case, _)| case)
    }

    fn moments_missed(&self) -> Vec<f64> {
        self.missed().map(shown_at).collect()
    }

    fn run(mut self, repeat: u32) -> Run {
        let exhibits = self.exhibits(repeat);
        let scene = self.scene;
        let mut kinds: Vec<Kind> = scene.camera().rules.iter().map(crate::domain::rules::params::Rule::kind).collect();
        kinds.sort();
        kinds.dedup();
        let cases = self.expected.cases.iter().zip(&self.judgement.found).map(|(case, found)| {
            let report = found.map(|index| &self.recorded.reports[index]);
            let reported_s = report.map(|report| report.at_s);
            let fresh = reported_s.filter(|at_s| *at_s >= case.span.from_s);
            let Case { span, dwell_s } = case;
            CaseResult {
                kind: span.kind,
                zone: span.zone.clone(),
                from_s: span.from_s,
                until_s: span.until_s,
                reported_s,
                delay_s: fresh.map(|at_s| super::figures::rounded(at_s - span.from_s - dwell_s)),
            }
        });
        let of = |wanted: fn(&Verdict) -> bool| {
            let judged = self.recorded.reports.iter().zip(&self.judgement.verdicts);
            judged.filter(move |(_, verdict)| wanted(verdict)).map(|(report, _)| report.clone()).collect()
        };
        Run {
            scene: scene.name.clone(),
            repeat,
            pixels: self.model.is_some(),
            story: scene.story.clone(),
            split: scene.split.clone(),
            stock: scene.stock.clone(),
            conditions: scene.conditions.clone(),
            kinds,
            seconds: scene.seconds,
            looks: self.recorded.looks,
            cases: cases.collect(),
            false_alarms: of(|verdict| *verdict == Verdict::FalseAlarm),
            duplicates: of(|verdict| matches!(verdict, Verdict::Duplicate(_))),
            lure: lure(&self.pictures).filter(|_| scene.incidents.is_empty()),
            heads: self.recorded.heads.map_or_else(HeadCounts::default, |heads| heads.counts),
            agreement: self.agreement,
            model: self.model,
            exhibits,
            warnings: self.expected.warnings,
        }
    }

    fn exhibits(&mut self, repeat: u32) -> Vec<Exhibit> {
        let mut missed = std::mem::take(&mut self.missed).into_iter();
        let mut confirmed = std::mem::take(&mut self.recorded.confirmed);
        let mut exhibits = Vec::new();
        let exhibit = |what, kind, zone: &str, at_s, words: String, boxes, shown: Option<Shown>| {
            let picture = picture_at(&self.pictures, at_s).cloned();
            Exhibit::new(self.scene, repeat, (what, kind, zone, at_s), words, boxes, shown, picture)
        };
        for case in self.missed() {
            let span = &case.span;
            let words = format!("there from {:.0} s to {:.0} s", span.from_s, span.until_s);
            let shown = missed.next().flatten();
            exhibits.push(exhibit(What::Miss, span.kind, &span.zone, shown_at(case), words, Vec::new(), shown));
        }
        for (index, (report, verdict)) in self.recorded.reports.iter().zip(&self.judgement.verdicts).enumerate() {
            let what = match verdict {
                Verdict::FalseAlarm => What::FalseAlarm,
                Verdict::Duplicate(_) => What::Duplicate,
                Verdict::Found(_) | Verdict::Again(_) | Verdict::Ignored => continue,
            };
            let again = if report.reopened { ", opened again" } else { "" };
            let words = format!("{} by rule `{}`, score {:.2}{again}", report.subkind, report.rule, report.score);
            let shown = confirmed.get_mut(index).and_then(Option::take);
            exhibits.push(exhibit(what, report.kind, &report.zone, report.at_s, words, report.boxes.clone(), shown));
        }
        exhibits
    }
}

/// When a miss is shown: when it should have been reported.
fn shown_at(case: &Case) -> f64 {
    (case.span.from_s + case.dwell_s).min(case.span.until_s)
}

/// What a scene without incidents may be fooled by.
fn lure(pictures: &[Picture]) -> Option<Lure> {
    let mut covers = pictures.iter().flat_map(|picture| &picture.ground).map(|outline| outline.kind).peekable();
    if pictures.iter().any(|picture| picture.view != View::Clear) {
        Some(Lure::View)
    } else {
        (covers.peek().is_some() && covers.all(Cover::is_light)).then_some(Lure::Light)
    }
}
