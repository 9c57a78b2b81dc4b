//! From a picture to the numbers a model eats.

use super::bilinear::Bilinear;
use super::fit::Fit;
use super::manifest::{Color, Input, Layout};
use super::{masks, rgb};
use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;

/// H.264 and H.265 put a chroma sample on the left one of its two luma columns unless told otherwise, which
/// is a quarter of a chroma pixel left of where scaling would look.
const CHROMA_SHIFT: f64 = 0.25;

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
    /// Chroma at every pixel.
    u: Vec<u8>,
    v: Vec<u8>,
    /// RGB of the picture's own size.
    full_size: Vec<u8>,
    /// RGB, scaled.
    rgb: Vec<u8>,
}

impl Preprocessor {
    /// For models that eat this.
    #[must_use]
    pub fn new(input: Input) -> Self {
        let normalised = std::array::from_fn(|channel| {
            std::array::from_fn(|byte| {
                let byte = u8::try_from(byte).unwrap_or(u8::MAX);
                (f32::from(byte) * input.scale - input.mean[channel]) / input.std[channel]
            })
        });
        Self {
            input,
            normalised,
            bilinear: Bilinear::default(),
            u: Vec::new(),
            v: Vec::new(),
            full_size: Vec::new(),
            rgb: Vec::new(),
        }
    }

    /// Numbers in one model input.
    #[must_use]
    pub fn tensor_len(&self) -> usize {
        self.input.width as usize * self.input.height as usize * 3
    }

    /// Fills `tensor` (of [`Preprocessor::tensor_len`]) from a decoded picture. Chroma is interpolated and
    /// turned into RGB at the picture's own size: half a step of difference in colour moves the boxes of
    /// small models, and so do shortcuts here.
    pub fn frame(&mut self, frame: &Frame, masks: &[Polygon], tensor: &mut [f32]) -> Result<Fit, PictureError> {
        let (width, height) = (frame.width, frame.height);
        let fit = self.fit(width, height)?;
        check("y", &frame.y, (width, height), 1)?;
        for (name, source, upsampled) in [("u", &frame.u, &mut self.u), ("v", &frame.v, &mut self.v)] {
            check(name, source, frame.chroma_size(), 1)?;
            upsampled.resize(frame.y.len(), 0);
            self.bilinear.scale::<1>(source, frame.chroma_size(), upsampled, (width, height), CHROMA_SHIFT);
        }
        self.full_size.resize(frame.y.len() * 3, 0);
        rgb::from_yuv(frame.color, &frame.y, &self.u, &self.v, &mut self.full_size);
        scale(&mut self.bilinear, &self.full_size, (width, height), fit, &mut self.rgb);
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
        scale(&mut self.bilinear, pixels, (width, height), fit, &mut self.rgb);
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
        let area = input_width * self.input.height as usize;
        let (plane_step, pixel_step) = match self.input.layout {
            Layout::Nchw => (area, 1),
            Layout::Nhwc => (1, 3),
        };
        for (channel, table) in self.normalised.iter().enumerate() {
            let source = match self.input.color {
                Color::Rgb => channel,
                Color::Bgr => 2 - channel,
            };
            let padding = table[usize::from(self.input.pad)];
            tensor[channel * plane_step..].iter_mut().step_by(pixel_step).take(area).for_each(|value| *value = padding);
            for (row, pixels) in self.rgb.chunks_exact(width * 3).enumerate() {
                let start = (fit.top as usize + row) * input_width + fit.left as usize;
                let values = tensor[channel * plane_step + start * pixel_step..].iter_mut().step_by(pixel_step);
                for (value, pixel) in values.zip(pixels.chunks_exact(3)) {
                    *value = table[usize::from(pixel[source])];
                }
            }
        }
    }
}

/// Scales RGB to the picture's place in the input.
fn scale(bilinear: &mut Bilinear, rgb: &[u8], size: (u32, u32), fit: Fit, scaled: &mut Vec<u8>) {
    scaled.resize(fit.width as usize * fit.height as usize * 3, 0);
    bilinear.scale::<3>(rgb, size, scaled, (fit.width, fit.height), 0.0);
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
