//! JPEG within a size limit.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Compress};

use super::EvidenceError;
use super::rgb::RgbPicture;
use crate::config;

/// Tried in this order; below the last, blocks hide more than a smaller picture would.
const QUALITIES: [f32; 5] = [80.0, 70.0, 58.0, 46.0, 36.0];
/// Qualities tried again after each shrinking.
const QUALITIES_SHRUNK: [f32; 2] = [58.0, 40.0];
/// Narrower than this shows nothing.
const MIN_WIDTH: u32 = 64;

/// A finished JPEG.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The best JPEG of at most `max_width` and `max_bytes`: quality steps down first, then size.
pub(super) fn encode_within(picture: &RgbPicture, options: &config::Evidence) -> Result<Encoded, EvidenceError> {
    let mut width = picture.width.min(options.max_width.max(1));
    let mut qualities: &[f32] = &QUALITIES;
    loop {
        let scaled =
            if width == picture.width { Cow::Borrowed(picture) } else { Cow::Owned(picture.scaled_to_width(width)?) };
        for &quality in qualities {
            let bytes = encode(&scaled, quality)?;
            if bytes.len() <= options.max_bytes {
                return Ok(Encoded { bytes, width: scaled.width, height: scaled.height });
            }
        }
        width = width * 3 / 4;
        if width < MIN_WIDTH {
            return Err(EvidenceError::TooLarge { max_bytes: options.max_bytes });
        }
        qualities = &QUALITIES_SHRUNK;
    }
}

fn encode(picture: &RgbPicture, quality: f32) -> Result<Vec<u8>, EvidenceError> {
    // libjpeg leaves a fatal error only by unwinding.
    catch_unwind(AssertUnwindSafe(|| compress(picture, quality)))
        .map_err(|panic| EvidenceError::Encode(message(panic.as_ref())))?
        .map_err(|e| EvidenceError::Encode(e.to_string()))
}

fn compress(picture: &RgbPicture, quality: f32) -> std::io::Result<Vec<u8>> {
    let mut compress = Compress::new(ColorSpace::JCS_RGB);
    compress.set_size(picture.width as usize, picture.height as usize);
    compress.set_quality(quality);
    compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    // Trying every split of the scans doubles the time and saves one per cent.
    compress.set_optimize_scans(false);
    let mut started = compress.start_compress(Vec::new())?;
    started.write_scanlines(&picture.pixels)?;
    started.finish()
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the encoder gave no reason").to_owned()
}
