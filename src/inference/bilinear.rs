//! Bilinear scaling of 8-bit pictures with the arithmetic of `OpenCV`'s `INTER_LINEAR`: models were trained
//! on pictures scaled by it, and a rounding of our own moves the boxes of a small model visibly.

/// Positions between two source pixels have this many steps.
const STEPS: f32 = 2048.0;

/// Scales pictures; keeps its rows from picture to picture.
#[derive(Debug, Default)]
pub struct Bilinear {
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    upper: Vec<i32>,
    lower: Vec<i32>,
}

/// Two neighbouring source pixels, and their weights in steps.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weights: (i32, i32),
}

impl Bilinear {
    /// Scales `source`, rows of `CHANNELS` bytes a pixel without padding, to the size of `target`. Sizes are
    /// width and height, at least 1 each, and fit their buffers. `shift` is how far to the right of its usual
    /// place each target pixel is looked up, in source pixels.
    pub fn scale<const CHANNELS: usize>(
        &mut self,
        source: &[u8],
        source_size: (u32, u32),
        target: &mut [u8],
        target_size: (u32, u32),
        shift: f64,
    ) {
        taps(&mut self.columns, source_size.0, target_size.0, shift);
        taps(&mut self.rows, source_size.1, target_size.1, 0.0);
        let source_row = source_size.0 as usize * CHANNELS;
        let target_row = target_size.0 as usize * CHANNELS;
        self.upper.resize(target_row, 0);
        self.lower.resize(target_row, 0);
        let stretch = |row: usize, stretched: &mut [i32]| {
            let row = &source[row * source_row..(row + 1) * source_row];
            for (tap, pixel) in self.columns.iter().zip(stretched.chunks_exact_mut(CHANNELS)) {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let left = i32::from(row[tap.first * CHANNELS + channel]);
                    let right = i32::from(row[tap.second * CHANNELS + channel]);
                    *value = left * tap.weights.0 + right * tap.weights.1;
                }
            }
        };
        for (tap, scaled) in self.rows.iter().zip(target.chunks_exact_mut(target_row)) {
            stretch(tap.first, &mut self.upper);
            stretch(tap.second, &mut self.lower);
            for ((above, below), value) in self.upper.iter().zip(&self.lower).zip(scaled) {
                *value = mix(*above, *below, tap.weights);
            }
        }
    }
}

/// The three shifts and where they cut are the reference's.
fn mix(above: i32, below: i32, weights: (i32, i32)) -> u8 {
    let sum = ((weights.0 * (above >> 4)) >> 16) + ((weights.1 * (below >> 4)) >> 16);
    u8::try_from((sum + 2) >> 2).unwrap_or(u8::MAX)
}

/// One tap per target pixel. Pixel middles are mapped onto each other; what lies beyond the outermost
/// middles repeats the outermost pixel.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the source's size")]
fn taps(taps: &mut Vec<Tap>, source: u32, target: u32, shift: f64) {
    let last = source.max(1) - 1;
    let ratio = f64::from(source) / f64::from(target);
    taps.clear();
    taps.extend((0..target).map(|index| {
        let position = ((f64::from(index) + 0.5) * ratio - 0.5 + shift) as f32;
        let first = position.floor();
        let (first, share) = match first as i64 {
            below if below < 0 => (0, 0.0),
            beyond if beyond >= i64::from(last) => (last, 0.0),
            inside => (inside as u32, position - first),
        };
        let steps = |share: f32| (share * STEPS).round_ties_even() as i32;
        let second = (first + 1).min(last);
        Tap { first: first as usize, second: second as usize, weights: (steps(1.0 - share), steps(share)) }
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(source: &[u8], source_size: (u32, u32), target_size: (u32, u32)) -> Vec<u8> {
        let mut target = vec![0; (target_size.0 * target_size.1) as usize];
        Bilinear::default().scale::<1>(source, source_size, &mut target, target_size, 0.0);
        target
    }

    #[test]
    fn agrees_with_the_reference() {
        // The reference has a second way of rounding for the last columns of a row.
        let near = |found: Vec<u8>, wanted: &[u8]| {
            assert!(found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(*wanted) <= 1), "{found:?}");
        };
        // cv2.resize(np.uint8([[10, 200, 30], [255, 0, 77]]), (4, 3)), OpenCV 5.0.
        near(
            scaled(&[10, 200, 30, 255, 0, 77], (3, 2), (4, 3)),
            &[10, 129, 136, 30, 133, 112, 82, 54, 255, 95, 29, 77],
        );
        // cv2.resize(np.arange(0, 250, 10, np.uint8).reshape(5, 5), (2, 3))
        let ramp: Vec<u8> = (0..25).map(|index| index * 10).collect();
        near(scaled(&ramp, (5, 5), (2, 3)), &[24, 49, 108, 133, 191, 216]);
    }

    proptest! {
        #[test]
        fn stays_between_the_extremes(
            source in proptest::collection::vec(any::<u8>(), 12 * 7), width in 1u32..40, height in 1u32..40,
        ) {
            let (least, most) = (source.iter().min().copied(), source.iter().max().copied());
            for value in scaled(&source, (12, 7), (width, height)) {
                prop_assert!(Some(value.saturating_add(1)) >= least && Some(value) <= most);
            }
        }
    }
}
