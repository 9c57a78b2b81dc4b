//! What a reader of the report is shown of a miss or a false alarm.

use super::recorder::Shown;
use super::scene::Scene;
use super::truth::Picture;
use crate::config::Evidence;
use crate::domain::incident::Kind;
use crate::evidence::make_picture;

/// Pictures of the report: enough to see what went wrong.
const REPORT_PICTURES: Evidence = Evidence { max_bytes: 80_000, max_width: 640, seal_originals_to: None };

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An incident that was not reported.
    Miss,
    /// A report without an incident.
    FalseAlarm,
    /// A second report.
    Duplicate,
}

impl What {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::FalseAlarm => "false alarm",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One miss or false alarm.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// What went wrong.
    pub what: What,
    /// Which scene.
    pub scene: String,
    /// Which run of it.
    pub repeat: u32,
    /// Its story.
    pub story: String,
    /// Its conditions.
    pub conditions: String,
    /// Of what.
    pub kind: Kind,
    /// Where.
    pub zone: String,
    /// Seconds of the scene.
    pub at_s: f64,
    /// More about it.
    pub words: String,
    /// The zone's corners.
    pub polygon: Vec<[f64; 2]>,
    /// The event's boxes.
    pub boxes: Vec<[f32; 4]>,
    /// The redacted picture, where there are pixels.
    pub jpeg: Option<Vec<u8>>,
    /// The truth at that time, where there is any.
    pub truth: Option<Picture>,
}

impl Exhibit {
    /// Puts it together; a picture that cannot be redacted is left out.
    pub(super) fn new(
        scene: &Scene,
        repeat: u32,
        (what, kind, zone, at_s): (What, Kind, &str, f64),
        words: String,
        boxes: Vec<[f32; 4]>,
        shown: Option<Shown>,
        truth: Option<Picture>,
    ) -> Self {
        let camera = scene.camera();
        let polygon = camera.zones.iter().find(|known| known.id == zone);
        let polygon = polygon.map(|zone| zone.polygon.points().map(|point| [point.x, point.y]).collect());
        let picture =
            shown.map(|shown| make_picture(&shown.frame, Some(&shown.boxes), &camera.masks, &REPORT_PICTURES));
        let jpeg = picture.and_then(|made| match made {
            Ok(picture) => Some(picture.jpeg),
            Err(error) => {
                tracing::warn!(scene = scene.name, %error, "a picture is withheld");
                None
            }
        });
        Self {
            what,
            scene: scene.name.clone(),
            repeat,
            story: scene.story.clone(),
            conditions: scene.conditions.join(", "),
            kind,
            zone: zone.to_owned(),
            at_s,
            words,
            polygon: polygon.unwrap_or_default(),
            boxes,
            jpeg,
            truth,
        }
    }
}
