//! A small made-up street for tests: a script says what is there at each look.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::analyzer::{AnalyzerConfig, AnalyzerState, CameraAnalyzer};
use crate::domain::camera::CameraId;
use crate::domain::detection::{Detection, Role};
use crate::domain::frame::AnalyzedFrame;
use crate::domain::geometry::{BoundingBox, Point, Polygon};
use crate::domain::ids::DerivedIds;
use crate::domain::incident::{IncidentTransition, Phase, SnapshotRequest};
use crate::domain::rules::params::{Attendance, Common, CrowdingRule, DumpingRule, EncroachmentRule, Rule};
use crate::domain::scene::{GroundCell, GroundPatch, SceneMeasures, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH};
use crate::domain::zone::Zone;

pub(crate) const COLUMNS: u16 = 10;
pub(crate) const ROWS: u16 = 6;

/// Seconds after the scenario's start.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_000_000 + second).unwrap()
}

/// The zone `ground`: everything below the upper two fifths of the picture.
pub(crate) fn zone() -> Zone {
    let corners = [(0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    Zone { id: "ground".into(), name: None, polygon: Polygon::new(&corners).unwrap(), ground_m2: Some(100.0) }
}

pub(crate) fn common(id: &str, dwell_s: u64) -> Common {
    Common {
        id: id.into(),
        zone: "ground".into(),
        active: None,
        permitted: None,
        min_score: 0.3,
        dwell: Duration::from_secs(dwell_s),
        clear_after: Duration::from_secs(60),
        reopen_within: Duration::from_secs(600),
        cool_down: Duration::from_secs(3600),
        max_duration: Duration::from_secs(4 * 3600),
    }
}

pub(crate) fn encroachment() -> EncroachmentRule {
    EncroachmentRule {
        common: common("stalls", 180),
        roles: [Role::Stall, Role::Goods, Role::Umbrella, Role::Tricycle].into_iter().collect(),
        min_hit_ratio: 0.6,
        attendance: Attendance::Optional,
        loading: Duration::from_secs(900),
        shop_line: None,
        learn_furniture: Duration::ZERO,
    }
}

pub(crate) fn dumping() -> DumpingRule {
    DumpingRule {
        common: common("muck", 60),
        visitor_roles: [Role::Person, Role::Truck, Role::Vehicle].into_iter().collect(),
        min_visit: Duration::from_secs(8),
        min_changed_ratio: 0.04,
        report_state: false,
    }
}

pub(crate) fn crowding() -> CrowdingRule {
    CrowdingRule {
        common: common("crowd", 60),
        min_people: 5,
        clear_people: 3,
        count_everybody: false,
        bands: vec![10, 20, 50],
        legal_basis: "test".into(),
        contact: "test".into(),
    }
}

pub(crate) fn thing(role: Role, left: f32, top: f32, width: f32, height: f32) -> Detection {
    let bbox = BoundingBox { left, top, width, height };
    let roles = if role == Role::Truck { vec![Role::Truck, Role::Vehicle] } else { vec![role] };
    let roles = roles.into_iter().collect();
    Detection { class_id: 0, roles, score: 0.8, bbox }
}

pub(crate) fn stall(left: f32) -> Detection {
    thing(Role::Stall, left, 0.5, 0.12, 0.15)
}

pub(crate) fn person(left: f32) -> Detection {
    thing(Role::Person, left, 0.45, 0.04, 0.16)
}

/// What lies on the made-up ground: the cells' changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OnGround {
    Nothing,
    /// A pile over some cells in the middle.
    Pile,
    /// Everything darker, as under a cloud.
    Cloud,
    /// A shadow over some cells.
    Shadow,
    /// Infrared light: no colour, another brightness.
    Infrared,
}

/// A thumbnail with the structure of a street, by `seed`.
pub(crate) fn scene(seed: u8, ground: OnGround) -> SceneMeasures {
    let mut thumbnail = Vec::new();
    for cell in 0..THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT {
        let block = (cell % THUMBNAIL_WIDTH / 3) * 7 + (cell / THUMBNAIL_WIDTH / 3) * 13;
        let noise = (block * block * (usize::from(seed) + 3) + block * 31 * usize::from(seed)) % 97;
        thumbnail.push(u8::try_from(70 + noise).unwrap());
    }
    let cells = (0..usize::from(COLUMNS * ROWS)).map(|index| Some(ground_cell(index, ground))).collect();
    let patch = GroundPatch { zone: "ground".into(), columns: COLUMNS, rows: ROWS, cells };
    SceneMeasures { brightness: 0.4, contrast: 0.15, thumbnail, ground: vec![patch] }
}

pub(crate) fn ground_cell(index: usize, on: OnGround) -> GroundCell {
    let (column, row) = (index % usize::from(COLUMNS), index / usize::from(COLUMNS));
    let middle = (4..6).contains(&column) && (2..5).contains(&row);
    let grain = [0.0, 1.5, -1.0][index % 3];
    let plain = GroundCell { luma: 110.0 + grain, texture: 6.0, cb: 126.0, cr: 130.0 };
    match on {
        OnGround::Pile if middle => GroundCell { luma: 90.0, texture: 28.0, cb: 116.0, cr: 138.0 },
        OnGround::Cloud => GroundCell { luma: plain.luma * 0.6, texture: plain.texture * 0.6, cb: 129.0, cr: 128.0 },
        OnGround::Shadow if middle => {
            // Cells at the rim are half in the shade: much texture there, and none inside.
            let rim = column == 4;
            let texture = if rim { 22.0 } else { 3.5 };
            GroundCell { luma: plain.luma * if rim { 0.8 } else { 0.55 }, texture, cb: 128.0, ..plain }
        }
        OnGround::Infrared => GroundCell { luma: 150.0 + grain, texture: 8.0, cb: 128.0, cr: 128.0 },
        OnGround::Nothing | OnGround::Pile | OnGround::Shadow => plain,
    }
}

/// An analyzer with what came out of it.
#[derive(Debug)]
pub(crate) struct Street {
    pub(crate) analyzer: CameraAnalyzer,
    pub(crate) transitions: Vec<IncidentTransition>,
    pub(crate) snapshots: Vec<SnapshotRequest>,
}

impl Street {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self::continued(rules, None, at(0))
    }

    /// Looked at by a detector that has a class for heaps.
    pub(crate) fn with_piles(rules: Vec<Rule>) -> Self {
        Self::start(rules, None, at(0), true)
    }

    pub(crate) fn continued(rules: Vec<Rule>, saved: Option<AnalyzerState>, now: Timestamp) -> Self {
        Self::start(rules, saved, now, false)
    }

    fn start(rules: Vec<Rule>, saved: Option<AnalyzerState>, now: Timestamp, knows_piles: bool) -> Self {
        let config = AnalyzerConfig {
            camera: CameraId::new("gate").unwrap(),
            look_interval: Duration::from_secs(2),
            zones: vec![zone()],
            rules,
            knows_piles,
        };
        let analyzer = CameraAnalyzer::new(config, Box::new(DerivedIds), saved, now);
        let mut street = Self { analyzer, transitions: Vec::new(), snapshots: Vec::new() };
        street.drain();
        street
    }

    pub(crate) fn drain(&mut self) {
        while let Some(transition) = self.analyzer.poll_transition() {
            self.transitions.push(transition);
        }
        while let Some(request) = self.analyzer.poll_snapshot() {
            self.snapshots.push(request);
        }
    }

    pub(crate) fn look(&mut self, second: i64, detections: Vec<Detection>, scene: SceneMeasures) {
        self.look_with(second, detections, Vec::new(), scene);
    }

    pub(crate) fn look_with(
        &mut self,
        second: i64,
        detections: Vec<Detection>,
        faint: Vec<Detection>,
        scene: SceneMeasures,
    ) {
        self.analyzer.handle_frame(&AnalyzedFrame { captured_at: at(second), detections, faint, scene });
        self.drain();
    }

    /// A look every second of `seconds`, on empty ground.
    pub(crate) fn watch(&mut self, seconds: std::ops::Range<i64>, script: impl Fn(i64) -> Vec<Detection>) {
        self.watch_ground(seconds, |second| (script(second), OnGround::Nothing));
    }

    pub(crate) fn watch_ground(
        &mut self,
        seconds: std::ops::Range<i64>,
        script: impl Fn(i64) -> (Vec<Detection>, OnGround),
    ) {
        for second in seconds {
            let (detections, ground) = script(second);
            self.look(second, detections, scene(1, ground));
        }
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.transitions.iter().map(|transition| transition.phase).collect()
    }

    /// Phases without updates.
    pub(crate) fn ends(&self) -> Vec<Phase> {
        self.phases().into_iter().filter(|phase| *phase != Phase::Updated).collect()
    }
}
