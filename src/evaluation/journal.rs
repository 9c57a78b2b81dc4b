//! A scene without pixels: its truth stands in for clip and detector, and the rest is the real loop.

use std::sync::Arc;

use super::noise::{Noise, random};
use super::scene::Scene;
use super::street::Street;
use super::truth::Picture;
use crate::domain::analyzer::CameraAnalyzer;
use crate::domain::camera::LookPlan;
use crate::domain::frame::{AnalyzedFrame, ColorSpace, Frame};
use crate::domain::zone::Zone;
use crate::domain::{SignedDuration, Timestamp};
use crate::media::boundary::{FrameSource, SourceEvent};
use crate::pipeline::infer::InferError;
use crate::pipeline::replay::scene_meter;
use crate::pipeline::see::{See, Sight};

/// Size of the pictures that there are none of: it decides how fine the grids on the ground are.
const SIZE: (u32, u32) = (1280, 720);

/// The pictures of a journal, each with the moment it was taken.
#[derive(Debug)]
pub struct Journal {
    taken: Vec<Timestamp>,
    pictures: Arc<Vec<Picture>>,
}

impl Journal {
    /// The pictures of a scene that began at `start`.
    #[must_use]
    pub fn new(pictures: Arc<Vec<Picture>>, start: Timestamp) -> Self {
        Self { taken: pictures.iter().map(|picture| moment(start, picture.t)).collect(), pictures }
    }

    fn first_from(&self, at: Timestamp) -> usize {
        self.taken.partition_point(|taken| *taken < at)
    }
}

/// The moment `seconds` into a scene.
#[must_use]
pub fn moment(start: Timestamp, seconds: f64) -> Timestamp {
    let since = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    start.checked_add(since).unwrap_or(Timestamp::MAX)
}

/// Gives the moments at which the journal has a picture.
#[derive(Debug)]
pub struct JournalSource {
    journal: Arc<Journal>,
    next: usize,
}

impl JournalSource {
    /// From the first picture on.
    #[must_use]
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, next: 0 }
    }
}

impl FrameSource for JournalSource {
    async fn next(&mut self, plan: LookPlan) -> SourceEvent {
        let index = self.next.max(self.journal.first_from(plan.at));
        let Some(taken) = self.journal.taken.get(index) else { return SourceEvent::Ended };
        self.next = index + 1;
        SourceEvent::Frame(Arc::new(without_pixels(*taken)))
    }
}

fn without_pixels(captured_at: Timestamp) -> Frame {
    let color = ColorSpace { full_range: false, bt709: true };
    Frame { captured_at, width: 0, height: 0, color, y: Vec::new(), u: Vec::new(), v: Vec::new() }
}

/// A grey picture, for the shape of what a meter measures.
fn blank(captured_at: Timestamp) -> Frame {
    let (width, height) = SIZE;
    let (luma, chroma) = ((width * height) as usize, (width.div_ceil(2) * height.div_ceil(2)) as usize);
    let planes = (vec![128; luma], vec![128; chroma], vec![128; chroma]);
    Frame { width, height, y: planes.0, u: planes.1, v: planes.2, ..without_pixels(captured_at) }
}

/// Sees what the truth says, as badly as the noise has it.
#[derive(Debug)]
pub struct JournalEyes {
    journal: Arc<Journal>,
    street: Street,
    noise: Noise,
    scene: String,
    repeat: u32,
}

/// The street of `scene`, whose zones `analyzer` watches.
#[must_use]
pub fn street(scene: &Scene, analyzer: &CameraAnalyzer, noise: Noise) -> Street {
    let zones: Vec<Zone> = analyzer.ground_zones().cloned().collect();
    // The shape of the grids is the meter's own; without a zone there is none.
    let shapes = || scene_meter(analyzer).measure(&blank(scene.start)).ground;
    let patches = if zones.is_empty() { Vec::new() } else { shapes() };
    let grey = scene.conditions.iter().any(|condition| condition == "night_ir");
    Street::new(&scene.name, noise.seed, &zones, patches, grey)
}

impl JournalEyes {
    /// Eyes on `street`, which is that of `scene`.
    #[must_use]
    pub fn new(journal: Arc<Journal>, street: Street, scene: &Scene, noise: Noise, repeat: u32) -> Self {
        Self { journal, street, noise, scene: scene.name.clone(), repeat }
    }
}

impl See for JournalEyes {
    async fn see(&mut self, frame: &Arc<Frame>) -> Result<Sight, InferError> {
        let index = self.journal.first_from(frame.captured_at);
        let Some(picture) = self.journal.pictures.get(index) else {
            return Err(InferError::Failed("the journal has no such picture".to_owned()));
        };
        let rng = &mut random(self.noise.seed, &self.scene, self.repeat, index as u64);
        let detections = self.noise.detections(picture, rng);
        let scene = self.street.measures(picture, rng);
        let analyzed = AnalyzedFrame { captured_at: frame.captured_at, detections, faint: Vec::new(), scene };
        Ok(Sight { analyzed })
    }
}
