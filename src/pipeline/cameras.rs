//! Starts the analysis of each camera, with what was known when the program last stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{Camera, Config, Place, SecretRef, Source};
use crate::domain::analyzer::{AnalyzerState, CameraAnalyzer};
use crate::domain::camera::{CameraId, StreamState};
use crate::domain::feedback::Feedback;
use crate::domain::ids::RandomIds;
use crate::domain::incident::{IncidentTransition, SnapshotRequest};
use crate::domain::lifecycle::orphaned;
use crate::inference::ModelInfo;
use crate::media::boundary::{ResolvedSource, StreamReport, WatchCamera};
use crate::media::workers::Workers;
use crate::pipeline::analyze::{CameraInput, CameraLoop, IncidentSink, Standing, Timers};
use crate::pipeline::deliver::{Shared, StoreSink};
use crate::pipeline::infer::Inferrer;
use crate::pipeline::models;
use crate::pipeline::orders::Orders;
use crate::pipeline::progress::REPORT_EVERY;
use crate::pipeline::publish::commands::{CameraInputs, verdict};
use crate::pipeline::replay::{analyzer_config, scene_meter};
use crate::pipeline::see::Eyes;
use crate::telemetry::camera_span;

/// Words of the platform that wait for one camera.
const INPUTS: usize = 16;

/// Starts cameras one by one.
#[derive(Debug)]
pub struct CameraStarter<'a> {
    /// What all of them share.
    pub shared: &'a Shared,
    /// Where pictures come from.
    pub media: &'a Workers,
    /// Who looks.
    pub inferrer: Inferrer,
    /// Ends all of them.
    pub stop: CancellationToken,
    /// The running ones.
    pub tasks: JoinSet<()>,
    /// Where to talk to them.
    pub inputs: CameraInputs,
    /// Which rules are in force.
    pub orders: &'a Orders,
}

impl<'a> CameraStarter<'a> {
    /// None started yet.
    #[must_use]
    pub fn new(shared: &'a Shared, media: &'a Workers, inferrer: Inferrer, orders: &'a Orders) -> Self {
        let (stop, tasks, inputs) = (CancellationToken::new(), JoinSet::new(), BTreeMap::new());
        Self { shared, media, inferrer, stop, tasks, inputs, orders }
    }

    /// Starts one camera. One whose password cannot be read stays offline and says so; the others do not
    /// suffer for it.
    pub async fn start(&mut self, camera: &Camera, manifest: &Path, model: ModelInfo) -> anyhow::Result<()> {
        let mut analyzer = restore(self.shared, camera, &model).await?;
        let mut sink = StoreSink::new(Arc::new(camera.clone()), model, self.shared.clone());
        let mut feed = self.orders.feed(camera);
        let (rules, at) = feed.now();
        sink.rules(&rules);
        analyzer.set_rules(&rules.rules, at);
        self.shared.board.muted(&camera.id, analyzer.mutes());
        settle(self.shared, &camera.id, &mut analyzer, &mut sink).await?;
        let source = match resolve(&camera.source) {
            Ok(source) => source,
            Err(error) => {
                let at = self.shared.clock.now();
                let report = StreamReport { state: StreamState::Offline, at, detail: format!("{error:#}") };
                tracing::error!(camera = %camera.id, error = report.detail, "the camera cannot be started");
                self.shared.board.stream(&camera.id, &report);
                return Ok(());
            }
        };
        let watch =
            WatchCamera { id: camera.id.clone(), source, decode: camera.decode, ring_max_bytes: camera.ring_max_bytes };
        let (sender, inputs) = mpsc::channel(INPUTS);
        self.tell_unapplied(&camera.id, &sender).await?;
        self.inputs.insert(camera.id.clone(), sender);
        let source = self.media.watch(watch);
        sink.count_pictures_with(source.counts_handle());
        let mut camera_loop = CameraLoop {
            source,
            eyes: Eyes::new(scene_meter(&analyzer), self.inferrer.clone(), manifest, &camera.masks),
            analyzer,
            sink,
            timers: Timers::Live(Arc::clone(&self.shared.clock)),
            inputs,
            stop: self.stop.clone(),
            idle_every: Some(REPORT_EVERY),
            standing: Standing::new(feed),
        };
        let run = async move {
            let state = camera_loop.run().await;
            camera_loop.sink.finish(state).await;
        };
        self.tasks.spawn(run.instrument(camera_span(&camera.id)));
        Ok(())
    }

    /// Words that were recorded when the program stopped, but had no effect yet.
    async fn tell_unapplied(&self, camera: &CameraId, inputs: &mpsc::Sender<CameraInput>) -> anyhow::Result<()> {
        for (feedback, seq) in unheard(self.shared, camera).await?.into_iter().take(INPUTS) {
            let (seq, at) = (Some(seq), self.shared.clock.now());
            let input = CameraInput::Feedback { feedback, seq, at, known: None };
            inputs.try_send(input).context("telling a camera what the platform said")?;
        }
        Ok(())
    }
}

/// Words of the platform that are on record and had no effect yet, with their numbers.
async fn unheard(shared: &Shared, camera: &CameraId) -> anyhow::Result<Vec<(Feedback, u64)>> {
    let recorded = shared.store.unapplied_feedback(camera.clone()).await.context("reading what the platform said")?;
    let words = recorded.iter().filter_map(|feedback| {
        let word = Feedback { event_id: feedback.event_id, verdict: verdict(feedback)? };
        Some((word, feedback.seq))
    });
    Ok(words.collect())
}

/// The analyzer with what it knew when the program last stopped.
async fn restore(shared: &Shared, camera: &Camera, model: &ModelInfo) -> anyhow::Result<CameraAnalyzer> {
    let now = shared.clock.now();
    let text = shared.store.load_analyzer(camera.id.clone()).await.context("reading a camera's state")?;
    let mut saved: Option<AnalyzerState> = text.and_then(|text| {
        serde_json::from_str(&text)
            .inspect_err(|error| tracing::warn!(camera = %camera.id, %error, "the kept state is of another version and is dropped"))
            .ok()
    });
    // Kept in UTC; from here on by the box's own time, which is another one where a clock was set while we ran.
    saved = saved.and_then(|saved| saved.moved(-shared.clock.correction()));
    if let Some(ahead) = saved.as_ref().map(AnalyzerState::as_of).filter(|as_of| *as_of > now) {
        tracing::warn!(camera = %camera.id, kept = %ahead, %now, "the clock was set back; kept times are moved with it");
    }
    if let Some(saved) = &mut saved {
        for (word, _) in unheard(shared, &camera.id).await? {
            saved.note_question(&word);
        }
    }
    let ids = RandomIds(rand::random::<[u8; 10]>);
    Ok(CameraAnalyzer::new(analyzer_config(camera, model), Box::new(ids), saved, now))
}

/// Says what follows from the new configuration (a rule that is gone ends its incidents), and then ends
/// what was open but is not known any more, because the kept state could not be read.
async fn settle(
    shared: &Shared,
    camera: &CameraId,
    analyzer: &mut CameraAnalyzer,
    sink: &mut StoreSink,
) -> anyhow::Result<()> {
    while let Some(request) = analyzer.poll_snapshot() {
        if let SnapshotRequest::Discard(snapshot) = request {
            sink.discard(snapshot).await;
        }
    }
    let steps: Vec<_> = std::iter::from_fn(|| analyzer.poll_transition()).collect();
    if !steps.is_empty() {
        sink.transitions(steps, analyzer.save()).await;
    }
    let open = shared.store.open_events(camera.clone()).await.context("reading open incidents")?;
    let (now, correction) = (shared.clock.now(), shared.clock.correction());
    let lost: Vec<IncidentTransition> = open
        .iter()
        .filter(|latest| !analyzer.open_incidents().any(|id| id == latest.event_id))
        .map(|latest| orphaned(&latest.clone().moved(-correction), now))
        .collect();
    if !lost.is_empty() {
        tracing::warn!(%camera, incidents = lost.len(), "open incidents are not known any more and are closed");
        sink.transitions(lost, analyzer.save()).await;
    }
    Ok(())
}

/// Cameras that were watched and are not configured any more.
pub async fn removed_cameras(config: &Config, shared: &Shared) -> anyhow::Result<Vec<CameraId>> {
    let known = shared.store.analyzed_cameras().await.context("reading the cameras' states")?;
    Ok(known.into_iter().filter(|id| config.cameras.iter().all(|camera| camera.id != *id)).collect())
}

/// Ends the incidents of `removed` cameras as `rule_disabled`.
pub async fn close_removed_cameras(config: &Config, shared: &Shared, removed: &[CameraId]) -> anyhow::Result<()> {
    for id in removed {
        // Nothing of its configuration is left: another camera lends what does not show in an event.
        let Some(form) = config.cameras.first() else { break };
        let gone = Camera {
            id: id.clone(),
            name: None,
            gb_device_id: None,
            place: Place::default(),
            zones: Vec::new(),
            rules: Vec::new(),
            ..form.clone()
        };
        let mut analyzer = restore(shared, &gone, &models::no_model()).await?;
        let mut sink = StoreSink::new(Arc::new(gone), models::no_model(), shared.clone());
        settle(shared, id, &mut analyzer, &mut sink).await?;
        for (word, seq) in unheard(shared, id).await? {
            sink.heard(word.event_id, Some(seq), analyzer.save()).await;
        }
        sink.finish(analyzer.save()).await;
        tracing::info!(camera = %id, "the camera is not configured any more");
    }
    Ok(())
}

/// The source with its secret read.
pub fn resolve(source: &Source) -> anyhow::Result<ResolvedSource> {
    Ok(match source {
        Source::File { path, repeat } => ResolvedSource::File { path: path.clone(), repeat: *repeat },
        Source::Rtsp(rtsp) => ResolvedSource::Rtsp {
            url: rtsp.url.clone(),
            username: rtsp.username.clone(),
            password: rtsp.password.as_ref().map(SecretRef::resolve).transpose()?,
            transport: rtsp.transport,
        },
    })
}
