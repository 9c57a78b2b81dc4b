//! Boxes and polygons in picture coordinates: 0–1 from the left and from the top.

use geo::{Area, Contains, Coord, LineString};
use serde::{Deserialize, Serialize};

/// A point of the picture, 0–1 from the left and from the top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// 0 at the left edge, 1 at the right.
    pub x: f64,
    /// 0 at the top edge, 1 at the bottom.
    pub y: f64,
}

/// An axis-aligned box, normalised to 0–1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Width, never negative.
    pub width: f32,
    /// Height, never negative.
    pub height: f32,
}

impl BoundingBox {
    /// A box from its corners, clamped to the picture; `None` if nothing of it lies inside or a
    /// corner is not a finite number.
    #[must_use]
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Option<Self> {
        if ![left, top, right, bottom].iter().all(|v| v.is_finite()) {
            return None;
        }
        let (left, top) = (left.clamp(0.0, 1.0), top.clamp(0.0, 1.0));
        let (right, bottom) = (right.clamp(0.0, 1.0), bottom.clamp(0.0, 1.0));
        (right > left && bottom > top).then_some(Self { left, top, width: right - left, height: bottom - top })
    }

    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f32 {
        self.left + self.width
    }

    /// Bottom edge.
    #[must_use]
    pub fn bottom(&self) -> f32 {
        self.top + self.height
    }

    /// Share of the picture that the box covers.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// The middle of the lower edge: where a standing thing meets the ground, and so the point
    /// that is tested against zones. Never below the picture: `top + height` of a box that its lower
    /// edge cuts off may round to a little more than 1.
    #[must_use]
    pub fn bottom_center(&self) -> Point {
        Point { x: f64::from(self.left + self.width / 2.0), y: f64::from(self.bottom().min(1.0)) }
    }

    /// The middle of the box.
    #[must_use]
    pub fn center(&self) -> Point {
        Point { x: f64::from(self.left + self.width / 2.0), y: f64::from(self.top + self.height / 2.0) }
    }

    /// Area shared with `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.right().min(other.right()) - self.left.max(other.left);
        let height = self.bottom().min(other.bottom()) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0–1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// A simple polygon with at least three corners and a positive area.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(geo::Polygon<f64>);

/// Why a list of points is not a polygon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolygonError {
    /// Fewer than three corners.
    #[error("a polygon needs at least three points")]
    TooFewPoints,
    /// A coordinate is outside 0–1 or not a number.
    #[error("every coordinate must lie between 0 and 1 (0,0 is the picture's top left corner)")]
    OutOfRange,
    /// Edges cross each other.
    #[error("the polygon's edges cross each other; list the corners in order around the area")]
    SelfIntersecting,
    /// All points on a line.
    #[error("the polygon has no area")]
    Empty,
}

impl Polygon {
    /// A polygon from its corners in order.
    pub fn new(points: &[Point]) -> Result<Self, PolygonError> {
        if points.len() < 3 {
            return Err(PolygonError::TooFewPoints);
        }
        if points.iter().any(|p| !(0.0..=1.0).contains(&p.x) || !(0.0..=1.0).contains(&p.y)) {
            return Err(PolygonError::OutOfRange);
        }
        let ring: LineString<f64> = points.iter().map(|p| Coord { x: p.x, y: p.y }).collect();
        let polygon = geo::Polygon::new(ring, Vec::new());
        if polygon.unsigned_area() <= f64::EPSILON {
            return Err(PolygonError::Empty);
        }
        if !geo::Validation::is_valid(&polygon) {
            return Err(PolygonError::SelfIntersecting);
        }
        Ok(Self(polygon))
    }

    /// Whether the point lies inside or on the edge.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        let point = geo::Point::new(point.x, point.y);
        self.0.contains(&point) || geo::Intersects::intersects(&self.0, &point)
    }

    /// Share of the box's area inside the polygon, 0–1.
    #[must_use]
    pub fn coverage_of(&self, bbox: &BoundingBox) -> f64 {
        let [left, top] = [bbox.left, bbox.top].map(f64::from);
        let [right, bottom] = [bbox.right(), bbox.bottom()].map(f64::from);
        let area = (right - left) * (bottom - top);
        if area <= 0.0 {
            return 0.0;
        }
        // Cut off edge by edge. Where the rest is in several parts they stay joined along the box's edge, by
        // strips without an area.
        let mut rest: Vec<Coord<f64>> = self.0.exterior().0.clone();
        rest.pop();
        let x: fn(Coord<f64>) -> f64 = |corner| corner.x;
        let y: fn(Coord<f64>) -> f64 = |corner| corner.y;
        for (axis, edge, side) in [(x, left, 1.0), (x, right, -1.0), (y, top, 1.0), (y, bottom, -1.0)] {
            rest = cut(&rest, |corner| (axis(corner) - edge) * side);
        }
        let twice: f64 = rest.iter().zip(rest.iter().cycle().skip(1)).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
        (twice.abs() / 2.0 / area).min(1.0)
    }

    /// The parts inside of the horizontal line at `y`, as start and end, from left to right.
    #[must_use]
    pub fn row_spans(&self, y: f64) -> Vec<(f64, f64)> {
        self.spans(y, |corner| (corner.y, corner.x))
    }

    /// The parts inside of the vertical line at `x`, as start and end, from top to bottom.
    #[must_use]
    pub fn column_spans(&self, x: f64) -> Vec<(f64, f64)> {
        self.spans(x, |corner| (corner.x, corner.y))
    }

    /// `axes` gives a corner's coordinate across the line, and the one along it.
    fn spans(&self, at: f64, axes: impl Fn(Coord<f64>) -> (f64, f64)) -> Vec<(f64, f64)> {
        let crossing = |edge: geo::Line<f64>| {
            let ((a, from), (b, to)) = (axes(edge.start), axes(edge.end));
            ((a <= at) != (b <= at)).then(|| from + (at - a) / (b - a) * (to - from))
        };
        let mut crossings: Vec<f64> = self.0.exterior().lines().filter_map(crossing).collect();
        crossings.sort_by(f64::total_cmp);
        crossings.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Share of the picture inside the polygon, 0–1.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.0.unsigned_area()
    }

    /// The corners in order, without repeating the first.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let ring = &self.0.exterior().0;
        ring.iter().take(ring.len().saturating_sub(1)).map(|c| Point { x: c.x, y: c.y })
    }
}

/// What of a ring lies where `inside`, linear in the coordinates, is not negative.
fn cut(ring: &[Coord<f64>], inside: impl Fn(Coord<f64>) -> f64) -> Vec<Coord<f64>> {
    let mut rest = Vec::with_capacity(ring.len() + 4);
    for (&from, &to) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let (a, b) = (inside(from), inside(to));
        if a >= 0.0 {
            rest.push(from);
        }
        if (a >= 0.0) != (b >= 0.0) {
            rest.push(from + (to - from) * (a / (a - b)));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(points: &[(f64, f64)]) -> Result<Polygon, PolygonError> {
        Polygon::new(&points.iter().map(|&(x, y)| Point { x, y }).collect::<Vec<_>>())
    }

    #[test]
    fn refuses_what_is_not_an_area() {
        assert_eq!(polygon(&[(0.0, 0.0), (1.0, 1.0)]).unwrap_err(), PolygonError::TooFewPoints);
        assert_eq!(polygon(&[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]).unwrap_err(), PolygonError::Empty);
        assert_eq!(polygon(&[(0.0, 0.0), (2.0, 0.0), (1.0, 1.0)]).unwrap_err(), PolygonError::OutOfRange);
        let bow_tie = [(0.0, 0.0), (1.0, 1.0), (1.0, 0.1), (0.0, 1.0)];
        assert_eq!(polygon(&bow_tie).unwrap_err(), PolygonError::SelfIntersecting);
    }

    #[test]
    fn an_edge_belongs_to_the_zone() {
        let zone = polygon(&[(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]).expect("a rectangle");
        assert!(zone.contains(Point { x: 0.5, y: 0.5 }));
        assert!(zone.contains(Point { x: 0.5, y: 1.0 }), "a box cut off by the lower edge of the picture");
        assert!(!zone.contains(Point { x: 0.5, y: 0.49 }));
    }

    #[test]
    fn a_box_cut_off_by_the_picture_stands_on_its_edge() {
        let zone = polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]).expect("a rectangle");
        for step in 0..1000_u16 {
            let bbox = BoundingBox::from_corners(0.4, f32::from(step) / 1001.0, 0.5, 1.0).expect("a box");
            assert!(zone.contains(bbox.bottom_center()), "{bbox:?}");
        }
    }

    #[test]
    fn coverage_is_a_share_of_the_box() {
        let zone = polygon(&[(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]).expect("a rectangle");
        let bbox = BoundingBox { left: 0.2, top: 0.25, width: 0.2, height: 0.5 };
        assert!((zone.coverage_of(&bbox) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn coverage_is_that_of_counted_points() {
        let notched = [(0.1, 0.0), (0.2, 0.0), (0.3, 0.7), (0.8, 0.6), (0.8, 0.1), (1.0, 0.0), (0.9, 1.0), (0.0, 0.9)];
        let zone = polygon(&notched).expect("a polygon");
        let place = |step: u16| f32::from(step) / 200.0 + 0.002;
        for bbox in [(0.05, 0.0, 0.9, 0.5), (0.25, 0.3, 0.1, 0.6), (0.4, 0.1, 0.2, 0.3), (0.0, 0.0, 1.0, 1.0)] {
            let bbox = BoundingBox { left: bbox.0, top: bbox.1, width: bbox.2, height: bbox.3 };
            let points = (0..200).flat_map(|x| (0..200).map(move |y| (place(x), place(y))));
            let within =
                points.filter(|(x, y)| (bbox.left..bbox.right()).contains(x) && (bbox.top..bbox.bottom()).contains(y));
            let (mut hits, mut all) = (0.0, 0.0);
            for (x, y) in within {
                hits += if zone.contains(Point { x: x.into(), y: y.into() }) { 1.0 } else { 0.0 };
                all += 1.0;
            }
            let covered = zone.coverage_of(&bbox);
            assert!((covered - hits / all).abs() < 0.01, "{bbox:?}: {covered} and {}", hits / all);
        }
    }

    #[test]
    fn lines_through_a_notch_have_two_parts() {
        let notched =
            polygon(&[(0.0, 0.0), (0.2, 0.0), (0.2, 0.7), (0.8, 0.7), (0.8, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]);
        let notched = notched.expect("a polygon");
        assert_eq!(notched.row_spans(0.5), [(0.0, 0.2), (0.8, 1.0)]);
        assert_eq!(notched.row_spans(0.9), [(0.0, 1.0)]);
        assert_eq!(notched.column_spans(0.5), [(0.7, 1.0)]);
        assert_eq!(notched.column_spans(1.5), []);
    }

    #[test]
    fn a_box_outside_the_picture_is_no_box() {
        assert!(BoundingBox::from_corners(1.1, 0.0, 1.2, 0.5).is_none());
        assert!(BoundingBox::from_corners(f32::NAN, 0.0, 0.2, 0.5).is_none());
        let clamped = BoundingBox::from_corners(-0.1, 0.2, 0.1, 0.4).expect("half inside");
        assert!((clamped.width - 0.1).abs() < 1e-6);
    }
}
