//! Non-maximum suppression: of boxes that say the same, the best stays.

use super::decode::Candidate;

/// Sorts by score, best first, and drops every box that overlaps a better one of its class by more than
/// `max_iou`; at most `limit` stay.
pub fn suppress(candidates: &mut Vec<Candidate>, max_iou: f32, limit: usize) {
    rank(candidates);
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates.iter() {
        if kept.len() == limit {
            break;
        }
        let same_thing = |better: &Candidate| better.class_id == candidate.class_id && iou(better, candidate) > max_iou;
        if !kept.iter().any(same_thing) {
            kept.push(*candidate);
        }
    }
    *candidates = kept;
}

/// Sorts by score, best first; boxes of equal score keep their order.
pub fn rank(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Intersection over union; 0 where either box has no area.
fn iou(a: &Candidate, b: &Candidate) -> f32 {
    let width = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let height = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let area = |c: &Candidate| (c.right - c.left) * (c.bottom - c.top);
    let shared = width * height;
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(class_id: u16, score: f32, left: f32) -> Candidate {
        Candidate { class_id, score, left, top: 0.0, right: left + 10.0, bottom: 10.0 }
    }

    #[test]
    fn the_best_of_a_heap_stays() {
        let mut candidates = vec![candidate(0, 0.5, 1.0), candidate(0, 0.9, 0.0), candidate(0, 0.6, 8.0)];
        suppress(&mut candidates, 0.5, 10);
        assert_eq!(candidates.iter().map(|c| c.left).collect::<Vec<_>>(), [0.0, 8.0]);
    }

    #[test]
    fn classes_do_not_suppress_one_another() {
        let mut candidates = vec![candidate(0, 0.5, 0.0), candidate(1, 0.9, 0.0)];
        suppress(&mut candidates, 0.5, 10);
        assert_eq!(candidates.len(), 2);
    }

    #[test]
    fn the_limit_keeps_the_best() {
        let mut candidates: Vec<_> = [0.4, 0.8, 0.6].iter().map(|&score| candidate(0, score, score * 1000.0)).collect();
        suppress(&mut candidates, 0.5, 2);
        assert_eq!(candidates.iter().map(|c| c.score).collect::<Vec<_>>(), [0.8, 0.6]);
    }
}
