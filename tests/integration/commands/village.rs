//! A gateway without its pixels: the real loop, store, publisher and desk, with a scripted camera and a fast clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gridwatch::clock::{Clock, ClockQuality};
use gridwatch::config::{self, Config, Delivery};
use gridwatch::domain::Timestamp;
use gridwatch::domain::analyzer::CameraAnalyzer;
use gridwatch::domain::budget::AlertBudget;
use gridwatch::domain::camera::{LookPlan, StreamState};
use gridwatch::domain::detection::{Detection, Role};
use gridwatch::domain::frame::{AnalyzedFrame, ColorSpace, Frame};
use gridwatch::domain::geometry::BoundingBox;
use gridwatch::domain::ids::RandomIds;
use gridwatch::domain::scene::{SceneMeasures, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH};
use gridwatch::inference::ModelInfo;
use gridwatch::media::boundary::{FrameSource, SourceEvent, StreamReport};
use gridwatch::pipeline::analyze::{CameraLoop, IncidentSink, Standing, Timers};
use gridwatch::pipeline::board::Board;
use gridwatch::pipeline::deliver::{Shared, StoreSink};
use gridwatch::pipeline::infer::InferError;
use gridwatch::pipeline::link;
use gridwatch::pipeline::message::EventWriter;
use gridwatch::pipeline::models::no_model;
use gridwatch::pipeline::orders::Orders;
use gridwatch::pipeline::progress::Progress;
use gridwatch::pipeline::publish::commands::Desk;
use gridwatch::pipeline::replay::analyzer_config;
use gridwatch::pipeline::see::{See, Sight};
use gridwatch::store::Store;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Seconds of the village in one of ours.
const FACTOR: u32 = 30;

/// Goes faster than ours, from one start for all boxes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastClock {
    began: Instant,
}

impl FastClock {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now() }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + self.began.elapsed() * FACTOR
    }

    fn quality(&self) -> ClockQuality {
        ClockQuality { synced: true, offset_ms: 0, boot_id: "b".to_owned(), uptime_ms: 600_000 }
    }
}

/// What stands in the street; changed by the test, seen at the next look.
pub(crate) type Street = Arc<Mutex<Vec<Detection>>>;

struct ScriptedCamera {
    clock: FastClock,
    told: bool,
    frame: Arc<Frame>,
}

impl FrameSource for ScriptedCamera {
    async fn next(&mut self, plan: LookPlan) -> SourceEvent {
        let at = self.clock.now();
        if !std::mem::replace(&mut self.told, true) {
            return SourceEvent::State(StreamReport { state: StreamState::Ok, at, detail: "scripted".to_owned() });
        }
        let next = plan.at.max(self.frame.captured_at + Duration::from_secs(1));
        let wait = Duration::try_from(next.duration_since(at)).unwrap_or_default();
        tokio::time::sleep(wait / FACTOR).await;
        self.frame = Arc::new(Frame { captured_at: self.clock.now(), ..Frame::clone(&self.frame) });
        SourceEvent::Frame(Arc::clone(&self.frame))
    }
}

struct ScriptedEyes(Street);

impl See for ScriptedEyes {
    async fn see(&mut self, frame: &Arc<Frame>) -> Result<Sight, InferError> {
        let detections = self.0.lock().unwrap().clone();
        let scene = scene();
        Ok(Sight { analyzed: AnalyzedFrame { captured_at: frame.captured_at, detections, faint: Vec::new(), scene } })
    }
}

fn scene() -> SceneMeasures {
    let cell = |n: usize| u8::try_from(70 + (n * 37 + n / THUMBNAIL_WIDTH * 13) % 97).unwrap();
    let thumbnail = (0..THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT).map(cell).collect();
    SceneMeasures { brightness: 0.4, contrast: 0.15, thumbnail, ground: Vec::new() }
}

fn frame(at: Timestamp) -> Frame {
    let (width, height) = (320_u32, 180_u32);
    let y = (0..width * height).map(|n| u8::try_from(40 + n % 160).unwrap()).collect();
    let chroma = vec![128; (width / 2 * height / 2) as usize];
    let color = ColorSpace { full_range: false, bt709: true };
    Frame { captured_at: at, width, height, color, y, u: chroma.clone(), v: chroma }
}

fn thing(role: Role, left: f32, height: f32) -> Detection {
    let bbox = BoundingBox { left, top: 0.5, width: 0.1, height };
    Detection { class_id: 0, roles: [role].into_iter().collect(), score: 0.9, bbox }
}

pub(crate) fn stall() -> Detection {
    thing(Role::Stall, 0.3, 0.2)
}

pub(crate) fn person() -> Detection {
    thing(Role::Person, 0.7, 0.3)
}

/// A rule that opens after a minute and has learned no furniture; a profile that waits for ten, and one without it.
pub(crate) fn configuration(port: u16, folder: &Path) -> Config {
    std::fs::write(folder.join("password"), crate::main_job::site::BROKER_PASSWORD).unwrap();
    let text = format!(
        r#"
[gateway]
id = "gw-demo"
county_code = "330902"
town_code = "101"
village_code = "330902101007"
[mqtt]
host = "127.0.0.1"
port = {port}
password = {{ file = "password" }}
release_on = "puback"
[storage]
state_dir = "state"
[inference]
runtime_library = "none"
model = "none"
[alert_budget]
opened_per_hour = 1000
[[camera]]
id = "gate"
url = "rtsp://192.0.2.1/none"
look_interval_s = 2.0
[[camera.zone]]
id = "walkway"
polygon = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]
[[camera.encroachment]]
id = "stalls"
zone = "walkway"
dwell_s = 60
clear_after_s = 30
reopen_within_s = 0
cool_down_s = 600
learn_furniture_s = 0
[[profile]]
id = "market-day"
[[profile.rule]]
camera = "gate"
id = "stalls"
enabled = false
[[profile]]
id = "fair"
[[profile.rule]]
camera = "gate"
id = "stalls"
dwell_s = 120
"#
    );
    let (config, warnings) = config::parse(&text, &folder.join("config.toml")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(warnings, []);
    config
}

/// The running box.
pub(crate) struct Gateway {
    pub(crate) street: Street,
    pub(crate) store: Store,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Gateway {
    pub(crate) async fn start(folder: &Path, port: u16, clock: FastClock) -> Self {
        Self::start_with(folder, port, clock, ModelInfo { knows_persons: true, knows_vehicles: true, ..no_model() })
            .await
    }

    pub(crate) async fn start_with(folder: &Path, port: u16, clock: FastClock, model: ModelInfo) -> Self {
        let config = configuration(port, folder);
        let fast: Arc<dyn Clock> = Arc::new(clock);
        let (store, report) = Store::open(&config.storage, Arc::clone(&fast)).unwrap();
        let camera = config.cameras[0].clone();
        let shared = Shared {
            writer: Arc::new(EventWriter::new(&config).unwrap()),
            pictures: config.evidence.clone(),
            budget: Arc::new(Mutex::new(AlertBudget::new(1000))),
            store: store.clone(),
            board: Board::new(std::iter::once(&camera.id), fast.now()),
            progress: Progress::new(Arc::clone(&fast)),
            clock: Arc::clone(&fast),
        };
        let orders = Orders::open(&config, store.clone(), Arc::clone(&fast), shared.board.clone()).await.unwrap();
        let kept = store.load_analyzer(camera.id.clone()).await.unwrap();
        let saved = kept.map(|text| serde_json::from_str(&text).unwrap());
        let ids = Box::new(RandomIds(rand::random::<[u8; 10]>));
        let mut analyzer = CameraAnalyzer::new(analyzer_config(&camera, &model), ids, saved, fast.now());
        let mut sink = StoreSink::new(Arc::new(camera.clone()), model, shared.clone());
        let mut feed = orders.feed(&camera);
        let (rules, at) = feed.now();
        sink.rules(&rules);
        analyzer.set_rules(&rules.rules, at);
        shared.board.muted(&camera.id, analyzer.mutes());
        let (sender, inputs) = mpsc::channel(16);
        let (street, stop) = (Street::default(), CancellationToken::new());
        let mut camera_loop = CameraLoop {
            source: ScriptedCamera { clock, told: false, frame: Arc::new(frame(fast.now())) },
            eyes: ScriptedEyes(Arc::clone(&street)),
            analyzer,
            sink,
            timers: Timers::Live(Arc::clone(&fast)),
            inputs,
            stop: stop.clone(),
            idle_every: Some(Duration::from_secs(1)),
            standing: Standing::new(feed),
        };
        let Delivery::Mqtt(mqtt) = &config.delivery else { panic!("a broker is configured") };
        let desk = Desk::new(&shared, [(camera.id.clone(), sender)].into(), orders.clone());
        let context = link::Context {
            safe_mode: None,
            config: &config,
            shared: &shared,
            facts: &BTreeMap::new(),
            runtime_version: "0",
            removed: Vec::new(),
            started_at: fast.now(),
            epoch: report.epoch,
            receipts_seen: false,
        };
        let publisher = link::prepare(&context, mqtt, |options| options).unwrap().start(desk);
        let ender = stop.clone();
        let tasks = vec![
            tokio::spawn(async move {
                let state = camera_loop.run().await;
                camera_loop.sink.finish(state).await;
            }),
            tokio::spawn(publisher.run(stop.clone(), Duration::from_secs(3))),
            tokio::spawn(async move {
                while !ender.is_cancelled() {
                    orders.end_what_is_over().await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }),
        ];
        Self { street, store, stop, tasks }
    }

    pub(crate) fn shows(&self, things: &[Detection]) {
        *self.street.lock().unwrap() = things.to_vec();
    }

    /// Leaves in good order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.store.close().await.unwrap();
    }

    /// As by a power cut: nobody says or writes anything more.
    pub(crate) async fn cut(self) {
        for task in self.tasks {
            task.abort();
            drop(task.await);
        }
        drop(self.store);
        // The store's thread lets go of the lock when its last handle is gone.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(crate) fn second_stall() -> Detection {
    thing(Role::Stall, 0.55, 0.2)
}
