//! YUV to RGB, rounded to the nearest step: the faster conversions of libraries are off by one often
//! enough to move the boxes of small models.

use crate::domain::frame::ColorSpace;

/// Coefficients are in 65536ths.
const SHIFT: i32 = 16;

/// Fills `rgb` (three bytes a pixel) from planes of one byte a pixel.
pub fn from_yuv(color: ColorSpace, y: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
    let factors = Factors::new(color);
    for (((y, u), v), pixel) in y.iter().zip(u).zip(v).zip(rgb.chunks_exact_mut(3)) {
        let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
        let luma = (i32::from(*y) - factors.black) * factors.luma + (1 << (SHIFT - 1));
        pixel[0] = byte(luma + factors.red_v * v);
        pixel[1] = byte(luma - factors.green_u * u - factors.green_v * v);
        pixel[2] = byte(luma + factors.blue_u * u);
    }
}

fn byte(scaled: i32) -> u8 {
    u8::try_from((scaled >> SHIFT).clamp(0, 255)).unwrap_or(u8::MAX)
}

struct Factors {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
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
            red_v: fixed(2.0 * (1.0 - red) * chroma),
            green_u: fixed(2.0 * (1.0 - blue) * blue / green * chroma),
            green_v: fixed(2.0 * (1.0 - red) * red / green * chroma),
            blue_u: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "factors are below 3")]
fn fixed(factor: f64) -> i32 {
    (factor * f64::from(1 << SHIFT)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(full_range: bool, bt709: bool, yuv: [u8; 3]) -> [u8; 3] {
        let mut rgb = [0; 3];
        from_yuv(ColorSpace { full_range, bt709 }, &yuv[..1], &yuv[1..2], &yuv[2..], &mut rgb);
        rgb
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
    }
}
