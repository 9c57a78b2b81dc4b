//! Where a picture lies in the model's input, and how boxes come back from there.

use super::manifest::{Input, Resize};
use crate::domain::geometry::BoundingBox;

/// Placement of one picture size in one model input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// First column of the picture in the input.
    pub left: u32,
    /// First row of the picture in the input.
    pub top: u32,
    /// Columns of the input that the picture covers, at least 1.
    pub width: u32,
    /// Rows of the input that the picture covers, at least 1.
    pub height: u32,
    /// Input columns per share of the picture's width. Not exactly `width`: boxes are scaled back by the
    /// ratio before rounding, as the models' own tools do.
    span_x: f64,
    span_y: f64,
}

impl Fit {
    /// Places a picture of `width × height` pixels, both at least 1.
    #[must_use]
    pub fn new(input: &Input, width: u32, height: u32) -> Self {
        let (input_width, input_height) = (f64::from(input.width), f64::from(input.height));
        let (width, height) = (f64::from(width), f64::from(height));
        if input.resize == Resize::Stretch {
            let (span_x, span_y) = (input_width, input_height);
            return Self { left: 0, top: 0, width: input.width, height: input.height, span_x, span_y };
        }
        let ratio = (input_width / width).min(input_height / height);
        let (span_x, span_y) = (width * ratio, height * ratio);
        let (covered_x, covered_y) = (rounded(span_x, input.width), rounded(span_y, input.height));
        let (left, top) = match input.resize {
            Resize::LetterboxCenter => ((input.width - covered_x) / 2, (input.height - covered_y) / 2),
            Resize::LetterboxTopLeft | Resize::Stretch => (0, 0),
        };
        Self { left, top, width: covered_x, height: covered_y, span_x, span_y }
    }

    /// A box in pixels of the input as shares of the picture; `None` if it lies outside the picture or is
    /// not made of finite numbers.
    #[must_use]
    pub fn to_picture(&self, left: f32, top: f32, right: f32, bottom: f32) -> Option<BoundingBox> {
        let x = |x: f32| share(x, self.left, self.span_x);
        let y = |y: f32| share(y, self.top, self.span_y);
        BoundingBox::from_corners(x(left), y(top), x(right), y(bottom))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 and the input's size")]
fn rounded(span: f64, most: u32) -> u32 {
    span.round_ties_even().clamp(1.0, f64::from(most)) as u32
}

#[allow(clippy::cast_possible_truncation, reason = "boxes are f32; an overflow becomes infinite and is refused")]
fn share(position: f32, start: u32, span: f64) -> f32 {
    ((f64::from(position) - f64::from(start)) / span) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::manifest::{Color, Layout};

    fn input(resize: Resize) -> Input {
        Input {
            name: None,
            width: 416,
            height: 416,
            layout: Layout::Nchw,
            color: Color::Rgb,
            resize,
            pad: 0,
            scale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    #[test]
    fn bars_go_where_the_manifest_says() {
        let corner = Fit::new(&input(Resize::LetterboxTopLeft), 640, 360);
        assert_eq!((corner.left, corner.top, corner.width, corner.height), (0, 0, 416, 234));
        let middle = Fit::new(&input(Resize::LetterboxCenter), 360, 640);
        assert_eq!((middle.left, middle.top, middle.width, middle.height), (91, 0, 234, 416));
        let whole = Fit::new(&input(Resize::Stretch), 1920, 1080);
        assert_eq!((whole.left, whole.top, whole.width, whole.height), (0, 0, 416, 416));
    }

    #[test]
    fn boxes_come_back() {
        let fit = Fit::new(&input(Resize::LetterboxCenter), 640, 360);
        let top = 91.0;
        let bbox = fit.to_picture(104.0, top + 58.5, 208.0, top + 117.0).expect("inside");
        assert!((bbox.left - 0.25).abs() < 1e-6 && (bbox.right() - 0.5).abs() < 1e-6, "{bbox:?}");
        assert!((bbox.top - 0.25).abs() < 1e-6 && (bbox.bottom() - 0.5).abs() < 1e-6, "{bbox:?}");
        assert_eq!(fit.to_picture(0.0, 0.0, 50.0, 50.0), None, "in the bar");
    }

    #[test]
    fn a_sliver_keeps_one_pixel() {
        let fit = Fit::new(&input(Resize::LetterboxTopLeft), 8192, 1);
        assert_eq!((fit.width, fit.height), (416, 1));
    }
}
