//! Which box of this look is which thing of the last.
//!
//! Greedy, best pair first. An optimal assignment would give up a sure pair to make two doubtful
//! ones, which is the wrong trade for things that stand; and greedy needs no order but the affinity.

use std::cmp::Reverse;

use crate::domain::Timestamp;
use crate::domain::detection::Detection;
use crate::domain::geometry::BoundingBox;
use crate::domain::time::elapsed;

use super::{Track, distance, same_sort};

/// A walker covers about one of his sizes (half a height) every 0.6 s.
const SIZES_PER_SECOND: f64 = 1.7;
/// Movement further than this between two looks is not followed: somebody else is nearer.
const MAX_SIZES: f64 = 4.0;
/// Overlap that makes two boxes the same place.
const SAME_PLACE_IOU: f32 = 0.3;
/// Or a distance between centres, in sizes.
const SAME_PLACE_SIZES: f64 = 0.35;
/// Areas further apart than this are two things in one line of sight.
const MAX_AREA_RATIO: f32 = 2.5;

/// Fainter boxes lie on half the background.
pub(crate) const MIN_FAINT_SCORE: f32 = 0.2;
/// A faint box that overlaps a better one more than this is a second box for the same thing.
const SAME_THING_IOU: f32 = 0.4;

/// Length that movement is measured in: the width, or half the height of upright things.
pub(crate) fn size(bbox: &BoundingBox) -> f64 {
    f64::from(bbox.width.max(bbox.height / 2.0)).max(1e-6)
}

fn area_ratio(a: &BoundingBox, b: &BoundingBox) -> f32 {
    let (a, b) = (a.area().max(1e-9), b.area().max(1e-9));
    (a / b).max(b / a)
}

/// Pairs (track, detection); a track may have moved since it was last seen.
pub(crate) fn by_movement(tracks: &[Track], detections: &[Detection], at: Timestamp) -> Vec<(usize, usize)> {
    greedy(tracks.len(), detections.len(), |t, d| {
        let (track, detection) = (&tracks[t], &detections[d]);
        if !same_sort(track.roles, detection.roles) || area_ratio(&track.bbox, &detection.bbox) > MAX_AREA_RATIO {
            return None;
        }
        let iou = f64::from(track.bbox.iou(&detection.bbox));
        let reach = (0.5 + SIZES_PER_SECOND * elapsed(track.last_seen, at).as_secs_f64()).min(MAX_SIZES);
        let sizes = distance(track.bbox.center(), detection.bbox.center()) / size(&track.bbox);
        (sizes <= reach).then(|| iou + (1.0 - sizes / (reach + 1.0)))
    })
}

/// Tracks not seen at `at` that one of the `faint` boxes shows in their place, each box for one track. A
/// faint box on what was found anyway is nothing new.
pub(crate) fn standing_still(
    tracks: &[Track],
    detections: &[Detection],
    faint: &[Detection],
    at: Timestamp,
) -> Vec<usize> {
    let new = |faint: &&Detection| {
        faint.score >= MIN_FAINT_SCORE
            && detections
                .iter()
                .all(|found| !same_sort(found.roles, faint.roles) || found.bbox.iou(&faint.bbox) < SAME_THING_IOU)
    };
    let faint: Vec<&Detection> = faint.iter().filter(new).collect();
    let pairs = greedy(tracks.len(), faint.len(), |t, f| {
        let (track, faint) = (&tracks[t], faint[f]);
        let unseen = track.last_seen < at && same_sort(track.roles, faint.roles);
        same_place(&track.bbox, &faint.bbox).filter(|_| unseen)
    });
    pairs.into_iter().map(|(track, _)| track).collect()
}

/// How well two boxes agree that they are the same standing thing, 0–2; `None` if they are not.
pub(crate) fn same_place(a: &BoundingBox, b: &BoundingBox) -> Option<f64> {
    let iou = a.iou(b);
    let sizes = distance(a.center(), b.center()) / size(a).max(size(b));
    let near = sizes <= SAME_PLACE_SIZES && area_ratio(a, b) <= MAX_AREA_RATIO;
    (iou >= SAME_PLACE_IOU || near).then(|| f64::from(iou) + 1.0 - sizes.min(1.0))
}

/// Best pairs first; equal ones in the order of their indices.
pub(crate) fn greedy(
    rows: usize,
    columns: usize,
    affinity: impl Fn(usize, usize) -> Option<f64>,
) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(Reverse<u64>, usize, usize)> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter_map(|(row, column)| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "non-negative and small")]
            let rank = (affinity(row, column)?.max(0.0) * 1e6) as u64;
            Some((Reverse(rank), row, column))
        })
        .collect();
    pairs.sort_unstable();
    let (mut row_taken, mut column_taken) = (vec![false; rows], vec![false; columns]);
    pairs.retain(|&(_, row, column)| {
        let free = !row_taken[row] && !column_taken[column];
        if free {
            (row_taken[row], column_taken[column]) = (true, true);
        }
        free
    });
    pairs.into_iter().map(|(_, row, column)| (row, column)).collect()
}
