//! Doors for the fuzz targets in `fuzz/`; not part of any other build.

use super::access_unit::Codec;
use super::sps;

/// Reads a sequence parameter set as a stream's first would be, header included, and judges it.
pub fn sps(is_h264: bool, unit: &[u8]) {
    let codec = if is_h264 { Codec::H264 } else { Codec::H265 };
    if let Ok(format) = sps::read(codec, unit) {
        drop(format.refusal(codec, 4096 * 2304));
    }
}
