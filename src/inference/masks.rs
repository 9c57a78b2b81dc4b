//! Blackens private ground in the scaled picture, before it can reach a model.

use crate::domain::geometry::Polygon;

/// Pixels added around a polygon: scaling has mixed private pixels into their neighbours.
const MARGIN: usize = 1;

/// Sets every pixel of `rgb` (`width × height × 3` bytes, no padding) that lies in one of the polygons,
/// or touches one, to `value`.
pub fn fill(polygons: &[Polygon], rgb: &mut [u8], width: usize, height: usize, value: u8) {
    for polygon in polygons {
        for row in 0..height {
            for (start, end) in columns(polygon, row, width, height) {
                let rows = row.saturating_sub(MARGIN)..=(row + MARGIN).min(height - 1);
                for row in rows {
                    rgb[(row * width + start) * 3..(row * width + end) * 3].fill(value);
                }
            }
        }
    }
}

/// Half-open column ranges of the polygon along the middle of a row, with the margin added.
#[allow(clippy::cast_precision_loss, reason = "pictures have far fewer than 2^52 pixels a side")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 and the width")]
fn columns(polygon: &Polygon, row: usize, width: usize, height: usize) -> Vec<(usize, usize)> {
    let y = (row as f64 + 0.5) / height as f64;
    let column = |x: f64| x.clamp(0.0, width as f64) as usize;
    let (scale, margin) = (width as f64, MARGIN as f64);
    let spans = polygon.row_spans(y).into_iter();
    spans
        .map(|(start, end)| (column((start * scale).floor() - margin), column((end * scale).ceil() + margin)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::geometry::Point;

    fn masked(points: &[(f64, f64)]) -> Vec<String> {
        let points: Vec<Point> = points.iter().map(|&(x, y)| Point { x, y }).collect();
        let mut rgb = vec![1; 10 * 10 * 3];
        fill(&[Polygon::new(&points).expect("a polygon")], &mut rgb, 10, 10, 0);
        rgb.chunks(30)
            .map(|row| row.chunks(3).map(|pixel| if pixel == [0, 0, 0] { '#' } else { '.' }).collect())
            .collect()
    }

    #[test]
    fn covers_the_polygon_and_its_rim() {
        let rows = masked(&[(0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6)]);
        assert_eq!(rows[1], "..........");
        assert_eq!(rows[2], "..#####...");
        assert_eq!(rows[6], "..#####...");
        assert_eq!(rows[7], "..........");
    }

    #[test]
    fn leaves_the_notch_of_a_concave_polygon() {
        let rows =
            masked(&[(0.0, 0.0), (0.2, 0.0), (0.2, 0.7), (0.8, 0.7), (0.8, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]);
        assert_eq!(rows[0], "###....###");
        assert_eq!(rows[9], "##########");
    }

    #[test]
    fn the_whole_picture_can_be_private() {
        let rows = masked(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]);
        assert!(rows.iter().all(|row| row == "##########"));
    }
}
