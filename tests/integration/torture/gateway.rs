//! A gateway from its store to its broker: everything of the real one but cameras.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gridwatch::clock::{Clock, ClockQuality, SystemClock};
use gridwatch::config::{self, Config, Delivery, ReleaseOn};
use gridwatch::contract::grid_event::{Redaction, RedactionState};
use gridwatch::contract::topics::Channel;
use gridwatch::domain::Timestamp;
use gridwatch::domain::budget::AlertBudget;
use gridwatch::domain::incident::*;
use gridwatch::mqtt::LinkOptions;
use gridwatch::pipeline::board::Board;
use gridwatch::pipeline::deliver::Shared;
use gridwatch::pipeline::link::{Context, prepare};
use gridwatch::pipeline::message::{EventWriter, PictureFacts};
use gridwatch::pipeline::models::no_model;
use gridwatch::pipeline::orders::Orders;
use gridwatch::pipeline::progress::Progress;
use gridwatch::pipeline::publish::commands::Desk;
use gridwatch::pipeline::publish::flight::Flight;
use gridwatch::store::*;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::incident;

/// The machine's clock, moved.
#[derive(Debug, Default)]
pub(crate) struct MovedClock {
    system: SystemClock,
    by_ms: AtomicI64,
}

impl MovedClock {
    pub(crate) fn move_by(&self, by: Duration) {
        self.by_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn behind_by(by: Duration) -> Self {
        let clock = Self::default();
        clock.by_ms.store(-i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
        clock
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        self.system.now() + jiff::SignedDuration::from_millis(self.by_ms.load(Ordering::SeqCst))
    }

    fn quality(&self) -> ClockQuality {
        self.system.quality()
    }
}

/// A store and what publishes it.
pub(crate) struct Gateway {
    pub(crate) store: Store,
    pub(crate) clock: Arc<MovedClock>,
    shared: Shared,
    config: Config,
    report: OpenReport,
    publisher: Option<(CancellationToken, JoinHandle<()>)>,
    folder: tempfile::TempDir,
}

pub(crate) fn class_of(phase: Phase) -> Class {
    match phase {
        Phase::Opened => Class::Opened,
        Phase::Updated => Class::Update,
        Phase::Closed(_) => Class::Closed,
    }
}

impl Gateway {
    pub(crate) fn new(clock: MovedClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(clock);
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let text = include_str!("../../../config/example.toml");
        let (mut config, _) = config::parse(text, folder.path()).unwrap();
        config.storage.state_dir = folder.path().join("state");
        config.storage.evidence_max_bytes = 4 << 30;
        config.storage.database_max_bytes = 1 << 30;
        let (store, report) = Store::open(&config.storage, Arc::clone(&shared_clock)).unwrap();
        let shared = Shared {
            writer: Arc::new(EventWriter::new(&config).unwrap()),
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(1))),
            store: store.clone(),
            board: Board::new(config.cameras.iter().map(|camera| &camera.id), shared_clock.now()),
            progress: Progress::new(Arc::clone(&shared_clock)),
            clock: shared_clock,
        };
        Self { store, clock, shared, config, report, publisher: None, folder }
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Starts to publish to the broker on this port.
    pub(crate) async fn publish_to(
        &mut self,
        port: u16,
        release_on: ReleaseOn,
        flight: Flight,
        times: impl Fn(LinkOptions) -> LinkOptions,
    ) {
        let Delivery::Mqtt(mqtt) = &mut self.config.delivery else { panic!("the example has a broker") };
        "127.0.0.1".clone_into(&mut mqtt.host);
        (mqtt.port, mqtt.password, mqtt.tls, mqtt.release_on) = (port, None, None, release_on);
        let mqtt = mqtt.clone();
        let Shared { store, clock, board, .. } = self.shared.clone();
        let orders = Orders::open(&self.config, store, clock, board).await.unwrap();
        let desk = Desk::new(&self.shared, BTreeMap::new(), orders);
        let facts = BTreeMap::new();
        let context = Context {
            safe_mode: None,
            config: &self.config,
            shared: &self.shared,
            facts: &facts,
            runtime_version: "none",
            removed: Vec::new(),
            started_at: self.shared.clock.now(),
            epoch: self.report.epoch,
            receipts_seen: false,
        };
        let mut publisher = prepare(&context, &mqtt, times).unwrap().start(desk);
        publisher.flight = flight;
        let stop = CancellationToken::new();
        self.publisher = Some((stop.clone(), tokio::spawn(publisher.run(stop, Duration::from_secs(1)))));
    }

    pub(crate) async fn stop(&mut self) {
        if let Some((stop, task)) = self.publisher.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }

    /// Writes steps of incidents with bodies of their own.
    pub(crate) async fn commit(&self, steps: Vec<(IncidentTransition, Render)>) {
        let topic = self.shared.writer.topics().of(&Channel::Event(Kind::Dumping));
        let camera = self.config.cameras[0].id.clone();
        let drafts = steps.iter().map(|(step, _)| (class_of(step.phase), (step.event_id, step.revision)));
        let drafts: Vec<_> = drafts.collect();
        let (transitions, bodies): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        let drafts = drafts.into_iter().zip(bodies).map(|((class, event), render)| Draft {
            class,
            topic: topic.clone(),
            content_type: "application/json".to_owned(),
            event,
            render,
        });
        let drafts = drafts.collect();
        let (snapshots_used, analyzer_state, feedback_applied) = (Vec::new(), None, Vec::new());
        let commit = Commit { camera, transitions, snapshots_used, drafts, analyzer_state, feedback_applied };
        self.store.commit(commit).await.unwrap();
    }

    /// Writes one step as the gateway's own message, with a picture of so many bytes if it has one.
    pub(crate) async fn report(&self, event_id: Uuid, revision: u32, phase: Phase, picture: Option<usize>) {
        let (camera, writer) = (&self.config.cameras[0], &self.shared.writer);
        let now = self.shared.clock.now();
        let mut step = incident::step(event_id, revision, phase, now);
        (step.zone, step.rule) = (camera.zones[0].id.clone(), camera.rules[0].common().id.clone());
        let (mut used, mut entries) = (Vec::new(), Vec::new());
        if let Some(bytes) = picture {
            let snapshot = SnapshotId(event_id.as_u64_pair().1);
            let seed = event_id.as_u64_pair().1.to_le_bytes();
            let jpeg: Bytes = (0..bytes).map(|at| seed[at % 8] ^ u8::try_from(at % 251).unwrap()).collect();
            let sha256 = Sha256::digest(&jpeg).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            let redaction = Redaction { state: RedactionState::NoneNeeded, persons: 0, plates: Some(0) };
            let (width, height, size) = (640, 360, jpeg.len() as u64);
            let facts = PictureFacts { bytes: size, width, height, sha256: sha256.clone(), redaction };
            let kept = NewPicture { jpeg, width, height, sha256, redaction, captured_at: now };
            self.store.keep_snapshot(camera.id.clone(), snapshot, kept).await.unwrap();
            let role = EvidenceRole::Confirmed;
            let entry = writer.evidence_entry(1, &EvidenceRef { snapshot, role, captured_at: now }, &facts);
            let (id, channel) = (entry.id.clone(), Channel::Evidence { event_id, id: entry.id.clone() });
            used.push(SnapshotUse { event_id, snapshot, id, role, topic: writer.topics().of(&channel) });
            entries.push(entry);
        }
        let event = writer.event(camera, &no_model(), &step, self.shared.clock.quality(), &entries, false);
        let channel = Channel::Event(step.kind);
        let draft = Draft {
            class: class_of(phase),
            topic: writer.topics().of(&channel),
            content_type: channel.content_type().to_owned(),
            event: (event_id, revision),
            render: Box::new(move |stamp| event.to_bytes(stamp)),
        };
        let commit = Commit {
            camera: camera.id.clone(),
            transitions: vec![step],
            snapshots_used: used,
            drafts: vec![draft],
            analyzer_state: None,
            feedback_applied: Vec::new(),
        };
        self.store.commit(commit).await.unwrap();
    }
}
