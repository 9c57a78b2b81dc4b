use super::*;
use crate::clock::ManualClock;
use crate::config::{self, Config};
use crate::domain::analyzer::CameraAnalyzer;
use crate::domain::ids::DerivedIds;
use crate::domain::incident::{CloseReason, Kind, Measure};
use crate::pipeline::models::no_model;
use crate::pipeline::replay::analyzer_config;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).expect("in range")
}

/// The example's first camera on a store of its own; one event an hour may reach people.
struct OneBox {
    sink: StoreSink,
    state: AnalyzerState,
    _folder: tempfile::TempDir,
}

impl OneBox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(at(0)));
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
        Self { sink: StoreSink::new(camera, no_model(), shared), state, _folder: folder }
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
