use super::*;
use crate::clock::ManualClock;
use crate::config::{self, Config};
use crate::contract::grid_event::{Redaction, RedactionState};
use crate::domain::analyzer::CameraAnalyzer;
use crate::domain::ids::DerivedIds;
use crate::domain::incident::{CloseReason, EvidenceRef, EvidenceRole, Kind, Measure};
use crate::pipeline::models::no_model;
use crate::pipeline::replay::analyzer_config;
use crate::store::{Misdated, NewPicture};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).expect("in range")
}

/// The example's first camera on a store of its own; one event an hour may reach people.
struct OneBox {
    sink: StoreSink,
    state: AnalyzerState,
    clock: ManualClock,
    folder: tempfile::TempDir,
}

impl OneBox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let wall = ManualClock::new(at(0));
        let clock: Arc<dyn Clock> = Arc::new(wall.clone());
        let text = include_str!("../../../config/example.toml");
        let (mut config, _): (Config, _) = config::parse(text, folder.path()).expect("the example is right");
        config.storage.state_dir = folder.path().to_owned();
        let (store, _) = Store::open(&config.storage, Arc::clone(&clock)).expect("opens");
        let shared = Shared {
            writer: Arc::new(EventWriter::new(&config).expect("a catalogue")),
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(1))),
            store,
            board: Board::new(std::iter::empty(), at(0)),
            progress: Progress::new(Arc::clone(&clock)),
            clock,
        };
        let camera = Arc::new(config.cameras.remove(0));
        let state =
            CameraAnalyzer::new(analyzer_config(&camera, &no_model()), Box::new(DerivedIds), None, at(0)).save();
        Self { sink: StoreSink::new(camera, no_model(), shared), state, clock: wall, folder }
    }

    /// Takes one step of the `n`th incident; whether the event has reached people.
    async fn take(&mut self, n: u64, revision: u32, phase: Phase, minute: i64) -> bool {
        let step = step(n, revision, phase, minute);
        let event_id = step.event_id;
        self.sink.transitions(vec![step], self.state.clone()).await;
        let known = self.sink.shared.store.latest_event(event_id).await.expect("a store").expect("an event");
        assert_eq!(known.latest.revision, revision, "kept, whether it goes out or not");
        known.published
    }

    /// Bodies of the events that wait, the oldest first.
    async fn bodies(&self) -> Vec<bytes::Bytes> {
        let mut batch = self.sink.shared.store.next_batch(100, Vec::new()).await.expect("a store");
        batch.sort_by_key(|message| message.id);
        batch.into_iter().filter(|message| message.seq.is_some()).map(|message| message.body).collect()
    }

    async fn misdated(&self) -> Vec<Misdated> {
        self.sink.shared.store.misdated().await.expect("a store")
    }

    fn held_back(&self) -> u64 {
        self.sink.shared.budget.lock().expect("whole").held_back()
    }

    async fn waiting(&self) -> Vec<Class> {
        let batch = self.sink.shared.store.next_batch(10, Vec::new()).await.expect("a store");
        batch.iter().map(|message| message.class).collect()
    }
}

fn step(n: u64, revision: u32, phase: Phase, minute: i64) -> IncidentTransition {
    IncidentTransition {
        event_id: Uuid::from_u64_pair(7 << 12, n),
        revision,
        phase,
        kind: Kind::Dumping,
        subkind: "muck_pile".to_owned(),
        zone: "ground".to_owned(),
        rule: "dumping".to_owned(),
        at: at(minute),
        first_seen: at(0),
        confirmed: at(0),
        last_seen: at(minute),
        cleared: None,
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

const CLEARED: Phase = Phase::Closed(CloseReason::Cleared);

#[tokio::test]
async fn an_event_beyond_the_budget_goes_out_when_there_is_room() {
    let mut gateway = OneBox::new();
    assert!(gateway.take(1, 1, Phase::Opened, 0).await);
    assert!(!gateway.take(2, 1, Phase::Opened, 5).await, "the hour's only one is gone");
    assert_eq!(gateway.held_back(), 1);
    assert!(!gateway.take(2, 2, Phase::Updated, 30).await);
    assert_eq!(gateway.waiting().await, [Class::Opened], "the first, and nothing of the second");
    assert!(gateway.take(2, 3, Phase::Updated, 61).await, "its first later step with room");
    assert!(gateway.take(2, 4, CLEARED, 62).await, "what has gone out is followed to its end");
    assert_eq!(gateway.waiting().await, [Class::Opened, Class::Closed]);
}

#[tokio::test]
async fn what_has_gone_out_is_updated_without_using_the_budget() {
    let mut gateway = OneBox::new();
    assert!(gateway.take(1, 1, Phase::Opened, 0).await);
    for revision in 2..6 {
        assert!(gateway.take(1, revision, Phase::Updated, i64::from(revision)).await);
    }
    assert!(gateway.take(1, 6, CLEARED, 50).await);
    assert_eq!(gateway.held_back(), 0);
    assert!(gateway.take(2, 1, Phase::Opened, 60).await, "the first is an hour old");
}

#[tokio::test]
async fn an_event_that_ends_while_it_is_held_back_stays_in_the_box() {
    let mut gateway = OneBox::new();
    assert!(gateway.take(1, 1, Phase::Opened, 0).await);
    assert!(!gateway.take(2, 1, Phase::Opened, 5).await);
    assert!(!gateway.take(2, 2, CLEARED, 70).await, "an end alone tells nobody anything, and there would be room");
    assert_eq!(gateway.waiting().await, [Class::Opened]);
}

#[tokio::test]
async fn a_step_that_is_written_again_is_judged_once() {
    let gateway = OneBox::new();
    let mut first = Step { transition: step(1, 1, Phase::Opened, 0), admitted: None };
    let mut second = Step { transition: step(2, 1, Phase::Opened, 1), admitted: None };
    for _ in 0..3 {
        assert!(gateway.sink.admits(&mut first).await.expect("a store"));
        assert!(!gateway.sink.admits(&mut second).await.expect("a store"));
    }
    assert_eq!(gateway.held_back(), 1);
}

fn told(body: &[u8]) -> serde_json::Value {
    serde_json::from_slice(body).expect("JSON")
}

#[tokio::test]
async fn times_told_before_the_clock_was_known_are_corrected_by_a_new_revision() {
    let mut gateway = OneBox::new();
    gateway.clock.advance_to(at(10));
    assert!(gateway.take(1, 1, Phase::Opened, 10).await);
    assert!(gateway.take(1, 2, CLEARED, 11).await);
    let before = gateway.bodies().await;
    assert_eq!(told(&before[0])["data"]["clock"]["synced"], false);
    assert!(gateway.misdated().await.is_empty(), "nothing is known yet");

    // Three years and an hour, as for a box that began with a last good time of then.
    let ahead = SignedDuration::from_hours(3 * 8766 + 1);
    gateway.clock.set_wall(ahead, true);
    let wrong = gateway.misdated().await;
    let event_id = step(1, 1, Phase::Opened, 0).event_id;
    assert_eq!(wrong.iter().map(|misdated| (misdated.event_id, misdated.by)).collect::<Vec<_>>(), [(event_id, ahead)]);
    gateway.sink.retell(event_id, wrong[0].by, gateway.state.clone()).await;
    assert!(gateway.misdated().await.is_empty(), "said once");

    let after = gateway.bodies().await;
    assert_eq!(after[..2], before[..], "what was written stays as it was, byte for byte");
    let corrected = told(&after[2]);
    let data = &corrected["data"];
    assert_eq!(
        (&data["revision"], &data["phase"], &data["clock"]["synced"]),
        (&3.into(), &"closed".into(), &true.into())
    );
    let moment = |value: &serde_json::Value| value.as_str().expect("text").parse::<Timestamp>().expect("a moment");
    let first = &told(&before[0])["data"]["times"]["first_seen"];
    assert_eq!(moment(&data["times"]["first_seen"]), moment(first) + ahead);
    assert_eq!(moment(&corrected["time"]), at(10) + ahead, "written now");
    assert_eq!(data["sequence"]["seq"], 3, "order is by number and revision, not by time");
}

#[tokio::test]
async fn a_clock_that_jumps_both_ways_moves_what_is_told_and_nothing_else() {
    let mut gateway = OneBox::new();
    let hours = SignedDuration::from_hours;
    for (n, ahead, synced) in [(1, hours(0), true), (2, hours(87_660), true), (3, hours(-1), true), (4, hours(0), true)]
    {
        gateway.clock.set_wall(ahead, synced);
        gateway.sink.shared.budget = Arc::new(Mutex::new(AlertBudget::new(10)));
        assert!(gateway.take(n, 1, Phase::Opened, 0).await);
        let body = told(gateway.bodies().await.last().expect("one"));
        let at_told =
            body["data"]["times"]["confirmed"].as_str().expect("text").parse::<Timestamp>().expect("a moment");
        assert_eq!(at_told, at(0) + ahead);
        assert_eq!(body["data"]["sequence"]["seq"], n);
        assert!(gateway.misdated().await.is_empty(), "it was known each time");
    }
    // Set by hand by less than a day: nobody knows that it is right now.
    gateway.clock.set_wall(hours(0), false);
    assert!(gateway.take(5, 1, Phase::Opened, 1).await);
    gateway.clock.set_wall(hours(2), false);
    assert!(gateway.misdated().await.is_empty());
    gateway.clock.set_wall(hours(2), true);
    assert_eq!(gateway.misdated().await.len(), 1);
    // Right all along, and known now.
    gateway.clock.set_wall(hours(0), true);
    assert!(gateway.misdated().await.is_empty());
}

/// A picture with a pattern in it that can be looked for.
fn street() -> Arc<crate::domain::frame::Frame> {
    let color = crate::domain::frame::ColorSpace { full_range: true, bt709: true };
    let y = (0..640 * 360).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (u, v) = (vec![128; 320 * 180], vec![128; 320 * 180]);
    Arc::new(crate::domain::frame::Frame { captured_at: at(0), width: 640, height: 360, color, y, u, v })
}

impl OneBox {
    /// Keeps a redacted picture and, where the site wants that, the original; then opens an incident of `kind` with them.
    async fn open_with_picture(&mut self, kind: Kind) -> serde_json::Value {
        let (id, frame) = (SnapshotId(1), street());
        let jpeg = Bytes::from_static(b"\xff\xd8\xffredacted");
        let redaction = Redaction { state: RedactionState::Applied, persons: 1, plates: None };
        let picture =
            NewPicture { jpeg, width: 640, height: 360, sha256: "a".repeat(64), redaction, captured_at: at(0) };
        self.sink.shared.store.keep_snapshot(self.sink.camera.id.clone(), id, picture).await.expect("a store");
        self.sink.keep_original(id, &frame).await;
        let evidence = vec![EvidenceRef { snapshot: id, role: EvidenceRole::Confirmed, captured_at: at(0) }];
        let measure = match kind {
            Kind::Encroachment => Measure::Occupation { objects: 1, attendants: 0, occupied_ratio: 0.1 },
            Kind::Dumping | Kind::Crowding => Measure::GroundChange { changed_ratio: 0.2, act_seen: true },
        };
        let opened = IncidentTransition { kind, measure, evidence, ..step(1, 1, Phase::Opened, 0) };
        self.sink.transitions(vec![opened], self.state.clone()).await;
        told(&self.bodies().await[0])
    }
}

const TOWNSHIP: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[tokio::test]
async fn the_original_of_dumping_goes_out_sealed_and_is_nowhere_in_the_clear() {
    let mut gateway = OneBox::new();
    gateway.sink.shared.pictures.seal_originals_to = crate::config::Recipient::parse(TOWNSHIP);
    let event = gateway.open_with_picture(Kind::Dumping).await;
    let listed = event["data"]["evidence"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    let sealed = &listed[1];
    let key = crate::config::Recipient::parse(TOWNSHIP).expect("a key").id();
    assert_eq!(sealed["redaction"], serde_json::json!({ "state": "sealed", "sealed_to": key }));
    assert_eq!(sealed["captured_at"], listed[0]["captured_at"], "of the same picture");
    let batch = gateway.sink.shared.store.next_batch(10, Vec::new()).await.expect("a store");
    let message = batch.iter().find(|message| message.evidence.as_deref() == Some("e2")).expect("an original");
    assert_eq!(message.content_type, "application/octet-stream");
    assert!(message.body.starts_with(b"age-encryption.org/v1\n") && message.body.len() <= 256_000);
    // What is on the disk: no file holds a JPEG of it.
    for entry in std::fs::read_dir(gateway.folder.path().join("evidence")).expect("a folder").flatten() {
        let bytes = std::fs::read(entry.path()).expect("a file");
        assert!(bytes.starts_with(b"age-encryption.org") || bytes == b"\xff\xd8\xffredacted", "{:?}", entry.path());
    }
}

#[tokio::test]
async fn no_original_of_anything_but_dumping_and_none_unless_wanted() {
    let mut gateway = OneBox::new();
    let event = gateway.open_with_picture(Kind::Dumping).await;
    assert_eq!(event["data"]["evidence"].as_array().map(Vec::len), Some(1), "off by default");
    let mut gateway = OneBox::new();
    gateway.sink.shared.pictures.seal_originals_to = crate::config::Recipient::parse(TOWNSHIP);
    let event = gateway.open_with_picture(Kind::Encroachment).await;
    assert_eq!(event["data"]["evidence"].as_array().map(Vec::len), Some(1));
    gateway.sink.discard(SnapshotId(1)).await;
    let left = std::fs::read_dir(gateway.folder.path().join("evidence")).expect("a folder").count();
    assert_eq!(left, 1, "given up with its picture; the event keeps its own");
}
