//! Everything that runs in `gridwatch run`, put together; stopped along the data path.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Delivery};
use crate::domain::budget::AlertBudget;
use crate::domain::camera::StreamState;
use crate::media::live::{Media, MediaOptions};
use crate::pipeline::board::Board;
use crate::pipeline::cameras::{CameraStarter, close_removed_cameras};
use crate::pipeline::deliver::Shared;
use crate::pipeline::infer::InferenceThread;
use crate::pipeline::ledger::StoreLedger;
use crate::pipeline::link;
use crate::pipeline::message::EventWriter;
use crate::pipeline::models::{self, Models};
use crate::pipeline::orders::Orders;
use crate::pipeline::progress::{Progress, REPORT_EVERY, Stage};
use crate::pipeline::publish::commands::{CameraInputs, Desk};
use crate::pipeline::publish::gate::Gate;
use crate::pipeline::publish::refusals::Refusals;
use crate::pipeline::publish::spool;
use crate::spool::Spool;
use crate::store::Store;

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
        let shared = Shared {
            writer,
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(config.alert_budget.opened_per_hour))),
            store: store.clone(),
            board: Board::new(config.cameras.iter().map(|camera| &camera.id), started_at),
            progress: Progress::new(Arc::clone(&clock)),
            clock: Arc::clone(&clock),
        };
        let removed = close_removed_cameras(&config, &shared).await?;
        let ledger = Arc::new(StoreLedger::new(store.clone()));
        let media = Media::start(MediaOptions::default(), Arc::clone(&clock), ledger)?;
        let (facts, runtime_version) = (loaded.facts, loaded.runtime_version);
        let (inference, inferrer) =
            InferenceThread::start(loaded.detectors, config.cameras.len(), shared.progress.clone())?;
        let orders = Orders::open(&config, store.clone(), Arc::clone(&clock), shared.board.clone()).await?;
        let mut starter = CameraStarter::new(&shared, &media, inferrer, &orders);
        for camera in &config.cameras {
            let manifest = models::manifest_of(&config, camera);
            let model = facts.get(manifest).map(|facts| facts.info.clone()).context("a model was not loaded")?;
            starter.start(camera, manifest, model).await?;
        }
        let CameraStarter { stop: stop_cameras, tasks: cameras, inputs, .. } = starter;
        let stop_publisher = CancellationToken::new();
        let context = link::Context {
            config: &config,
            shared: &shared,
            facts: &facts,
            runtime_version: &runtime_version,
            removed,
            started_at,
            epoch: report.epoch,
            receipts_seen: store.receipts_seen().await?,
        };
        let publisher = start_publisher(&context, inputs, &orders, stop_publisher.clone())?;
        let housekeeper = tokio::spawn(keep_house(shared.clone(), orders, stop_publisher.clone()));
        Ok(Self { store, media, cameras, inference, publisher, housekeeper, stop_cameras, stop_publisher, shared })
    }

    /// Stages that do not move any more: only a restart helps.
    #[must_use]
    pub fn stuck(&self) -> Vec<Stage> {
        let mut stuck = self.shared.progress.stale();
        stuck.extend(self.media.decoding_is_stuck().then_some(Stage::Decode));
        stuck
    }

    /// One line for `systemctl status`.
    pub async fn status_line(&self) -> String {
        let cameras = self.shared.board.read();
        let well = cameras.values().filter(|facts| facts.stream == StreamState::Ok).count();
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

fn start_publisher(
    context: &link::Context<'_>,
    inputs: CameraInputs,
    orders: &Orders,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let shared = context.shared;
    match &context.config.delivery {
        Delivery::Spool { directory } => {
            tracing::info!(directory = %directory.display(), "events go into the spool directory");
            let storage = &context.config.storage;
            let spool = Spool::limited(directory.clone(), storage.evidence_max_bytes)?;
            Ok(tokio::spawn(spool::run(shared.clone(), spool, storage.evidence_max_age, stop)))
        }
        Delivery::Mqtt(mqtt) => {
            let desk = Desk {
                store: shared.store.clone(),
                cameras: inputs,
                writer: Arc::clone(&shared.writer),
                clock: Arc::clone(&shared.clock),
                budget: Arc::clone(&shared.budget),
                board: shared.board.clone(),
                orders: orders.clone(),
                gate: Gate::default(),
                refusals: Refusals::default(),
            };
            let publisher = link::publisher(context, mqtt, desk)?;
            Ok(tokio::spawn(publisher.run(stop, PUBLISHER_STOP)))
        }
    }
}

/// Keeps the store within its limits, and proves that its thread moves.
async fn keep_house(shared: Shared, orders: Orders, stop: CancellationToken) {
    let mut every_minute = tokio::time::interval(Duration::from_secs(60));
    let mut heartbeat = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = heartbeat.tick() => {
                if shared.store.pending().await.is_ok() {
                    shared.progress.report(&Stage::Store);
                }
                orders.end_what_is_over().await;
            }
            _ = every_minute.tick() => match shared.store.housekeep().await {
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
    for (manifest, facts) in &loaded.facts {
        tracing::info!(
            model = facts.info.name,
            version = facts.info.version,
            provider = facts.provider,
            "model loaded"
        );
        if let Some(reason) = &facts.fallback {
            tracing::warn!(model = facts.info.name, reason, "the configured provider is not used");
        }
        if let Some(gap) = facts.redaction_gap() {
            tracing::warn!(model = facts.info.name, manifest = %manifest.display(), "{gap}");
        }
    }
}
