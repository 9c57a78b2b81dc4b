//! Everything that runs in `gridwatch run`, put together; stopped along the data path.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::clock::Clock;
use crate::config::{Camera, Config, Delivery, Source};
use crate::domain::analyzer::CameraAnalyzer;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::CameraId;
use crate::domain::ids::RandomIds;
use crate::inference::ModelInfo;
use crate::media::boundary::{ResolvedSource, WatchCamera};
use crate::media::live::{Media, MediaOptions};
use crate::pipeline::analyze::{CameraLoop, Timers};
use crate::pipeline::board::Board;
use crate::pipeline::deliver::{Shared, StoreSink};
use crate::pipeline::infer::{InferenceThread, Inferrer};
use crate::pipeline::ledger::StoreLedger;
use crate::pipeline::link;
use crate::pipeline::message::EventWriter;
use crate::pipeline::models::{self, Models};
use crate::pipeline::progress::{Progress, REPORT_EVERY, Stage};
use crate::pipeline::publish::commands::{CameraInputs, Desk};
use crate::pipeline::publish::spool;
use crate::pipeline::replay::{analyzer_config, scene_meter};
use crate::pipeline::see::Eyes;
use crate::spool::Spool;
use crate::store::Store;
use crate::telemetry::camera_span;

/// Words of the platform that wait for one camera.
const INPUTS: usize = 16;

/// Share of the time to stop that each part gets.
const CAMERAS_STOP: Duration = Duration::from_secs(5);
const PUBLISHER_STOP: Duration = Duration::from_secs(5);

/// The running program.
#[derive(Debug)]
pub struct Live {
    store: Store,
    media: Media,
    cameras: JoinSet<()>,
    inference: InferenceThread,
    publisher: JoinHandle<()>,
    housekeeper: JoinHandle<()>,
    stop_cameras: CancellationToken,
    stop_publisher: CancellationToken,
    shared: Shared,
}

impl Live {
    /// Opens the store, loads the models, and starts everything. When this returns, the box works as
    /// far as it depends on itself; cameras and broker may still be missing.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let started_at = clock.now();
        let writer = Arc::new(EventWriter::new(&config)?);
        let loaded = models::load(&config)?;
        report_models(&loaded);
        let (store, report) = Store::open(&config.storage, Arc::clone(&clock)).context("opening the store")?;
        if let Some(path) = &report.set_aside {
            tracing::error!(path = %path.display(), "the database was damaged and is set aside; a new one is begun");
        }
        tracing::info!(epoch = %report.epoch, pending = report.pending, "store open");
        let ids = config.cameras.iter().map(|camera| (&camera.id, camera.look_interval));
        let shared = Shared {
            writer,
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(config.alert_budget.opened_per_hour))),
            store: store.clone(),
            board: Board::new(ids, started_at),
            progress: Progress::new(Arc::clone(&clock)),
            clock: Arc::clone(&clock),
        };
        let removed = close_removed_cameras(&config, &shared).await?;
        let ledger = Arc::new(StoreLedger::new(store.clone()));
        let media = Media::start(MediaOptions::default(), Arc::clone(&clock), ledger)?;
        let (facts, runtime_version) = (loaded.facts, loaded.runtime_version);
        let (inference, inferrer) =
            InferenceThread::start(loaded.detectors, config.cameras.len(), shared.progress.clone())?;
        let mut starting = Starting {
            shared: &shared,
            media: &media,
            inferrer,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            inputs: BTreeMap::new(),
        };
        for camera in &config.cameras {
            let manifest = models::manifest_of(&config, camera);
            let model = facts.get(manifest).map(|facts| facts.info.clone()).context("a model was not loaded")?;
            starting.start_camera(camera, manifest, model).await?;
        }
        let Starting { stop: stop_cameras, tasks: cameras, inputs, .. } = starting;
        let stop_publisher = CancellationToken::new();
        let context = link::Context {
            config: &config,
            shared: &shared,
            facts: &facts,
            runtime_version: &runtime_version,
            removed,
            started_at,
            epoch: report.epoch,
        };
        let publisher = start_publisher(&context, inputs, stop_publisher.clone())?;
        let housekeeper = tokio::spawn(keep_house(shared.clone(), stop_publisher.clone()));
        Ok(Self { store, media, cameras, inference, publisher, housekeeper, stop_cameras, stop_publisher, shared })
    }

    /// Which stages move.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// One line for `systemctl status`.
    pub async fn status_line(&self) -> String {
        let cameras = self.shared.board.read();
        let well = cameras.values().filter(|facts| facts.stream == crate::domain::camera::StreamState::Ok).count();
        let waiting =
            self.store.pending().await.map_or_else(|error| error.to_string(), |pending| pending.ready.to_string());
        let lost = self.store.accounting().await.map_or_else(|error| error.to_string(), |all| all.lost.to_string());
        format!("{well}/{} cameras, backlog {waiting}, lost {lost}", cameras.len())
    }

    /// Cameras first, then what they still had to say, then the store.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_cameras.cancel();
        if !self.media.stop(CAMERAS_STOP).await {
            tracing::warn!("a camera did not let go in time");
        }
        while self.cameras.join_next().await.is_some() {}
        tokio::task::spawn_blocking(|| self.inference.join()).await.context("joining the inference thread")?;
        self.stop_publisher.cancel();
        self.publisher.await.context("the publisher failed")?;
        self.housekeeper.await.context("the housekeeper failed")?;
        drop(self.shared);
        self.store.close().await.context("closing the store")
    }
}

struct Starting<'a> {
    shared: &'a Shared,
    media: &'a Media,
    inferrer: Inferrer,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    inputs: CameraInputs,
}

impl Starting<'_> {
    async fn start_camera(&mut self, camera: &Camera, manifest: &Path, model: ModelInfo) -> anyhow::Result<()> {
        let source = resolve(&camera.source).with_context(|| format!("camera {}", camera.id))?;
        let analyzer = restore(self.shared, camera).await?;
        let watch = WatchCamera {
            id: camera.id.clone(),
            source,
            decode: camera.decode,
            look_interval: camera.look_interval,
            ring_max_bytes: camera.ring_max_bytes,
        };
        let (sender, inputs) = mpsc::channel(INPUTS);
        self.inputs.insert(camera.id.clone(), sender);
        let mut camera_loop = CameraLoop {
            source: self.media.watch(watch),
            eyes: Eyes::new(scene_meter(&analyzer), self.inferrer.clone(), manifest, &camera.masks),
            analyzer,
            sink: StoreSink::new(Arc::new(camera.clone()), model, self.shared.clone()),
            timers: Timers::Live(Arc::clone(&self.shared.clock)),
            inputs,
            stop: self.stop.clone(),
            idle_every: Some(REPORT_EVERY),
        };
        let run = async move {
            let state = camera_loop.run().await;
            camera_loop.sink.finish(state).await;
        };
        self.tasks.spawn(run.instrument(camera_span(&camera.id)));
        Ok(())
    }
}

/// The analyzer with what it knew when the program last stopped.
async fn restore(shared: &Shared, camera: &Camera) -> anyhow::Result<CameraAnalyzer> {
    let saved = shared.store.load_analyzer(camera.id.clone()).await.context("reading a camera's state")?;
    let saved = saved.and_then(|text| {
        serde_json::from_str(&text)
            .inspect_err(|error| tracing::warn!(camera = %camera.id, %error, "the kept state is of another version and is dropped"))
            .ok()
    });
    let ids = RandomIds(rand::random::<[u8; 10]>);
    Ok(CameraAnalyzer::new(analyzer_config(camera), Box::new(ids), saved, shared.clock.now()))
}

/// Incidents of cameras that are not configured any more end as `rule_disabled`. Returns those cameras.
async fn close_removed_cameras(config: &Config, shared: &Shared) -> anyhow::Result<Vec<CameraId>> {
    let known = shared.store.analyzed_cameras().await.context("reading the cameras' states")?;
    let removed: Vec<_> = known.into_iter().filter(|id| config.cameras.iter().all(|camera| camera.id != *id)).collect();
    for id in &removed {
        // Nothing of its configuration is left, so the first camera lends its form.
        let Some(form) = config.cameras.first() else { break };
        let gone = Camera {
            id: id.clone(),
            name: None,
            gb_device_id: None,
            zones: Vec::new(),
            rules: Vec::new(),
            ..form.clone()
        };
        let mut analyzer = restore(shared, &gone).await?;
        let model = models::no_model();
        let mut sink = StoreSink::new(Arc::new(gone), model, shared.clone());
        while let Some(step) = analyzer.poll_transition() {
            let state = analyzer.save();
            crate::pipeline::analyze::IncidentSink::transition(&mut sink, step, state).await;
        }
        sink.finish(analyzer.save()).await;
        tracing::info!(camera = %id, "the camera is not configured any more");
    }
    Ok(removed)
}

/// The source with its secret read.
pub fn resolve(source: &Source) -> anyhow::Result<ResolvedSource> {
    Ok(match source {
        Source::File { path, repeat } => ResolvedSource::File { path: path.clone(), repeat: *repeat },
        Source::Rtsp(rtsp) => ResolvedSource::Rtsp {
            url: rtsp.url.clone(),
            username: rtsp.username.clone(),
            password: rtsp.password.as_ref().map(crate::config::SecretRef::resolve).transpose()?,
            transport: rtsp.transport,
        },
    })
}

fn start_publisher(
    context: &link::Context<'_>,
    inputs: CameraInputs,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let shared = context.shared;
    match &context.config.delivery {
        Delivery::Spool { directory } => {
            tracing::info!(directory = %directory.display(), "events go into the spool directory");
            let spool = Spool::new(directory.clone())?;
            Ok(tokio::spawn(spool::run(shared.store.clone(), spool, shared.progress.clone(), stop)))
        }
        Delivery::Mqtt(mqtt) => {
            let desk = Desk {
                store: shared.store.clone(),
                cameras: inputs,
                writer: Arc::clone(&shared.writer),
                clock: Arc::clone(&shared.clock),
                budget: Arc::clone(&shared.budget),
            };
            let publisher = link::publisher(context, mqtt, desk)?;
            Ok(tokio::spawn(publisher.run(stop, PUBLISHER_STOP)))
        }
    }
}

/// Keeps the store within its limits, and proves that its thread moves.
async fn keep_house(shared: Shared, stop: CancellationToken) {
    let mut every_minute = tokio::time::interval(Duration::from_secs(60));
    let mut heartbeat = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = heartbeat.tick() => {
                if shared.store.pending().await.is_ok() {
                    shared.progress.report(&Stage::Store);
                }
            }
            _ = every_minute.tick() => match shared.store.housekeep().await {
                Ok(done) if !done.balanced => tracing::error!("the outbox's accounting does not balance"),
                Ok(done) if done.messages_lost > 0 => {
                    tracing::error!(messages = done.messages_lost, "messages were given up for want of space");
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the store cannot be tidied"),
            },
        }
    }
    shared.progress.retire(&Stage::Store);
}

fn report_models(loaded: &Models) {
    for facts in loaded.facts.values() {
        tracing::info!(
            model = facts.info.name,
            version = facts.info.version,
            provider = facts.provider,
            "model loaded"
        );
        if let Some(reason) = &facts.fallback {
            tracing::warn!(model = facts.info.name, reason, "the configured provider is not used");
        }
    }
}
