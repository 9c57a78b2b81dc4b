//! Follows things through sparse looks, one or two seconds apart.
//!
//! Association is by place: overlap first, then distance in units of the thing's own size. What
//! matters to the rules is not who a track is but whether it stands, so a track keeps an anchor: the
//! place it has not left since `anchored_at`.

pub(crate) mod association;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::detection::{Detection, Role, RoleSet};
use super::geometry::{BoundingBox, Point};
use super::time::elapsed;

/// A track that was seen once is forgotten after this: three looks, for people in a crowd are found at every
/// second one.
const TENTATIVE_PATIENCE: Duration = Duration::from_secs(6);
/// A confirmed track is forgotten after this; people stand behind others for a while.
const CONFIRMED_PATIENCE: Duration = Duration::from_secs(12);
/// Looks until a track is believed.
const CONFIRMED_HITS: u32 = 2;
/// Sizes by which a thing may be displaced and still be in its place.
const ANCHOR_RADIUS: f64 = 0.4;
/// A person whose box is wider and higher than where they stood by this, or smaller, comes or goes: to a camera
/// at the height of heads their head stays in its place.
const NEARER: f32 = 1.3;
/// Share by which the anchor follows each look, so that jitter does not tear it off.
const ANCHOR_DRIFT: f64 = 0.1;
/// A thing that left its anchor within this time is moving.
const MOVING_WITHIN: Duration = Duration::from_secs(2);
/// Bound on what one picture can make us follow.
const MAX_TRACKS: usize = 512;

/// How far a track is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackState {
    /// Seen once.
    Tentative,
    /// Seen at several looks, the latest among them.
    Confirmed,
    /// Not seen at the latest look.
    Lost,
    /// Not seen for too long; it is dropped with the look that says so.
    Removed,
}

/// One thing's path, reduced to what the rules need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Unique in the camera's life.
    pub id: u64,
    /// How far it is to be believed.
    pub state: TrackState,
    /// Roles at the latest sight.
    pub roles: RoleSet,
    /// Where it was at the latest sight.
    pub bbox: BoundingBox,
    /// 0–1, latest.
    pub score: f32,
    /// 0–1, of all sights.
    pub best_score: f32,
    /// First sight.
    pub first_seen: Timestamp,
    /// Latest sight.
    pub last_seen: Timestamp,
    /// Looks at which it was seen.
    pub hits: u32,
    /// Looks since the first sight, that one among them.
    pub looks: u32,
    /// Since when it has not left its place.
    pub anchored_at: Timestamp,
    anchor_top: Point,
    anchor_bottom: Point,
    /// Width and height.
    anchor_size: [f32; 2],
}

impl Track {
    fn new(id: u64, detection: &Detection, at: Timestamp) -> Self {
        Self {
            id,
            state: TrackState::Tentative,
            roles: detection.roles,
            bbox: detection.bbox,
            score: detection.score,
            best_score: detection.score,
            first_seen: at,
            last_seen: at,
            hits: 1,
            looks: 1,
            anchored_at: at,
            anchor_top: top_center(&detection.bbox),
            anchor_bottom: detection.bbox.bottom_center(),
            anchor_size: [detection.bbox.width, detection.bbox.height],
        }
    }

    fn see(&mut self, detection: &Detection, at: Timestamp) {
        let (top, bottom) = (top_center(&detection.bbox), detection.bbox.bottom_center());
        // Whoever stands behind something loses feet or head, but not both: the smaller shift counts.
        let shift = distance(top, self.anchor_top).min(distance(bottom, self.anchor_bottom));
        let size = [detection.bbox.width, detection.bbox.height];
        if shift > ANCHOR_RADIUS * association::size(&detection.bbox) || self.has_come_or_gone(size) {
            (self.anchor_top, self.anchor_bottom, self.anchored_at) = (top, bottom, at);
            self.anchor_size = size;
        } else {
            self.anchor_top = toward(self.anchor_top, top);
            self.anchor_bottom = toward(self.anchor_bottom, bottom);
        }
        (self.roles, self.bbox, self.score, self.last_seen) = (detection.roles, detection.bbox, detection.score, at);
        self.best_score = self.best_score.max(detection.score);
        self.hits = self.hits.saturating_add(1);
        self.state = if self.hits >= CONFIRMED_HITS { TrackState::Confirmed } else { TrackState::Tentative };
    }

    fn has_come_or_gone(&self, size: [f32; 2]) -> bool {
        let by = [size[0] / self.anchor_size[0], size[1] / self.anchor_size[1]];
        self.roles.contains(Role::Person)
            && (by.iter().all(|by| *by > NEARER) || by.iter().all(|by| *by < 1.0 / NEARER))
    }

    /// Something faint is where it was: it still is there. Nothing else follows from that, for faint boxes
    /// are as often wrong as right.
    fn glimpse(&mut self, at: Timestamp) {
        self.last_seen = at;
        self.state = if self.hits >= CONFIRMED_HITS { TrackState::Confirmed } else { TrackState::Tentative };
    }

    fn miss(&mut self, at: Timestamp) {
        let patience = if self.hits >= CONFIRMED_HITS { CONFIRMED_PATIENCE } else { TENTATIVE_PATIENCE };
        let too_long = elapsed(self.last_seen, at) > patience;
        self.state = if too_long { TrackState::Removed } else { TrackState::Lost };
    }

    /// How long it had stood in one place when it was last seen.
    #[must_use]
    pub fn standing_for(&self) -> Duration {
        elapsed(self.anchored_at, self.last_seen)
    }

    /// Whether it was seen to change its place just now. A first sight is no movement.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.hits > 1 && self.anchored_at > self.first_seen && self.standing_for() < MOVING_WITHIN
    }
}

/// Every track of one camera.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tracker {
    next_id: u64,
    tracks: Vec<Track>,
}

impl Tracker {
    /// Takes in one look. `faint` are boxes too weak to be believed; they begin no track and move none, but
    /// keep one alive that is where they are. Returns the index into [`Self::tracks`] of each detection's
    /// track; `None` only when more things are in the picture than can be followed.
    pub fn update(&mut self, detections: &[Detection], faint: &[Detection], at: Timestamp) -> Vec<Option<usize>> {
        let mut of_detection = vec![None; detections.len()];
        for track in &mut self.tracks {
            track.looks = track.looks.saturating_add(1);
        }
        for (track, detection) in association::by_movement(&self.tracks, detections, at) {
            self.tracks[track].see(&detections[detection], at);
            of_detection[detection] = Some(track);
        }
        for index in association::standing_still(&self.tracks, detections, faint, at) {
            self.tracks[index].glimpse(at);
        }
        for track in self.tracks.iter_mut().filter(|track| track.last_seen < at) {
            track.miss(at);
        }
        for (index, detection) in detections.iter().enumerate() {
            if of_detection[index].is_none() && self.tracks.len() < MAX_TRACKS {
                of_detection[index] = Some(self.tracks.len());
                self.tracks.push(Track::new(self.next_id, detection, at));
                self.next_id += 1;
            }
        }
        self.drop_removed(&mut of_detection);
        of_detection
    }

    fn drop_removed(&mut self, of_detection: &mut [Option<usize>]) {
        let mut kept = 0;
        let moved: Vec<Option<usize>> = self
            .tracks
            .iter()
            .map(|track| {
                (track.state != TrackState::Removed).then(|| {
                    kept += 1;
                    kept - 1
                })
            })
            .collect();
        self.tracks.retain(|track| track.state != TrackState::Removed);
        for index in of_detection.iter_mut() {
            *index = index.and_then(|old| moved[old]);
        }
    }

    /// Those that are not removed, oldest first.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }
}

/// Persons are never mistaken for things, whatever the detector calls the things.
pub(crate) fn same_sort(a: RoleSet, b: RoleSet) -> bool {
    a.contains(Role::Person) == b.contains(Role::Person)
}

fn top_center(bbox: &BoundingBox) -> Point {
    Point { x: bbox.center().x, y: f64::from(bbox.top) }
}

pub(crate) fn distance(a: Point, b: Point) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

fn toward(from: Point, to: Point) -> Point {
    Point { x: from.x + (to.x - from.x) * ANCHOR_DRIFT, y: from.y + (to.y - from.y) * ANCHOR_DRIFT }
}
