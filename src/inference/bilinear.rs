//! Bilinear scaling of 8-bit RGB with the arithmetic of `OpenCV`'s `INTER_LINEAR`: models were trained on
//! pictures scaled by it, and a rounding of our own moves the boxes of a small model visibly.

/// Positions between two source pixels have this many steps.
const STEPS: f32 = 2048.0;

/// Scales pictures; keeps its rows from picture to picture.
#[derive(Debug, Default)]
pub struct Bilinear {
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    touched: Vec<PixelPair>,
    upper: Row,
    lower: Row,
}

/// Two RGB pixels, one after the other.
pub type PixelPair = [u8; 6];

/// The two neighbouring source pixels that a target pixel lies between, and their weights in steps.
#[derive(Debug, Clone, Copy)]
pub struct Tap {
    /// The left or upper one.
    pub first: usize,
    /// The right or lower one.
    pub second: usize,
    weights: (i16, i16),
}

/// A source row, stretched to the target's width.
#[derive(Debug, Default)]
struct Row {
    source: Option<usize>,
    values: Vec<i16>,
}

impl Bilinear {
    /// Fills `target`, three bytes a pixel without padding, from a picture whose pixels come from
    /// `read(row, columns, pairs)`: of that row, the two pixels of each column. Sizes are width and height, at
    /// least 1 each. Only pixels that matter are read, and rows mostly once: a large picture is scaled down
    /// for little more than the cost of a small one.
    pub fn scale(
        &mut self,
        source_size: (u32, u32),
        target_size: (u32, u32),
        target: &mut [u8],
        mut read: impl FnMut(usize, &[Tap], &mut [PixelPair]),
    ) {
        fill_taps(&mut self.columns, source_size.0, target_size.0, Beyond::IsOutermost);
        fill_taps(&mut self.rows, source_size.1, target_size.1, Beyond::IsMixed);
        let width = self.columns.len() * 3;
        self.touched.resize(self.columns.len(), PixelPair::default());
        for row in [&mut self.upper, &mut self.lower] {
            *row = Row { source: None, values: std::mem::take(&mut row.values) };
            row.values.resize(width, 0);
        }
        for (tap, scaled) in self.rows.iter().zip(target.chunks_exact_mut(width)) {
            if self.lower.source == Some(tap.first) {
                std::mem::swap(&mut self.upper, &mut self.lower);
            }
            for (row, source) in [(&mut self.upper, tap.first), (&mut self.lower, tap.second)] {
                if row.source != Some(source) {
                    read(source, &self.columns, &mut self.touched);
                    stretch(&self.columns, &self.touched, &mut row.values);
                    row.source = Some(source);
                }
            }
            for ((above, below), value) in self.upper.values.iter().zip(&self.lower.values).zip(scaled) {
                *value = mix(*above, *below, tap.weights);
            }
        }
    }
}

/// The product of a byte and all steps has 19 bits; the reference drops the last four.
#[allow(clippy::cast_possible_truncation, reason = "at most 255 × 2048 / 16")]
fn stretch(columns: &[Tap], touched: &[PixelPair], values: &mut [i16]) {
    for ((tap, pair), stretched) in columns.iter().zip(touched).zip(values.as_chunks_mut::<3>().0) {
        let (left, right) = (i32::from(tap.weights.0), i32::from(tap.weights.1));
        for (channel, value) in stretched.iter_mut().enumerate() {
            *value = ((i32::from(pair[channel]) * left + i32::from(pair[channel + 3]) * right) >> 4) as i16;
        }
    }
}

/// Where the shifts cut is the reference's way.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
fn mix(above: i16, below: i16, weights: (i16, i16)) -> u8 {
    let share = |value: i16, weight: i16| (i32::from(value) * i32::from(weight)) >> 16;
    ((share(above, weights.0) + share(below, weights.1) + 2) >> 2).clamp(0, 255) as u8
}

/// What lies beyond the outermost middles of pixels. The reference has two ways, which round differently.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    /// The outermost pixel.
    IsOutermost,
    /// The outermost pixel, mixed with itself.
    IsMixed,
}

/// One tap per target pixel. Pixel middles are mapped onto each other.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the source's size")]
fn fill_taps(taps: &mut Vec<Tap>, source: u32, target: u32, beyond: Beyond) {
    let last = i64::from(source.max(1)) - 1;
    let ratio = f64::from(source) / f64::from(target);
    taps.clear();
    taps.extend((0..target).map(|index| {
        let position = ((f64::from(index) + 0.5) * ratio - 0.5) as f32;
        let first = position.floor() as i64;
        let outside = first < 0 || first >= last;
        let share = if outside && beyond == Beyond::IsOutermost { 0.0 } else { position - position.floor() };
        let steps = |share: f32| (share * STEPS).round_ties_even() as i16;
        let inside = |index: i64| index.clamp(0, last) as usize;
        Tap { first: inside(first), second: inside(first + 1), weights: (steps(1.0 - share), steps(share)) }
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scales a grey picture.
    fn scaled(source: &[u8], source_size: (u32, u32), target_size: (u32, u32)) -> Vec<u8> {
        let mut target = vec![0; (target_size.0 * target_size.1 * 3) as usize];
        Bilinear::default().scale(source_size, target_size, &mut target, |row, columns, pairs| {
            let pixel = |column: usize| source[row * source_size.0 as usize + column];
            for (tap, pair) in columns.iter().zip(pairs) {
                pair[..3].fill(pixel(tap.first));
                pair[3..].fill(pixel(tap.second));
            }
        });
        target.chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn agrees_with_the_reference() {
        // The reference has a third way of rounding for the last columns of some widths.
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

        #[test]
        fn its_own_size_changes_nothing(source in proptest::collection::vec(any::<u8>(), 12 * 7)) {
            prop_assert_eq!(scaled(&source, (12, 7), (12, 7)), source);
        }
    }
}
