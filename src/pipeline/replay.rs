//! One camera's rules on a clip: the loop of live operation, with the clip's own time.
//!
//! Same configuration, clip and start, same bytes out: ids are derived, numbers count from 1 in an
//! epoch of zeros, and timers follow the pictures.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{Clock, ManualClock};
use crate::config::{Camera, Config, Evidence};
use crate::contract::grid_event::EvidenceEntry;
use crate::contract::sequence::{Epoch, Seq, Stamp};
use crate::domain::analyzer::{AnalyzerConfig, AnalyzerState, CameraAnalyzer};
use crate::domain::camera::StreamInfo;
use crate::domain::frame::Frame;
use crate::domain::ids::DerivedIds;
use crate::domain::incident::{IncidentTransition, SnapshotId};
use crate::domain::scene::ViewState;
use crate::evidence::Picture;
use crate::inference::ModelInfo;
use crate::media::boundary::StreamReport;
use crate::media::clip::ClipSource;
use crate::pipeline::analyze::{CameraLoop, IncidentSink, Standing, Timers};
use crate::pipeline::infer::InferenceThread;
use crate::pipeline::message::{EventWriter, PictureFacts};
use crate::pipeline::models;
use crate::pipeline::picture::picture;
use crate::pipeline::progress::Progress;
use crate::pipeline::see::{Eyes, Sight};
use crate::scene::SceneMeter;

/// What to replay.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Of the configuration.
    pub camera: String,
    /// The clip.
    pub clip: PathBuf,
    /// When its first picture was taken.
    pub start: Timestamp,
    /// Where the events' pictures are written, if anywhere.
    pub evidence_dir: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Pictures analysed.
    pub looks: u64,
    /// Pictures that could not be analysed.
    pub looks_failed: u64,
    /// Events written.
    pub events: u64,
}

/// Writes each event as one line of JSON to `out`.
pub async fn replay<W: Write + Send>(
    config: &Config,
    options: &ReplayOptions,
    out: &mut W,
) -> anyhow::Result<ReplaySummary> {
    let camera = config
        .cameras
        .iter()
        .find(|camera| camera.id.as_str() == options.camera)
        .with_context(|| format!("no camera `{}` in the configuration", options.camera))?;
    let only = Config { cameras: vec![camera.clone()], ..config.clone() };
    let models = models::load(&only)?;
    let manifest = models::manifest_of(&only, camera).to_owned();
    let model = models.facts.get(&manifest).map(|facts| facts.info.clone()).context("the model was not loaded")?;
    let clock = ManualClock::new(options.start);
    let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let (thread, inferrer) = InferenceThread::start(models.detectors, 1, Progress::new(shared_clock))?;
    let source = ClipSource::open(&options.clip, options.start, camera.decode)?;
    let analyzer = CameraAnalyzer::new(analyzer_config(camera, &model), Box::new(DerivedIds), None, options.start);
    let sink = ReplaySink {
        camera,
        model,
        writer: EventWriter::new(config)?,
        pictures: &config.evidence,
        evidence_dir: options.evidence_dir.clone(),
        clock,
        kept: BTreeMap::new(),
        incidents: BTreeMap::new(),
        summary: ReplaySummary::default(),
        out,
        failure: None,
    };
    let (_no_inputs, inputs) = mpsc::channel(1);
    let eyes = Eyes::new(scene_meter(&analyzer), inferrer, &manifest, &camera.masks);
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
    let CameraLoop { sink, eyes, .. } = camera_loop;
    drop(eyes);
    tokio::task::spawn_blocking(|| thread.join()).await.context("joining the inference thread")?;
    sink.failure.map_or(Ok(sink.summary), Err)
}

/// What the analyzer is told of a camera.
#[must_use]
pub fn analyzer_config(camera: &Camera, model: &ModelInfo) -> AnalyzerConfig {
    AnalyzerConfig {
        camera: camera.id.clone(),
        look_interval: camera.look_interval,
        zones: camera.zones.clone(),
        rules: camera.rules.clone(),
        knows_piles: model.knows_piles,
    }
}

/// Measures what the analyzer's rules need.
#[must_use]
pub fn scene_meter(analyzer: &CameraAnalyzer) -> SceneMeter {
    let zones: Vec<_> = analyzer.ground_zones().map(|zone| (zone.id.as_str(), &zone.polygon)).collect();
    SceneMeter::new(&zones)
}

struct ReplaySink<'a, W> {
    camera: &'a Camera,
    model: ModelInfo,
    writer: EventWriter,
    pictures: &'a Evidence,
    evidence_dir: Option<PathBuf>,
    clock: ManualClock,
    kept: BTreeMap<SnapshotId, Picture>,
    incidents: BTreeMap<Uuid, Vec<EvidenceEntry>>,
    summary: ReplaySummary,
    out: &'a mut W,
    failure: Option<anyhow::Error>,
}

impl<W: Write> ReplaySink<'_, W> {
    fn write(&mut self, step: &IncidentTransition) -> anyhow::Result<()> {
        self.summary.events += 1;
        let evidence = self.incidents.entry(step.event_id).or_default();
        for shown in &step.evidence {
            // A picture that could not be made is missing from the kept ones, and was reported then.
            let Some(picture) = self.kept.remove(&shown.snapshot) else { continue };
            let entry = self.writer.evidence_entry(evidence.len() + 1, shown, &PictureFacts::of(&picture, &self.model));
            if let Some(folder) = &self.evidence_dir {
                let path = folder.join(format!("{}-{}.jpg", step.event_id, entry.id));
                std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
                std::fs::write(&path, &picture.jpeg).with_context(|| path.display().to_string())?;
            }
            evidence.push(entry);
        }
        let event = self.writer.event(self.camera, &self.model, step, self.clock.quality(), evidence, false);
        let stamp = Stamp { epoch: Epoch(Uuid::nil()), seq: Seq(self.summary.events), gone: Vec::new() };
        self.out.write_all(&event.to_bytes(&stamp))?;
        self.out.write_all(b"\n")?;
        Ok(())
    }
}

impl<W: Write + Send> IncidentSink for ReplaySink<'_, W> {
    async fn keep(&mut self, id: SnapshotId, frame: &Arc<Frame>, sight: &Sight, crowd: Option<&str>) {
        match picture(frame, &sight.to_redact(), (self.camera, &self.model), crowd, self.pictures) {
            Ok(picture) => drop(self.kept.insert(id, picture)),
            Err(error) => tracing::warn!(camera = %self.camera.id, %error, "a picture is withheld"),
        }
    }

    async fn discard(&mut self, id: SnapshotId) {
        self.kept.remove(&id);
    }

    async fn transitions(&mut self, steps: Vec<IncidentTransition>, _state: AnalyzerState) {
        for step in steps {
            if self.failure.is_none() {
                self.failure = self.write(&step).err();
            }
        }
    }

    async fn heard(&mut self, _event_id: Uuid, _seq: Option<u64>, _state: AnalyzerState) {}

    async fn looked(&mut self, at: Timestamp, _next_at: Timestamp, _view: ViewState) {
        self.clock.advance_to(at);
        self.summary.looks += 1;
    }

    async fn look_waits(&mut self) {}

    async fn look_failed(&mut self, reason: &str) {
        self.summary.looks_failed += 1;
        tracing::warn!(camera = %self.camera.id, reason, "a picture could not be analysed");
    }

    async fn stream(&mut self, report: &StreamReport) {
        tracing::debug!(camera = %self.camera.id, state = ?report.state, detail = report.detail, "stream");
    }

    async fn stream_info(&mut self, info: &StreamInfo) {
        tracing::info!(camera = %self.camera.id, codec = info.codec, width = info.width, height = info.height, "clip");
    }

    async fn idle(&mut self, _state: AnalyzerState) {}
}
