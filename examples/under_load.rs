//! A gateway without cameras, for the checks below tests/torture: incidents come as fast as they are asked for, and go through the
//! real store and, unless it is told otherwise, the real publisher. What it does it says on standard output, one line before and
//! one after each thing that must not be lost:
//!
//! ```text
//! open epoch=… set_aside=… lost=… pending=… ms=…
//! evidence begin N       evidence end N
//! enqueue begin N        enqueue end N EVENT_ID REVISION SEQ SHA256
//! state S                accounting, once a second
//! ```
//!
//! Ends orderly on SIGTERM. The first camera of the configuration lends its name.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::Parser;
use gridwatch::clock::{Clock, SystemClock};
use gridwatch::config::{self, Camera, Config, Delivery};
use gridwatch::contract::grid_event::{Redaction, RedactionState};
use gridwatch::contract::topics::Channel;
use gridwatch::domain::budget::AlertBudget;
use gridwatch::domain::frame::{ColorSpace, Frame};
use gridwatch::domain::ids::{IdGenerator, RandomIds};
use gridwatch::domain::incident::{
    CloseReason, EvidenceRef, EvidenceRole, IncidentTransition, Kind, Measure, Phase, SnapshotId,
};
use gridwatch::evidence;
use gridwatch::pipeline::board::Board;
use gridwatch::pipeline::deliver::Shared;
use gridwatch::pipeline::link;
use gridwatch::pipeline::message::{EventWriter, PictureFacts};
use gridwatch::pipeline::models::no_model;
use gridwatch::pipeline::orders::Orders;
use gridwatch::pipeline::progress::Progress;
use gridwatch::pipeline::publish::commands::Desk;
use gridwatch::store::{Class, Commit, Draft, NewPicture, SnapshotUse, Store};
use gridwatch::telemetry::{self, LogFormat};
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Feed the store and the publisher as fast as wanted.
#[derive(Parser)]
struct Arguments {
    /// The gateway's configuration
    #[arg(long)]
    config: PathBuf,
    /// Steps of incidents in a second; SIGUSR1 ends them
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Only write, do not send
    #[arg(long)]
    no_publish: bool,
    /// Width of the pictures in pixels
    #[arg(long, default_value_t = 320)]
    width: u32,
    /// Events alone
    #[arg(long)]
    no_pictures: bool,
}

/// Incidents that are open at a time.
const OPEN: usize = 8;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (config, _) = config::load(&arguments.config)?;
    telemetry::init(LogFormat::Human, "info", None, gridwatch::clock::since_boot)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(&arguments, config))
}

/// One line, at once: whoever reads it may kill us for it.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

async fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let (mut stop, mut quiet) = (signal(SignalKind::terminate())?, signal(SignalKind::user_defined1())?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = clock.now();
    let (store, report) = Store::open(&config.storage, Arc::clone(&clock)).context("opening the store")?;
    let took = clock.now().duration_since(began).as_millis();
    say(&format!(
        "open epoch={} set_aside={} lost={} pending={} ms={took}",
        report.epoch,
        report.set_aside.is_some(),
        report.lost,
        report.pending
    ))?;
    let shared = Shared {
        writer: Arc::new(EventWriter::new(&config)?),
        pictures: config.evidence.clone(),
        budget: Arc::new(Mutex::new(AlertBudget::new(config.alert_budget.opened_per_hour))),
        store: store.clone(),
        board: Board::new(config.cameras.iter().map(|camera| &camera.id), began),
        progress: Progress::new(Arc::clone(&clock)),
        clock: Arc::clone(&clock),
    };
    let stop_publisher = CancellationToken::new();
    let publisher = publisher(arguments, &config, &shared, report.epoch, stop_publisher.clone()).await?;
    let camera = config.cameras.first().context("a camera in the configuration")?.clone();
    let mut load = Load::new(camera, shared.clone(), arguments)?;
    let mut steps = tokio::time::interval(Duration::from_secs_f64(1.0 / arguments.rate.max(0.001)));
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut state = tokio::time::interval(Duration::from_secs(1));
    let mut house = tokio::time::interval(Duration::from_secs(10));
    let mut is_loud = arguments.rate > 0.0;
    loop {
        tokio::select! {
            _ = stop.recv() => break,
            _ = quiet.recv() => is_loud = false,
            _ = steps.tick(), if is_loud => load.step().await?,
            _ = state.tick() => tell_state(&store, load.refused).await?,
            // The gateway does it every minute.
            _ = house.tick() => drop(store.housekeep().await.inspect_err(|error| tracing::error!(%error, "housekeeping"))),
        }
    }
    stop_publisher.cancel();
    if let Some(publisher) = publisher {
        publisher.await?;
    }
    tell_state(&store, load.refused).await?;
    drop((load, shared));
    Ok(store.close().await?)
}

async fn publisher(
    arguments: &Arguments,
    config: &Config,
    shared: &Shared,
    epoch: gridwatch::contract::sequence::Epoch,
    stop: CancellationToken,
) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    let mqtt = match &config.delivery {
        Delivery::Mqtt(mqtt) if !arguments.no_publish => mqtt,
        Delivery::Mqtt(_) | Delivery::Spool { .. } => return Ok(None),
    };
    let facts = BTreeMap::new();
    let context = link::Context {
        safe_mode: None,
        config,
        shared,
        facts: &facts,
        runtime_version: "none",
        removed: Vec::new(),
        started_at: shared.clock.now(),
        epoch,
        receipts_seen: shared.store.receipts_seen().await?,
    };
    let orders = Orders::open(config, shared.store.clone(), Arc::clone(&shared.clock), shared.board.clone()).await?;
    let desk = Desk::new(shared, BTreeMap::new(), orders);
    let publisher = link::prepare(&context, mqtt, |options| options)?.start(desk);
    Ok(Some(tokio::spawn(publisher.run(stop, Duration::from_secs(5)))))
}

async fn tell_state(store: &Store, refused: u64) -> anyhow::Result<()> {
    let (Ok(all), Ok(pending)) = (store.accounting().await, store.pending().await) else {
        return say("state refused");
    };
    let losses = store.losses().await.unwrap_or_default();
    let losses: Vec<String> = losses.iter().map(|(reason, n)| format!("{reason}:{n}")).collect();
    say(&format!(
        "state produced={} acknowledged={} pending={} superseded={} quarantined={} lost={} difference={} ready={} refused={refused} losses={}",
        all.produced,
        all.acknowledged,
        all.pending,
        all.superseded,
        all.quarantined,
        all.lost,
        all.difference(),
        pending.ready,
        losses.join(",")
    ))
}

/// One incident that goes on.
struct Incident {
    id: Uuid,
    revision: u32,
}

/// Writes incidents.
struct Load {
    camera: Camera,
    shared: Shared,
    jpeg: Vec<u8>,
    size: (u32, u32),
    ids: RandomIds<fn() -> [u8; 10]>,
    with_pictures: bool,
    open: VecDeque<Incident>,
    written: u64,
    /// Things that the store would not take.
    refused: u64,
}

impl Load {
    fn new(camera: Camera, shared: Shared, arguments: &Arguments) -> anyhow::Result<Self> {
        let (width, with_pictures) = (arguments.width, !arguments.no_pictures);
        let picture = evidence::make_picture(&noise(width, width * 9 / 16), Some(&[]), &[], &shared.pictures)?;
        let (jpeg, size) = (picture.jpeg, (picture.width, picture.height));
        let ids = RandomIds(rand::random::<[u8; 10]> as fn() -> [u8; 10]);
        Ok(Self { camera, shared, jpeg, size, ids, with_pictures, open: VecDeque::new(), written: 0, refused: 0 })
    }

    /// The next step of some incident: three times out of four with a picture.
    async fn step(&mut self) -> anyhow::Result<()> {
        let mut incident = if self.open.len() < OPEN {
            let now = self.shared.clock.now();
            Incident { id: self.ids.next_id(&self.camera.id, "load", now), revision: 0 }
        } else {
            self.open.pop_front().context("an open one")?
        };
        incident.revision += 1;
        let phase = match incident.revision {
            1 => Phase::Opened,
            4.. => Phase::Closed(CloseReason::Cleared),
            _ => Phase::Updated,
        };
        let with_picture = self.with_pictures && incident.revision != 2;
        self.written += 1;
        match self.write(&incident, phase, with_picture).await {
            Ok(()) => {}
            Err(error) => {
                self.refused += 1;
                tracing::error!(error = format!("{error:#}"), "the store refuses");
                // As the gateway does: the step waits for its turn.
                incident.revision -= 1;
                if incident.revision > 0 {
                    self.open.push_front(incident);
                }
                return Ok(());
            }
        }
        if !matches!(phase, Phase::Closed(_)) {
            self.open.push_back(incident);
        }
        Ok(())
    }

    async fn write(&mut self, incident: &Incident, phase: Phase, with_picture: bool) -> anyhow::Result<()> {
        let (n, now) = (self.written, self.shared.clock.now());
        let mut step = step(incident, phase, now, &self.camera);
        let store = &self.shared.store;
        let mut entries = store.evidence_of(incident.id, self.shared.writer.transport()).await?;
        let (mut used, mut digest) = (Vec::new(), "none".to_owned());
        if with_picture {
            let (kept, snapshot) = (self.picture(incident), SnapshotId(n));
            say(&format!("evidence begin {n}"))?;
            let done = store.keep_snapshot(self.camera.id.clone(), snapshot, kept.clone()).await;
            say(&format!("evidence end {n}"))?;
            // An event goes without a picture that cannot be kept.
            if let Err(error) = done {
                self.refused += 1;
                tracing::warn!(%error, "a picture is not kept");
            } else {
                digest.clone_from(&kept.sha256);
                used.push(self.show(&mut step, &mut entries, snapshot, &kept));
            }
        }
        let event =
            self.shared.writer.event(&self.camera, &no_model(), &step, self.shared.clock.quality(), &entries, true);
        let class = match phase {
            Phase::Opened => Class::Opened,
            Phase::Updated => Class::Update,
            Phase::Closed(_) => Class::Closed,
        };
        let (channel, of) = (Channel::Event(step.kind), (step.event_id, step.revision));
        let draft = Draft {
            class,
            topic: self.shared.writer.topics().of(&channel),
            content_type: channel.content_type().to_owned(),
            event: of,
            render: Box::new(move |stamp| event.to_bytes(stamp)),
        };
        let commit = Commit {
            camera: self.camera.id.clone(),
            transitions: vec![step],
            snapshots_used: used,
            drafts: vec![draft],
            analyzer_state: None,
            feedback_applied: Vec::new(),
        };
        say(&format!("enqueue begin {n}"))?;
        let numbers = store.commit(commit).await?;
        let seq = numbers.first().map_or(0, |seq| seq.0);
        say(&format!("enqueue end {n} {} {} {seq} {digest}", of.0, of.1))?;
        store.discard_snapshot(self.camera.id.clone(), SnapshotId(n)).await?;
        Ok(())
    }

    fn show(
        &self,
        step: &mut IncidentTransition,
        entries: &mut Vec<gridwatch::contract::grid_event::EvidenceEntry>,
        snapshot: SnapshotId,
        kept: &NewPicture,
    ) -> SnapshotUse {
        let writer = &self.shared.writer;
        let shown = EvidenceRef { snapshot, role: EvidenceRole::Latest, captured_at: kept.captured_at };
        let facts = PictureFacts {
            bytes: kept.jpeg.len() as u64,
            width: kept.width,
            height: kept.height,
            sha256: kept.sha256.clone(),
            redaction: kept.redaction,
        };
        let entry = writer.evidence_entry(entries.len() + 1, &shown, &facts);
        let channel = Channel::Evidence { event_id: step.event_id, id: entry.id.clone() };
        let (id, role, topic) = (entry.id.clone(), shown.role, writer.topics().of(&channel));
        entries.push(entry);
        let event_id = step.event_id;
        step.evidence.push(shown);
        SnapshotUse { event_id, snapshot, id, role, topic }
    }

    /// The picture with a comment of its own, so that no two are alike.
    fn picture(&self, incident: &Incident) -> NewPicture {
        let comment = format!("{} {}", incident.id, incident.revision);
        let length = u16::try_from(comment.len() + 2).unwrap_or(2).to_be_bytes();
        let (start, rest) = self.jpeg.split_at(2);
        let jpeg = [start, &[0xff, 0xfe], &length, comment.as_bytes(), rest].concat();
        let sha256 = Sha256::digest(&jpeg).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let redaction = Redaction { state: RedactionState::NoneNeeded, persons: 0, plates: None };
        let (width, height) = self.size;
        NewPicture { jpeg: Bytes::from(jpeg), width, height, sha256, redaction, captured_at: self.shared.clock.now() }
    }
}

fn noise(width: u32, height: u32) -> Frame {
    let bytes = |count: u32| {
        let mut bytes = vec![0; count as usize];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    };
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    Frame {
        captured_at: jiff::Timestamp::UNIX_EPOCH,
        width,
        height,
        color: ColorSpace { full_range: false, bt709: false },
        y: bytes(width * height),
        u: bytes(chroma),
        v: bytes(chroma),
    }
}

fn step(incident: &Incident, phase: Phase, now: jiff::Timestamp, camera: &Camera) -> IncidentTransition {
    let zone = camera.zones.first().map_or("zone", |zone| zone.id.as_str());
    IncidentTransition {
        event_id: incident.id,
        revision: incident.revision,
        phase,
        kind: Kind::Dumping,
        subkind: "muck_pile".to_owned(),
        zone: zone.to_owned(),
        rule: "load".to_owned(),
        at: now,
        first_seen: now,
        confirmed: now,
        last_seen: now,
        cleared: matches!(phase, Phase::Closed(_)).then_some(now),
        measure: Measure::GroundChange { changed_ratio: 0.2, act_seen: false },
        score: 0.5,
        frames_hit: 1,
        frames_seen: 1,
        boxes: Vec::new(),
        evidence: Vec::new(),
        exceptions_checked: Vec::new(),
        related: None,
        verification: None,
    }
}
