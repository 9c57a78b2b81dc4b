//! Everything that runs in `gridwatch run`, put together; stopped along the data path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, write_last_good};
use crate::config::{Config, Delivery};
use crate::contract::sequence::Epoch;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::StreamState;
use crate::media::live::MediaOptions;
use crate::media::workers::{Program, Workers};
use crate::pipeline::board::Board;
use crate::pipeline::cameras::{CameraStarter, close_removed_cameras, removed_cameras};
use crate::pipeline::deliver::Shared;
use crate::pipeline::infer::{InferenceThread, Inferrer};
use crate::pipeline::ledger::StoreLedger;
use crate::pipeline::link;
use crate::pipeline::message::EventWriter;
use crate::pipeline::models::{self, ModelFacts, Models};
use crate::pipeline::orders::Orders;
use crate::pipeline::progress::{Progress, REPORT_EVERY, Stage};
use crate::pipeline::publish::commands::{CameraInputs, Desk};
use crate::pipeline::publish::spool;
use crate::pipeline::retell::Reteller;
use crate::spool::Spool;
use crate::store::Store;

/// Share of the time to stop that each part gets.
const CAMERAS_STOP: Duration = Duration::from_secs(5);
const PUBLISHER_STOP: Duration = Duration::from_secs(5);

/// Until the store has answered for the status line; one that hangs must not keep the daemon from its signals.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// The running program.
#[derive(Debug)]
pub struct Live {
    store: Store,
    /// Nothing in safe mode.
    watching: Option<Watching>,
    publisher: JoinHandle<()>,
    housekeeper: JoinHandle<()>,
    stop_publisher: CancellationToken,
    shared: Shared,
    safe_mode: Option<Arc<str>>,
}

/// What looks at the street.
#[derive(Debug)]
struct Watching {
    media: Workers,
    cameras: JoinSet<()>,
    inference: InferenceThread,
    stop: CancellationToken,
}

impl Live {
    /// Opens the store, loads the models, and starts everything. When this returns, the box works as
    /// far as it depends on itself; cameras and broker may still be missing.
    ///
    /// With a reason for `safe_mode` neither cameras nor models are touched: what the outbox holds is delivered, and
    /// presence says why. After an error nothing runs any more, and the store can be opened again.
    pub async fn start(
        config: &Config,
        clock: Arc<dyn Clock>,
        workers: &Program,
        safe_mode: Option<Arc<str>>,
    ) -> anyhow::Result<Self> {
        let writer = EventWriter::new(config)?;
        let loaded = if safe_mode.is_some() { Models::none() } else { models::load(config)? };
        report_models(&loaded);
        let (store, report) = Store::open(&config.storage, Arc::clone(&clock)).context("opening the store")?;
        if let Some(path) = &report.set_aside {
            tracing::error!(path = %path.display(), "the database was damaged and is set aside; a new one is begun");
        }
        tracing::info!(epoch = %report.epoch, pending = report.pending, "store open");
        let started_at = clock.now();
        let shared = Shared {
            writer: Arc::new(writer.signing(config, started_at)?),
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(config.alert_budget.opened_per_hour))),
            store: store.clone(),
            board: Board::new(config.cameras.iter().map(|camera| &camera.id), started_at),
            progress: Progress::new(Arc::clone(&clock)),
            clock,
        };
        let assembled = Self::assemble(config, shared, workers, loaded, report.epoch, safe_mode).await;
        if assembled.is_err()
            && let Err(error) = store.close().await
        {
            tracing::warn!(%error, "the store of a start that failed is not closed");
        }
        assembled
    }

    async fn assemble(
        config: &Config,
        shared: Shared,
        workers: &Program,
        loaded: Models,
        epoch: Epoch,
        safe_mode: Option<Arc<str>>,
    ) -> anyhow::Result<Self> {
        let (started_at, store) = (shared.clock.now(), shared.store.clone());
        let Models { detectors, facts, runtime_version } = loaded;
        let (clock, board) = (Arc::clone(&shared.clock), shared.board.clone());
        let orders = Orders::open(config, store.clone(), clock, board).await?;
        let removed = match &safe_mode {
            Some(_) => Vec::new(),
            None => removed_cameras(config, &shared).await?,
        };
        let stop_publisher = CancellationToken::new();
        let context = link::Context {
            config,
            shared: &shared,
            facts: &facts,
            runtime_version: &runtime_version,
            removed: removed.clone(),
            started_at,
            epoch,
            receipts_seen: store.receipts_seen().await?,
            safe_mode: safe_mode.clone(),
        };
        // From here on incidents end for good, by what the new configuration lacks: what may be wrong with it is found before.
        let outlet = Outlet::prepare(&context)?;
        let (watching, inputs) = if safe_mode.is_some() {
            (None, CameraInputs::new())
        } else {
            let eyes = InferenceThread::start(detectors, config.cameras.len(), shared.progress.clone())?;
            close_removed_cameras(config, &shared, &removed).await?;
            let (watching, inputs) = watch(config, &shared, workers, &orders, eyes, &facts).await?;
            (Some(watching), inputs)
        };
        let housekeeper = keep_house(
            shared.clone(),
            orders.clone(),
            inputs.clone(),
            config.storage.state_dir.clone(),
            stop_publisher.clone(),
        );
        let desk = Desk::new(&shared, inputs, orders);
        let publisher = outlet.start(&shared, desk, stop_publisher.clone());
        let housekeeper = tokio::spawn(housekeeper);
        Ok(Self { store, watching, publisher, housekeeper, stop_publisher, shared, safe_mode })
    }

    /// Stages that do not move any more: only a restart helps.
    #[must_use]
    pub fn stuck(&self) -> Vec<Stage> {
        self.shared.progress.stale()
    }

    /// One line for `systemctl status`.
    pub async fn status_line(&self) -> String {
        let cameras = self.shared.board.read();
        let well = cameras.values().filter(|facts| facts.stream == StreamState::Ok).count();
        let counts = async { anyhow::Ok((self.store.pending().await?.ready, self.store.accounting().await?.lost)) };
        let counts = match tokio::time::timeout(STATUS_PATIENCE, counts).await {
            Ok(Ok((waiting, lost))) => format!("backlog {waiting}, lost {lost}"),
            Ok(Err(error)) => format!("store: {error}"),
            Err(_) => "the store does not answer".to_owned(),
        };
        let mode = self.safe_mode.as_ref().map(|reason| format!("safe mode ({reason}), ")).unwrap_or_default();
        format!("{mode}{well}/{} cameras, {counts}", cameras.len())
    }

    /// Cameras first, then what they still had to say, then the store.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(mut watching) = self.watching.take() {
            watching.stop.cancel();
            if !watching.media.stop(CAMERAS_STOP).await {
                tracing::warn!("a camera did not let go in time");
            }
            while watching.cameras.join_next().await.is_some() {}
            let inference = watching.inference;
            tokio::task::spawn_blocking(|| inference.join()).await.context("joining the inference thread")?;
        }
        self.stop_publisher.cancel();
        self.publisher.await.context("the publisher failed")?;
        self.housekeeper.await.context("the housekeeper failed")?;
        drop(self.shared);
        self.store.close().await.context("closing the store")
    }
}

/// Cameras, models, and where to talk to each camera.
async fn watch(
    config: &Config,
    shared: &Shared,
    workers: &Program,
    orders: &Orders,
    (inference, inferrer): (InferenceThread, Inferrer),
    facts: &BTreeMap<PathBuf, ModelFacts>,
) -> anyhow::Result<(Watching, CameraInputs)> {
    let ledger = Arc::new(StoreLedger::new(shared.store.clone()));
    let media = Workers::start(workers.clone(), MediaOptions::default(), Arc::clone(&shared.clock), ledger);
    let mut starter = CameraStarter::new(shared, &media, inferrer, orders);
    for camera in &config.cameras {
        let manifest = models::manifest_of(config, camera);
        let model = facts.get(manifest).map(|facts| facts.info.clone()).context("a model was not loaded")?;
        starter.start(camera, manifest, model).await?;
    }
    let CameraStarter { stop, tasks: cameras, inputs, .. } = starter;
    Ok((Watching { media, cameras, inference, stop }, inputs))
}

/// Where events go, ready to be started without a fault.
enum Outlet {
    Spool(Spool, Duration),
    Mqtt(Box<link::Prepared>),
}

impl Outlet {
    fn prepare(context: &link::Context<'_>) -> anyhow::Result<Self> {
        match &context.config.delivery {
            Delivery::Spool { directory } => {
                tracing::info!(directory = %directory.display(), "events go into the spool directory");
                let storage = &context.config.storage;
                let spool = Spool::limited(directory.clone(), storage.evidence_max_bytes)?;
                Ok(Self::Spool(spool, storage.evidence_max_age))
            }
            Delivery::Mqtt(mqtt) => Ok(Self::Mqtt(Box::new(link::prepare(context, mqtt, |options| options)?))),
        }
    }

    fn start(self, shared: &Shared, desk: Desk, stop: CancellationToken) -> JoinHandle<()> {
        match self {
            Self::Spool(spool, max_age) => tokio::spawn(spool::run(shared.clone(), spool, max_age, stop)),
            Self::Mqtt(prepared) => tokio::spawn(prepared.start(desk).run(stop, PUBLISHER_STOP)),
        }
    }
}

/// Keeps the store within its limits, proves that its thread moves, and corrects what was told before the clock was known.
async fn keep_house(
    shared: Shared,
    orders: Orders,
    cameras: CameraInputs,
    state_dir: PathBuf,
    stop: CancellationToken,
) {
    let mut every_minute = tokio::time::interval(Duration::from_secs(60));
    let mut reteller = Reteller::new(cameras);
    let mut every_hour = tokio::time::interval(Duration::from_secs(3600));
    let mut heartbeat = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = heartbeat.tick() => {
                if shared.store.pending().await.is_ok() {
                    shared.progress.report(&Stage::Store);
                }
                if let Err(error) = reteller.round(&shared.store).await {
                    tracing::error!(%error, "times of events cannot be corrected");
                }
                orders.end_what_is_over().await;
            }
            _ = every_hour.tick() => remember_time(&*shared.clock, &state_dir).await,
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

/// For the next start, should the clock stand in 1970 then.
async fn remember_time(clock: &dyn Clock, state_dir: &Path) {
    if !clock.quality().synced {
        return;
    }
    let (state_dir, at) = (state_dir.to_owned(), clock.utc());
    match tokio::task::spawn_blocking(move || write_last_good(&state_dir, at)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the time cannot be kept for the next start"),
        Err(error) => tracing::warn!(%error, "the time cannot be kept for the next start"),
    }
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
