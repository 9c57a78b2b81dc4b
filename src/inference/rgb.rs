//! YUV to RGB, rounded once, to the nearest step: half a step of difference in colour moves the boxes of
//! small models, and the faster conversions of libraries are off by one often enough.

use super::bilinear::{PixelPair, Tap};
use crate::domain::frame::{ColorSpace, Frame};

/// Coefficients are in 2^40ths: so fine that no colour of any picture is rounded otherwise than in exact
/// arithmetic. With 2^21ths, one sample in some thousands was.
const SHIFT: i64 = 40;

/// Reads pixels of frames as RGB; keeps its rows from frame to frame.
#[derive(Debug, Default)]
pub struct RgbReader {
    u: Vec<i32>,
    v: Vec<i32>,
}

/// One frame being read.
#[derive(Debug)]
pub struct RgbRows<'a> {
    frame: &'a Frame,
    factors: Factors,
    reader: &'a mut RgbReader,
}

impl RgbReader {
    /// Reads from `frame`, whose planes have been found to fit its size.
    pub fn open<'a>(&'a mut self, frame: &'a Frame) -> RgbRows<'a> {
        RgbRows { frame, factors: Factors::new(frame.color), reader: self }
    }
}

impl RgbRows<'_> {
    /// The two pixels of each column, of one row. Chroma samples lie on every second column, beginning with
    /// the first, and between the rows of a pair, as H.264 and H.265 have it unless told otherwise; between
    /// samples, chroma is interpolated.
    pub fn read(&mut self, row: usize, columns: &[Tap], pairs: &mut [PixelPair]) {
        let width = self.frame.width as usize;
        let luma = &self.frame.y[row * width..(row + 1) * width];
        for (plane, blended) in [(&self.frame.u, &mut self.reader.u), (&self.frame.v, &mut self.reader.v)] {
            blend(plane, self.frame.chroma_size(), row, blended);
        }
        let (u, v) = (self.reader.u.as_slice(), self.reader.v.as_slice());
        let between = |samples: &[i32], column: usize| samples[column / 2] + samples[column.div_ceil(2)];
        let pixel = |column: usize| self.factors.rgb(luma[column], between(u, column), between(v, column));
        for (tap, pair) in columns.iter().zip(pairs) {
            let ([red, green, blue], [red2, green2, blue2]) = (pixel(tap.first), pixel(tap.second));
            *pair = [red, green, blue, red2, green2, blue2];
        }
    }
}

/// Chroma around zero at the height of a row of luma, in quarters, the last sample twice: the row is a quarter
/// of a sample away from the nearer row of chroma.
fn blend(plane: &[u8], (width, height): (u32, u32), row: usize, blended: &mut Vec<i32>) {
    let (width, last) = (width as usize, height as usize - 1);
    let near = row / 2;
    let far = if row.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(last) };
    let samples = |row: usize| &plane[row * width..(row + 1) * width];
    blended.clear();
    blended.extend(samples(near).iter().zip(samples(far)).map(|(near, far)| {
        let quarters = 3 * i32::from(*near) + i32::from(*far);
        quarters - 4 * 128
    }));
    blended.extend(blended.last().copied());
}

/// What a step of luma, and an eighth of a step of chroma, add to a colour.
#[derive(Debug)]
struct Factors {
    black: i64,
    luma: i64,
    red_v: i64,
    green_u: i64,
    green_v: i64,
    blue_u: i64,
}

impl Factors {
    /// ITU-R BT.601 and BT.709 are told apart by the shares of red and blue in luma.
    fn new(color: ColorSpace) -> Self {
        let (red, blue) = if color.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = if color.full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(2.0 * (1.0 - red) * chroma / 8.0),
            green_u: fixed(2.0 * (1.0 - blue) * blue / green * chroma / 8.0),
            green_v: fixed(2.0 * (1.0 - red) * red / green * chroma / 8.0),
            blue_u: fixed(2.0 * (1.0 - blue) * chroma / 8.0),
        }
    }

    /// Luma as coded, chroma around zero in eighths.
    fn rgb(&self, y: u8, u: i32, v: i32) -> [u8; 3] {
        let (u, v) = (i64::from(u), i64::from(v));
        let luma = (i64::from(y) - self.black) * self.luma + (1 << (SHIFT - 1));
        let red = luma + self.red_v * v;
        let green = luma - self.green_u * u - self.green_v * v;
        let blue = luma + self.blue_u * u;
        [red, green, blue].map(byte)
    }
}

/// Clamped without a jump: in a noisy picture, one that is taken now and then costs more than all arithmetic.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; sums are below 2^10")]
fn byte(scaled: i64) -> u8 {
    let value = (scaled >> SHIFT) as i32;
    // Of what is outside, the sign tells the side.
    if value as u32 <= 255 { value as u8 } else { !(value >> 31) as u8 }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "factors are below 3, and 2^40 is exact"
)]
fn fixed(factor: f64) -> i64 {
    (factor * (1_i64 << SHIFT) as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(full_range: bool, bt709: bool, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let eighths = |chroma: u8| 8 * (i32::from(chroma) - 128);
        Factors::new(ColorSpace { full_range, bt709 }).rgb(y, eighths(u), eighths(v))
    }

    #[test]
    fn follows_the_standards() {
        for bt709 in [false, true] {
            assert_eq!(converted(false, bt709, [16, 128, 128]), [0, 0, 0]);
            assert_eq!(converted(false, bt709, [235, 128, 128]), [255, 255, 255]);
            assert_eq!(converted(true, bt709, [77, 128, 128]), [77, 77, 77]);
        }
        assert_eq!(converted(false, false, [81, 90, 240]), [254, 0, 0], "red in BT.601");
        assert_eq!(converted(false, true, [63, 102, 240]), [255, 1, 0], "red in BT.709");
        assert_eq!(converted(true, false, [0, 0, 0]), [0, 135, 0], "outside the cube is clamped");
        assert_eq!(converted(false, true, [255, 255, 255]), [255, 184, 255], "the largest sums fit");
        assert_eq!(converted(true, true, [0, 255, 0]), [0, 36, 236], "so do the smallest");
    }

    #[test]
    fn chroma_lies_on_even_columns_and_between_rows() {
        let mut blended = Vec::new();
        let plane = [100, 140, 120, 180];
        blend(&plane, (2, 2), 0, &mut blended);
        assert_eq!(blended, [-112, 48, 48], "above the first row of samples there is no other");
        blend(&plane, (2, 2), 1, &mut blended);
        assert_eq!(blended, [3 * 100 + 120 - 512, 3 * 140 + 180 - 512, 3 * 140 + 180 - 512]);
        blend(&plane, (2, 2), 2, &mut blended);
        assert_eq!(blended, [3 * 120 + 100 - 512, 3 * 180 + 140 - 512, 3 * 180 + 140 - 512]);
    }
}
