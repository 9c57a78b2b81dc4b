//! Is the camera looking where it looked, and can it see?
//!
//! The fingerprint is the thumbnail with its local mean taken out and its strength evened: walls,
//! kerbs and roofs stay where they are when the light changes, and go when the camera is turned.

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
/// Correlation of fingerprints below which the view is another one. Unrelated pictures stay under
/// 0.2 in most cases; the same street by day and by infrared light stays above.
const SAME_VIEW: f32 = 0.22;
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
    references: Vec<Vec<f32>>,
    doubt: Option<Doubt>,
    state_since: Option<Timestamp>,
    last_look: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Doubt {
    towards: ViewState,
    since: Timestamp,
    looks: u32,
}

impl Default for ViewMonitor {
    fn default() -> Self {
        Self { state: ViewState::Clear, references: Vec::new(), doubt: None, state_since: None, last_look: None }
    }
}

impl ViewMonitor {
    /// Takes in one look; true if the rules may use it.
    pub fn observe(&mut self, scene: &SceneMeasures, at: Timestamp) -> bool {
        let print = fingerprint(&scene.thumbnail);
        let seen = self.judge(scene, print.as_deref());
        if seen == self.state {
            self.doubt = None;
        } else {
            self.consider(seen, at);
        }
        if let Some(print) = print {
            self.learn(&print, seen, at);
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
        self.references.iter().map(|reference| correlation(reference, print)).fold(-1.0, f32::max)
    }

    fn consider(&mut self, seen: ViewState, at: Timestamp) {
        let doubt = match self.doubt {
            Some(doubt) if doubt.towards == seen => Doubt { looks: doubt.looks + 1, ..doubt },
            _ => Doubt { towards: seen, since: at, looks: 1 },
        };
        self.doubt = Some(doubt);
        if doubt.looks >= SETTLE_LOOKS && elapsed(doubt.since, at) >= SETTLE {
            (self.state, self.state_since, self.doubt) = (seen, Some(at), None);
        }
    }

    fn learn(&mut self, print: &[f32], seen: ViewState, at: Timestamp) {
        if self.references.is_empty() && seen == ViewState::Clear {
            self.references.push(print.to_vec());
            return;
        }
        let gap = self.last_look.map_or(Duration::ZERO, |last| elapsed(last, at)).min(FOLLOW / 10);
        let new_place = seen == ViewState::ViewChanged
            && self.state == ViewState::ViewChanged
            && self.state_since.is_some_and(|since| elapsed(since, at) >= ADOPT);
        if new_place {
            self.references = vec![print.to_vec()];
        } else if seen == ViewState::Clear && self.state == ViewState::Clear {
            let best = (0..self.references.len()).max_by(|&a, &b| {
                correlation(&self.references[a], print).total_cmp(&correlation(&self.references[b], print))
            });
            let Some(best) = best else { return };
            if correlation(&self.references[best], print) < NEW_ASPECT && self.references.len() < MAX_REFERENCES {
                // A passing lorry must not become an aspect: it starts as the old one and follows slowly.
                self.references.push(self.references[best].clone());
                let newest = self.references.len() - 1;
                blend(&mut self.references[newest], print, 0.3);
            } else {
                blend(&mut self.references[best], print, gap.as_secs_f32() / FOLLOW.as_secs_f32());
            }
        }
    }
}

fn blend(reference: &mut [f32], print: &[f32], share: f32) {
    for (known, new) in reference.iter_mut().zip(print) {
        *known += (new - *known) * share;
    }
}

/// Local structure of the thumbnail in −2–2; `None` where there is too little of it to judge by.
fn fingerprint(thumbnail: &[u8]) -> Option<Vec<f32>> {
    if thumbnail.len() != THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT {
        return None;
    }
    let luma = |x: usize, y: usize| f32::from(thumbnail[y * THUMBNAIL_WIDTH + x]);
    let mut print = Vec::with_capacity(thumbnail.len());
    for y in 0..THUMBNAIL_HEIGHT {
        for x in 0..THUMBNAIL_WIDTH {
            let (mut sum, mut count) = (0.0, 0.0);
            for ny in y.saturating_sub(2)..(y + 3).min(THUMBNAIL_HEIGHT) {
                for nx in x.saturating_sub(2)..(x + 3).min(THUMBNAIL_WIDTH) {
                    sum += luma(nx, ny);
                    count += 1.0;
                }
            }
            let mean = sum / count;
            // Relative to the local mean: light scales a surface, it does not add to it.
            print.push((luma(x, y) - mean) / (mean + 8.0));
        }
    }
    let typical = median(&mut print.iter().map(|value| value.abs()).collect::<Vec<_>>());
    if typical < 0.004 {
        return None;
    }
    // Lamps and headlamps are clipped, so that they weigh no more than a kerb.
    Some(print.into_iter().map(|value| (value / (3.0 * typical)).clamp(-2.0, 2.0)).collect())
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let strength = (product(a, a) * product(b, b)).sqrt();
    if strength > 0.0 { product(a, b) / strength } else { 0.0 }
}

#[cfg(test)]
mod tests;
