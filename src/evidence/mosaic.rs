//! Destroys the detail of a part of a picture.
//!
//! A region is averaged into so few blocks that a face or a plate covers two or three of them at most:
//! the detail is gone from the pixels, not hidden.

use std::ops::Range;

use super::rgb::RgbPicture;

/// Smallest side of a mosaic block in pixels.
pub(super) const MIN_BLOCK_PX: usize = 8;
/// At most this many blocks along the shorter side of a region.
const BLOCKS_SHORT_SIDE: usize = 4;
/// At most this many along the longer side: a region cut off by the picture's edge is a narrow strip
/// of something large.
const BLOCKS_LONG_SIDE: usize = 10;

/// A rectangle of whole pixels inside the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
}

impl Area {
    /// Replaces every block by its mean colour.
    pub(super) fn mosaic(&self, picture: &mut RgbPicture) {
        let block = self.block();
        for y in blocks(&self.y, block) {
            for x in blocks(&self.x, block) {
                flatten(picture, &x, &y);
            }
        }
    }

    fn block(&self) -> usize {
        let (short, long) = (self.x.len().min(self.y.len()), self.x.len().max(self.y.len()));
        short.div_ceil(BLOCKS_SHORT_SIDE).max(long.div_ceil(BLOCKS_LONG_SIDE)).max(MIN_BLOCK_PX)
    }
}

/// Nearly equal parts of at least `block` pixels: no thin remainder keeps detail at the rim.
pub(super) fn blocks(range: &Range<usize>, block: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let (start, length) = (range.start, range.len());
    let count = (length / block).max(1);
    (0..count).map(move |i| start + i * length / count..start + (i + 1) * length / count)
}

/// Gives a rectangle its mean colour.
pub(super) fn flatten(picture: &mut RgbPicture, x: &Range<usize>, y: &Range<usize>) {
    let mut sums = [0_u64; 3];
    for row in y.clone() {
        for pixel in picture.row_mut(row, x.clone()).chunks_exact(3) {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(sample);
            }
        }
    }
    let count = (x.len() * y.len()).max(1) as u64;
    let mean = sums.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX));
    for row in y.clone() {
        for pixel in picture.row_mut(row, x.clone()).chunks_exact_mut(3) {
            pixel.copy_from_slice(&mean);
        }
    }
}
