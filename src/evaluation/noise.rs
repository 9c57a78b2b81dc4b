//! What a detector makes of the truth: misses, jitter, false boxes. Seeded, and the same for a picture
//! whichever pictures were looked at before it.

use std::f32::consts::TAU;
use std::str::FromStr;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::truth::{Picture, View};
use crate::domain::detection::{Detection, Role};
use crate::domain::geometry::BoundingBox;

/// A thing of which no more than this is to be seen is never found, and one of which twice as much is
/// to be seen is found as if it stood free.
const HARDLY_SEEN: f32 = 0.2;

/// How bad the detector is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    /// Share of boxes that are not found, look by look.
    pub misses: f64,
    /// False boxes for each true one, and as many for the picture itself.
    pub false_boxes: f64,
    /// Standard deviation of each edge, as a share of the box's width or height.
    pub jitter: f32,
    /// Of all that is random.
    pub seed: u64,
    /// How often each journal runs, each time with another noise.
    pub repeats: u32,
}

impl Default for Noise {
    fn default() -> Self {
        Self { misses: 0.1, false_boxes: 0.05, jitter: 0.02, seed: 1, repeats: 1 }
    }
}

/// What cannot be read as noise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// Not `key=value`.
    #[error("`{0}` is not of the form key=value")]
    Form(String),
    /// Not a key.
    #[error("unknown key `{0}` (misses, false_boxes, jitter, seed, repeats)")]
    Key(String),
    /// Not a value.
    #[error("{key}: `{value}` is not {expected}")]
    Value {
        /// Of what.
        key: &'static str,
        /// As written.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl FromStr for Noise {
    type Err = NoiseError;

    fn from_str(text: &str) -> Result<Self, NoiseError> {
        fn number<T: FromStr>(
            key: &'static str,
            value: &str,
            expected: &'static str,
            fits: impl Fn(&T) -> bool,
        ) -> Result<T, NoiseError> {
            let parsed = value.parse().ok().filter(fits);
            parsed.ok_or_else(|| NoiseError::Value { key, value: value.to_owned(), expected })
        }
        let mut noise = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| NoiseError::Form(part.to_owned()))?;
            match key.trim() {
                "misses" => noise.misses = number("misses", value, "a share, 0 to 1", |v| (0.0..=1.0).contains(v))?,
                "false_boxes" => {
                    noise.false_boxes = number("false_boxes", value, "a share, 0 to 1", |v| (0.0..=1.0).contains(v))?;
                }
                "jitter" => noise.jitter = number("jitter", value, "a share, 0 to 0.5", |v| (0.0..=0.5).contains(v))?,
                "seed" => noise.seed = number("seed", value, "a whole number", |_| true)?,
                "repeats" => noise.repeats = number("repeats", value, "1 to 10000", |v| (1..=10_000).contains(v))?,
                other => return Err(NoiseError::Key(other.to_owned())),
            }
        }
        Ok(noise)
    }
}

/// The random numbers that belong to `index` of `scene`.
#[must_use]
pub fn random(seed: u64, scene: &str, repeat: u32, index: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(repeat.to_be_bytes());
    hash.update(index.to_be_bytes());
    hash.update(scene.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// A normal deviate of mean 0 and deviation 1.
pub fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (a, b): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
    (-2.0 * a.ln()).sqrt() * (TAU * b).cos()
}

impl Noise {
    /// What a detector would answer to the picture.
    pub fn detections(&self, picture: &Picture, rng: &mut ChaCha8Rng) -> Vec<Detection> {
        let blind = matches!(picture.view, View::Occluded | View::TooDark);
        let shown = picture.boxes.iter().filter(|_| !blind);
        let mut found = Vec::with_capacity(picture.boxes.len() + 1);
        for thing in shown {
            let visible = f64::from(((thing.seen - HARDLY_SEEN) / HARDLY_SEEN).clamp(0.0, 1.0));
            // Drawn for every box, so that a change of one setting leaves the others' draws alone.
            let (luck, shakes, doubt) = (rng.random::<f64>(), [(); 4].map(|()| normal(rng)), normal(rng));
            if luck >= (1.0 - self.misses) * visible || thing.roles.is_empty() {
                continue;
            }
            let score = (0.8 + 0.08 * doubt - 0.3 * (1.0 - thing.seen)).clamp(0.35, 0.98);
            let bbox = self.shaken(&thing.bbox, shakes);
            let class_id = thing.roles.most_specific().map_or(0, |role| role as u16);
            found.extend(bbox.map(|bbox| Detection { class_id, roles: thing.roles, score, bbox }));
        }
        for _ in 0..=picture.boxes.len() {
            if rng.random::<f64>() < self.false_boxes {
                found.extend(phantom(picture, rng));
            }
        }
        found
    }

    fn shaken(&self, bbox: &BoundingBox, shakes: [f32; 4]) -> Option<BoundingBox> {
        let [left, top, right, bottom] = shakes.map(|shake| shake * self.jitter);
        BoundingBox::from_corners(
            bbox.left + left * bbox.width,
            bbox.top + top * bbox.height,
            bbox.right() + right * bbox.width,
            bbox.bottom() + bottom * bbox.height,
        )
    }
}

/// A box where nothing of its sort is: of any role and place, as large as something in the picture.
fn phantom(picture: &Picture, rng: &mut ChaCha8Rng) -> Option<Detection> {
    let role = Role::ALL[rng.random_range(0..Role::ALL.len())];
    let place = (rng.random::<f32>(), 0.25 + 0.75 * rng.random::<f32>());
    let made_up = (0.03 + 0.09 * rng.random::<f32>(), 0.05 + 0.12 * rng.random::<f32>());
    let model = (!picture.boxes.is_empty()).then(|| &picture.boxes[rng.random_range(0..picture.boxes.len())]);
    let (width, height) = model.map_or(made_up, |thing| (thing.bbox.width, thing.bbox.height));
    let (left, top) = (place.0 - width / 2.0, place.1 - height);
    let bbox = BoundingBox::from_corners(left, top, left + width, top + height)?;
    let score = 0.35 + 0.25 * rng.random::<f32>();
    let general = (role == Role::Truck).then_some(Role::Vehicle);
    Some(Detection { class_id: role as u16, roles: [role].into_iter().chain(general).collect(), score, bbox })
}

#[cfg(test)]
mod tests {
    use super::super::truth::parse;
    use super::*;

    fn picture() -> Picture {
        parse(r#"{"t": 0, "boxes": [{"id": 1, "roles": ["stall"], "box": [0.4, 0.5, 0.1, 0.1]}, {"id": 2, "roles": ["person"], "box": [0.1, 0.5, 0.04, 0.2], "seen": 0.1}]}"#).unwrap()
    }

    fn shares(noise: Noise) -> (f64, f64, bool) {
        let picture = picture();
        let (mut hits, mut all, mut hidden) = (0, 0, false);
        for index in 0..4000 {
            let found = noise.detections(&picture, &mut random(noise.seed, "a", 0, index));
            let near = |d: &&Detection| d.roles.contains(Role::Stall) && d.bbox.iou(&picture.boxes[0].bbox) > 0.6;
            hits += found.iter().filter(near).count().min(1);
            hidden |= found.iter().any(|d| d.roles.contains(Role::Person) && d.score > 0.65);
            all += found.len();
        }
        #[allow(clippy::cast_precision_loss, reason = "small counts")]
        let share = |count: usize| count as f64 / 4000.0;
        (share(hits), share(all - hits), hidden)
    }

    #[test]
    fn the_shares_are_those_that_were_asked_for() {
        let (hits, others, hidden) = shares(Noise::default());
        assert!((hits - 0.9).abs() < 0.02, "{hits}");
        assert!((others - 0.15).abs() < 0.03, "three chances of one in twenty: {others}");
        assert!(!hidden, "who cannot be seen is not found");
        let (hits, others, _) = shares("misses=0,false_boxes=0,jitter=0".parse().unwrap());
        assert!((hits - 1.0).abs() < 1e-9 && others.abs() < 1e-9);
    }

    #[test]
    fn a_picture_has_its_own_noise() {
        let noise = Noise::default();
        let at = |scene, repeat, index| noise.detections(&picture(), &mut random(1, scene, repeat, index));
        assert_eq!(at("a", 0, 7), at("a", 0, 7));
        assert_ne!(at("a", 0, 7), at("a", 1, 7));
        assert_ne!(at("a", 0, 7), at("b", 0, 7));
    }

    #[test]
    fn a_covered_lens_shows_nothing() {
        let covered = Picture { view: View::Occluded, ..picture() };
        let noise = Noise { false_boxes: 0.0, ..Noise::default() };
        assert!(noise.detections(&covered, &mut random(1, "a", 0, 0)).is_empty());
    }

    #[test]
    fn what_is_no_noise_is_said() {
        let noise: Noise = "misses=0.2, repeats=3".parse().unwrap();
        assert_eq!((noise.misses.to_string().as_str(), noise.repeats), ("0.2", 3));
        for (text, words) in [("misses", "key=value"), ("mises=1", "unknown key `mises`"), ("misses=2", "0 to 1")] {
            let error = text.parse::<Noise>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
