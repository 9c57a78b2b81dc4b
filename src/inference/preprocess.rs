//! From a picture to the numbers a model eats.

use super::bilinear::{Bilinear, PixelPair, Tap};
use super::fit::Fit;
use super::manifest::{Color, Input, Layout};
use super::masks;
use super::rgb::RgbReader;
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;

/// Why a picture cannot be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// No pixels, or more than the scaler can take.
    #[error("a picture of {width}x{height} pixels cannot be scaled")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A buffer is too short or too long for the size.
    #[error("{plane} has {found} bytes, but the picture's size asks for {wanted}")]
    Plane {
        /// `y`, `u`, `v` or `rgb`.
        plane: &'static str,
        /// Bytes.
        found: usize,
        /// Bytes.
        wanted: usize,
    },
}

/// Prepares pictures for one model; keeps its buffers from picture to picture.
#[derive(Debug)]
pub struct Preprocessor {
    input: Input,
    /// Normalised value of each byte, per channel in the model's order.
    normalised: [[f32; 256]; 3],
    bilinear: Bilinear,
    reader: RgbReader,
    /// RGB, scaled.
    rgb: Vec<u8>,
}

impl Preprocessor {
    /// For models that eat this.
    #[must_use]
    pub fn new(input: Input) -> Self {
        let normalised = std::array::from_fn(|channel| {
            std::array::from_fn(|byte| normalised(&input, channel, u8::try_from(byte).unwrap_or(u8::MAX)))
        });
        let (bilinear, reader, rgb) = (Bilinear::default(), RgbReader::default(), Vec::new());
        Self { input, normalised, bilinear, reader, rgb }
    }

    /// Numbers in one model input.
    #[must_use]
    pub fn tensor_len(&self) -> usize {
        self.input.width as usize * self.input.height as usize * 3
    }

    /// Fills `tensor` (of [`Preprocessor::tensor_len`]) from a decoded picture.
    pub fn frame(&mut self, frame: &Frame, masks: &[Polygon], tensor: &mut [f32]) -> Result<Fit, PictureError> {
        let (width, height) = (frame.width, frame.height);
        let fit = self.fit(width, height)?;
        check("y", &frame.y, (width, height), 1)?;
        check("u", &frame.u, frame.chroma_size(), 1)?;
        check("v", &frame.v, frame.chroma_size(), 1)?;
        let mut rows = self.reader.open(frame);
        self.rgb.resize(fit.width as usize * fit.height as usize * 3, 0);
        let read = |row: usize, columns: &[Tap], pairs: &mut [PixelPair]| rows.read(row, columns, pairs);
        self.bilinear.scale((width, height), (fit.width, fit.height), &mut self.rgb, read);
        self.finish(fit, masks, tensor);
        Ok(fit)
    }

    /// As [`Preprocessor::frame`], from `width × height × 3` bytes of RGB.
    pub fn rgb(
        &mut self,
        (width, height): (u32, u32),
        pixels: &[u8],
        masks: &[Polygon],
        tensor: &mut [f32],
    ) -> Result<Fit, PictureError> {
        let fit = self.fit(width, height)?;
        check("rgb", pixels, (width, height), 3)?;
        self.rgb.resize(fit.width as usize * fit.height as usize * 3, 0);
        let read = |row: usize, columns: &[Tap], pairs: &mut [PixelPair]| {
            let start = row * width as usize;
            for (tap, pair) in columns.iter().zip(pairs) {
                for (column, pixel) in [tap.first, tap.second].into_iter().zip(pair.chunks_exact_mut(3)) {
                    pixel.copy_from_slice(&pixels[(start + column) * 3..][..3]);
                }
            }
        };
        self.bilinear.scale((width, height), (fit.width, fit.height), &mut self.rgb, read);
        self.finish(fit, masks, tensor);
        Ok(fit)
    }

    fn fit(&self, width: u32, height: u32) -> Result<Fit, PictureError> {
        if width == 0 || height == 0 || width > 1 << 15 || height > 1 << 15 {
            return Err(PictureError::Size { width, height });
        }
        Ok(Fit::new(&self.input, width, height))
    }

    /// Masks the scaled picture in `self.rgb` and writes it, normalised and padded, into the tensor.
    fn finish(&mut self, fit: Fit, masks: &[Polygon], tensor: &mut [f32]) {
        let (width, height) = (fit.width as usize, fit.height as usize);
        masks::fill(masks, &mut self.rgb, width, height, self.input.pad);
        let input_width = self.input.width as usize;
        let sources = match self.input.color {
            Color::Rgb => [0, 1, 2],
            Color::Bgr => [2, 1, 0],
        };
        let tables = self.normalised.each_ref();
        let padding = tables.map(|table| table[usize::from(self.input.pad)]);
        let rows = self.rgb.as_chunks::<3>().0.chunks_exact(width).zip(fit.top as usize..);
        let start = |row: usize| row * input_width + fit.left as usize;
        match self.input.layout {
            Layout::Nchw => {
                let planes = tensor.chunks_exact_mut(input_width * self.input.height as usize);
                for (channel, plane) in planes.enumerate() {
                    let (table, source) = (tables[channel], sources[channel]);
                    plane.fill(padding[channel]);
                    for (pixels, row) in rows.clone() {
                        for (value, pixel) in plane[start(row)..].iter_mut().zip(pixels) {
                            *value = table[usize::from(pixel[source])];
                        }
                    }
                }
            }
            Layout::Nhwc => {
                let values = tensor.as_chunks_mut::<3>().0;
                values.fill(padding);
                for (pixels, row) in rows {
                    for (value, pixel) in values[start(row)..].iter_mut().zip(pixels) {
                        *value = [0, 1, 2].map(|channel| tables[channel][usize::from(pixel[sources[channel]])]);
                    }
                }
            }
        }
    }
}

/// One number of the model's input. Every step is rounded as in the models' own tools, where pictures become
/// 32-bit floats and are then divided: dynamically quantised models notice the last bit.
#[allow(clippy::cast_possible_truncation, reason = "the rounding is the point")]
fn normalised(input: &Input, channel: usize, byte: u8) -> f32 {
    let scaled = (f64::from(byte) * input.scale) as f32;
    (scaled - input.mean[channel]) / input.std[channel]
}

fn check(plane: &'static str, bytes: &[u8], (width, height): (u32, u32), channels: usize) -> Result<(), PictureError> {
    let wanted = width as usize * height as usize * channels;
    if bytes.len() == wanted { Ok(()) } else { Err(PictureError::Plane { plane, found: bytes.len(), wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::frame::ColorSpace;
    use crate::domain::geometry::Point;
    use crate::inference::manifest::Resize;

    fn input(color: Color, layout: Layout, resize: Resize) -> Input {
        let (scale, mean, std) = (1.0 / 255.0, [0.5, 0.25, 0.0], [0.5, 1.0, 1.0]);
        Input { name: None, width: 32, height: 32, layout, color, resize, pad: 0, scale, mean, std }
    }

    #[test]
    fn normalises_in_the_models_channel_order() {
        let orange = [255, 128, 0].repeat(64 * 32);
        let mut preprocessor = Preprocessor::new(input(Color::Bgr, Layout::Nchw, Resize::LetterboxTopLeft));
        let mut tensor = vec![9.0; preprocessor.tensor_len()];
        preprocessor.rgb((64, 32), &orange, &[], &mut tensor).expect("a picture");
        let near =
            |index: usize, value: f32| assert!((tensor[index] - value).abs() < 1e-5, "{index}: {}", tensor[index]);
        near(0, -1.0);
        near(1024, 128.0 / 255.0 - 0.25);
        near(2048, 1.0);
        near(2048 + 16 * 32, 0.0);
    }

    #[test]
    fn divides_to_the_last_bit() {
        let input = Input { mean: [0.0; 3], std: [1.0; 3], ..input(Color::Rgb, Layout::Nchw, Resize::Stretch) };
        for byte in 0..=255 {
            let wanted = f32::from(byte) / 255.0;
            assert_eq!(normalised(&input, 0, byte).to_bits(), wanted.to_bits(), "{byte}");
        }
    }

    #[test]
    fn nhwc_interleaves() {
        let orange = [255, 128, 0].repeat(32 * 32);
        let mut preprocessor = Preprocessor::new(input(Color::Rgb, Layout::Nhwc, Resize::Stretch));
        let mut tensor = vec![9.0; preprocessor.tensor_len()];
        preprocessor.rgb((32, 32), &orange, &[], &mut tensor).expect("a picture");
        let last = &tensor[tensor.len() - 3..];
        assert!((last[0] - 1.0).abs() < 1e-5 && (last[1] - 128.0 / 255.0 + 0.25).abs() < 1e-5 && last[2].abs() < 1e-5);
    }

    fn red_frame(width: u32, height: u32) -> Frame {
        let chroma = (width.div_ceil(2) * height.div_ceil(2)) as usize;
        Frame {
            captured_at: Timestamp::UNIX_EPOCH,
            width,
            height,
            color: ColorSpace { full_range: false, bt709: false },
            y: vec![81; (width * height) as usize],
            u: vec![90; chroma],
            v: vec![240; chroma],
        }
    }

    #[test]
    fn reads_the_colour_of_odd_sized_frames() {
        let mut preprocessor = Preprocessor::new(input(Color::Rgb, Layout::Nhwc, Resize::Stretch));
        let mut tensor = vec![9.0; preprocessor.tensor_len()];
        preprocessor.frame(&red_frame(63, 37), &[], &mut tensor).expect("a picture");
        assert!((tensor[0] - 1.0).abs() < 0.03 && tensor[1] < -0.2 && tensor[2] < 0.03, "{:?}", &tensor[..3]);
    }

    #[test]
    fn private_ground_becomes_padding() {
        let corners = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        let left_half = Polygon::new(&corners).expect("a rectangle");
        let mut preprocessor = Preprocessor::new(input(Color::Rgb, Layout::Nchw, Resize::Stretch));
        let mut tensor = vec![9.0; preprocessor.tensor_len()];
        preprocessor.frame(&red_frame(64, 64), &[left_half], &mut tensor).expect("a picture");
        assert!((tensor[0] + 1.0).abs() < 1e-6);
        assert!((tensor[31] - 1.0).abs() < 0.03);
    }

    #[test]
    fn refuses_buffers_that_do_not_fit() {
        let mut preprocessor = Preprocessor::new(input(Color::Rgb, Layout::Nchw, Resize::Stretch));
        let mut tensor = vec![0.0; preprocessor.tensor_len()];
        let mut frame = red_frame(64, 64);
        frame.v.pop();
        let error = preprocessor.frame(&frame, &[], &mut tensor).expect_err("short plane");
        assert_eq!(error, PictureError::Plane { plane: "v", found: 1023, wanted: 1024 });
        let error = preprocessor.rgb((0, 4), &[], &[], &mut tensor).expect_err("no pixels");
        assert_eq!(error, PictureError::Size { width: 0, height: 4 });
    }
}
