//! Is the camera looking where it looked, and can it see?
//!
//! The fingerprint is the thumbnail with its local mean taken out and its strength evened: walls,
//! kerbs and roofs stay where they are when the light changes, and go when the camera is turned. The
//! reference is the mean of many looks, and what varies between them (people, traffic) weighs little:
//! on a plaza full of walkers no single look resembles the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::median;
use super::{SceneMeasures, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH};
use crate::domain::Timestamp;
use crate::domain::time::elapsed;

/// Below both, there is nothing to be seen for lack of light.
const DARK_BRIGHTNESS: f32 = 0.06;
const DARK_CONTRAST: f32 = 0.035;
/// A covered or blinded lens has almost no contrast.
const OCCLUDED_CONTRAST: f32 = 0.022;
/// Correlation with the reference below which the view is another one. Over a dozen street clips,
/// looks at the same view stayed above 0.24, and 95 % of those at another one below 0.19.
const SAME_VIEW: f32 = 0.2;
/// The first reference is gathered for this long before anything is judged by it.
const GATHER: Duration = Duration::from_secs(30);
/// Added to a cell's variance before its inverse becomes its weight.
const WEIGHT_FLOOR: f32 = 0.05;
/// A view is believed after this, and after that many looks.
const SETTLE: Duration = Duration::from_secs(6);
const SETTLE_LOOKS: u32 = 3;
/// The reference follows slow changes (sunset, snow) with this time constant.
const FOLLOW: Duration = Duration::from_secs(600);
/// How many aspects of the same view are remembered: day, dusk, night colour, infrared.
const MAX_REFERENCES: usize = 4;
/// An aspect less alike than this to every reference, and yet the same view, is remembered as a new one.
const NEW_ASPECT: f32 = 0.55;
/// A view that stays another one for so long is the camera's new place.
const ADOPT: Duration = Duration::from_secs(12 * 3600);

/// What can be made of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewState {
    /// The known view.
    Clear,
    /// The lens is covered or blinded.
    Occluded,
    /// Not enough light to see anything.
    TooDark,
    /// The camera looks elsewhere.
    ViewChanged,
}

/// Judges every look, and believes a change after a few of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewMonitor {
    state: ViewState,
    references: Vec<Reference>,
    first_look: Option<Timestamp>,
    doubt: Option<Doubt>,
    state_since: Option<Timestamp>,
    /// The first look that showed what is believed now.
    #[serde(default)]
    shown_since: Option<Timestamp>,
    last_look: Option<Timestamp>,
}

/// One aspect of a view: per cell of the thumbnail, mean and variance of the fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reference {
    mean: Vec<f32>,
    variance: Vec<f32>,
    looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Doubt {
    towards: ViewState,
    since: Timestamp,
    looks: u32,
}

impl Default for ViewMonitor {
    fn default() -> Self {
        Self {
            state: ViewState::Clear,
            references: Vec::new(),
            first_look: None,
            doubt: None,
            state_since: None,
            shown_since: None,
            last_look: None,
        }
    }
}

impl ViewMonitor {
    /// Takes in one look; true if the rules may use it.
    pub fn observe(&mut self, scene: &SceneMeasures, at: Timestamp) -> bool {
        let print = fingerprint(&scene.thumbnail);
        let gathering = elapsed(*self.first_look.get_or_insert(at), at) <= GATHER;
        let seen = self.judge(scene, print.as_deref().filter(|_| !gathering));
        if seen == self.state {
            self.doubt = None;
        } else {
            self.consider(seen, at);
        }
        if let Some(print) = print {
            self.learn(&print, seen, gathering, at);
        }
        self.last_look = Some(at);
        seen == ViewState::Clear && self.state == ViewState::Clear
    }

    /// The believed state.
    #[must_use]
    pub fn state(&self) -> ViewState {
        self.state
    }

    /// Since when the state is what it is; `None` if it never changed.
    #[must_use]
    pub fn state_since(&self) -> Option<Timestamp> {
        self.state_since
    }

    /// Where the look at `at` is the first of use after a while: since when there was something to be seen.
    pub(crate) fn back_since(&self, at: Timestamp) -> Option<Timestamp> {
        self.shown_since.filter(|_| self.state == ViewState::Clear && self.state_since == Some(at))
    }

    fn judge(&self, scene: &SceneMeasures, print: Option<&[f32]>) -> ViewState {
        if scene.brightness < DARK_BRIGHTNESS && scene.contrast < DARK_CONTRAST {
            return ViewState::TooDark;
        }
        if scene.contrast < OCCLUDED_CONTRAST {
            return ViewState::Occluded;
        }
        let known = self.references.is_empty() || print.is_none_or(|print| self.likeness(print) >= SAME_VIEW);
        if known { ViewState::Clear } else { ViewState::ViewChanged }
    }

    fn likeness(&self, print: &[f32]) -> f32 {
        self.references.iter().map(|reference| reference.likeness(print)).fold(-1.0, f32::max)
    }

    fn consider(&mut self, seen: ViewState, at: Timestamp) {
        let doubt = match self.doubt {
            Some(doubt) if doubt.towards == seen => Doubt { looks: doubt.looks + 1, ..doubt },
            _ => Doubt { towards: seen, since: at, looks: 1 },
        };
        self.doubt = Some(doubt);
        if doubt.looks >= SETTLE_LOOKS && elapsed(doubt.since, at) >= SETTLE {
            (self.state, self.state_since, self.doubt) = (seen, Some(at), None);
            self.shown_since = Some(doubt.since);
        }
    }

    fn learn(&mut self, print: &[f32], seen: ViewState, gathering: bool, at: Timestamp) {
        if seen == ViewState::ViewChanged && self.state == ViewState::ViewChanged {
            if self.state_since.is_some_and(|since| elapsed(since, at) >= ADOPT) {
                self.references = vec![Reference::new(print)];
            }
            return;
        }
        if seen != ViewState::Clear || self.state != ViewState::Clear {
            return;
        }
        let gap = self.last_look.map_or(Duration::ZERO, |last| elapsed(last, at)).min(FOLLOW / 10);
        let follow = gap.as_secs_f32() / FOLLOW.as_secs_f32();
        let likeness: Vec<f32> = self.references.iter().map(|reference| reference.likeness(print)).collect();
        match (0..likeness.len()).max_by(|&a, &b| likeness[a].total_cmp(&likeness[b])) {
            None => self.references.push(Reference::new(print)),
            Some(best) if gathering => self.references[best].gather(print),
            Some(best) if likeness[best] < NEW_ASPECT && self.references.len() < MAX_REFERENCES => {
                // A passing lorry must not become an aspect: it starts as the old one and follows slowly.
                let mut aspect = self.references[best].clone();
                aspect.blend(print, 0.2);
                self.references.push(aspect);
            }
            Some(best) => self.references[best].blend(print, follow),
        }
    }
}

impl Reference {
    fn new(print: &[f32]) -> Self {
        Self { mean: print.to_vec(), variance: vec![0.0; print.len()], looks: 1 }
    }

    /// An equal share for every look.
    fn gather(&mut self, print: &[f32]) {
        self.looks = self.looks.saturating_add(1);
        #[allow(clippy::cast_precision_loss, reason = "looks of half a minute")]
        let share = 1.0 / self.looks as f32;
        self.blend(print, share);
    }

    fn blend(&mut self, print: &[f32], share: f32) {
        for ((mean, variance), new) in self.mean.iter_mut().zip(&mut self.variance).zip(print) {
            let off = new - *mean;
            *mean += off * share;
            *variance += (off * off * (1.0 - share) - *variance) * share;
        }
    }

    /// Correlation in which steady cells weigh most, −1–1.
    fn likeness(&self, print: &[f32]) -> f32 {
        let (mut product, mut own, mut other) = (0.0, 0.0, 0.0);
        for ((mean, variance), print) in self.mean.iter().zip(&self.variance).zip(print) {
            let weight = (WEIGHT_FLOOR + variance).powi(-2);
            product += weight * mean * print;
            own += weight * mean * mean;
            other += weight * print * print;
        }
        let strength = (own * other).sqrt();
        if strength > 0.0 { product / strength } else { 0.0 }
    }
}

/// Local structure of the thumbnail in −2–2; `None` where there is too little of it to judge by.
fn fingerprint(thumbnail: &[u8]) -> Option<Vec<f32>> {
    if thumbnail.len() != THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT {
        return None;
    }
    let sums = Sums::of(thumbnail);
    let mut print = Vec::with_capacity(thumbnail.len());
    for y in 0..THUMBNAIL_HEIGHT {
        for x in 0..THUMBNAIL_WIDTH {
            let mean = sums.mean_around(x, y);
            // Relative to the local mean: light scales a surface, it does not add to it.
            print.push((f32::from(thumbnail[y * THUMBNAIL_WIDTH + x]) - mean) / (mean + 8.0));
        }
    }
    let typical = median(&mut print.iter().map(|value| value.abs()).collect::<Vec<_>>());
    if typical < 0.004 {
        return None;
    }
    // Lamps and headlamps are clipped, so that they weigh no more than a kerb.
    Some(print.into_iter().map(|value| (value / (3.0 * typical)).clamp(-2.0, 2.0)).collect())
}

/// Sums of everything above and left of a cell, from which the sum of any rectangle follows at once.
struct Sums([[u32; THUMBNAIL_WIDTH + 1]; THUMBNAIL_HEIGHT + 1]);

impl Sums {
    fn of(thumbnail: &[u8]) -> Self {
        let mut sums = [[0; THUMBNAIL_WIDTH + 1]; THUMBNAIL_HEIGHT + 1];
        for (y, row) in thumbnail.chunks_exact(THUMBNAIL_WIDTH).enumerate() {
            let mut along = 0;
            for (x, &luma) in row.iter().enumerate() {
                along += u32::from(luma);
                sums[y + 1][x + 1] = sums[y][x + 1] + along;
            }
        }
        Self(sums)
    }

    /// Of the cell and the two on every side of it, as far as there are any.
    #[allow(clippy::cast_precision_loss, reason = "sums of 25 bytes")]
    fn mean_around(&self, x: usize, y: usize) -> f32 {
        let (left, top) = (x.saturating_sub(2), y.saturating_sub(2));
        let (right, bottom) = ((x + 3).min(THUMBNAIL_WIDTH), (y + 3).min(THUMBNAIL_HEIGHT));
        let sum = self.0[bottom][right] + self.0[top][left] - self.0[top][right] - self.0[bottom][left];
        sum as f32 / ((right - left) * (bottom - top)) as f32
    }
}

#[cfg(test)]
mod tests;
