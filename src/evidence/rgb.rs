//! Planar YUV to packed RGB, and scaling.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

use super::EvidenceError;
use crate::domain::frame::Frame;

/// Rows of red, green and blue bytes without padding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RgbPicture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
}

impl RgbPicture {
    pub(super) fn from_frame(frame: &Frame) -> Result<Self, EvidenceError> {
        check_planes(frame)?;
        let (chroma_width, _) = frame.chroma_size();
        let planes = YuvPlanarImage {
            y_plane: &frame.y,
            y_stride: frame.width,
            u_plane: &frame.u,
            u_stride: chroma_width,
            v_plane: &frame.v,
            v_stride: chroma_width,
            width: frame.width,
            height: frame.height,
        };
        let range = if frame.color.full_range { YuvRange::Full } else { YuvRange::Limited };
        let matrix = if frame.color.bt709 { YuvStandardMatrix::Bt709 } else { YuvStandardMatrix::Bt601 };
        let stride = frame.width * 3;
        let mut pixels = vec![0; stride as usize * frame.height as usize];
        yuv::yuv420_to_rgb(&planes, &mut pixels, stride, range, matrix)
            .map_err(|e| EvidenceError::Convert(e.to_string()))?;
        Ok(Self { width: frame.width, height: frame.height, pixels })
    }

    /// The picture at another width, its shape kept.
    pub(super) fn scaled_to_width(&self, width: u32) -> Result<Self, EvidenceError> {
        let height = (u64::from(self.height) * u64::from(width) + u64::from(self.width) / 2) / u64::from(self.width);
        let height = u32::try_from(height).unwrap_or(self.height).max(1);
        let source = ImageRef::new(self.width, self.height, &self.pixels, PixelType::U8x3)
            .map_err(|e| EvidenceError::Scale(e.to_string()))?;
        let mut target = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Hamming));
        Resizer::new().resize(&source, &mut target, &options).map_err(|e| EvidenceError::Scale(e.to_string()))?;
        Ok(Self { width, height, pixels: target.into_vec() })
    }

    /// The bytes of the pixels `x` of one row.
    pub(super) fn row_mut(&mut self, y: usize, x: std::ops::Range<usize>) -> &mut [u8] {
        let start = y * self.width as usize;
        &mut self.pixels[3 * (start + x.start)..3 * (start + x.end)]
    }
}

fn check_planes(frame: &Frame) -> Result<(), EvidenceError> {
    let (chroma_width, chroma_height) = frame.chroma_size();
    let luma = u64::from(frame.width) * u64::from(frame.height);
    let chroma = u64::from(chroma_width) * u64::from(chroma_height);
    let fits = frame.y.len() as u64 == luma && frame.u.len() as u64 == chroma && frame.v.len() as u64 == chroma;
    // JPEG itself ends at 65,535; this also keeps every byte offset within 32 bits.
    let size_known = (1..=16_384).contains(&frame.width) && (1..=16_384).contains(&frame.height);
    if fits && size_known {
        return Ok(());
    }
    Err(EvidenceError::MalformedFrame {
        width: frame.width,
        height: frame.height,
        y: frame.y.len(),
        u: frame.u.len(),
        v: frame.v.len(),
    })
}
