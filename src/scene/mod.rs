//! Pixels to the plain numbers of `domain::scene`.
//!
//! All sums are integers over every pixel, so the same picture gives the same bytes on every machine.

mod ground;

use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use crate::domain::scene::{SceneMeasures, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH};

use ground::GroundGrid;

/// Measures one camera's pictures; keeps what only depends on the zones and the picture size.
#[derive(Debug, Clone)]
pub struct SceneMeter {
    zones: Vec<(String, Polygon)>,
    prepared: Option<Prepared>,
}

#[derive(Debug, Clone)]
struct Prepared {
    size: (u32, u32),
    grids: Vec<GroundGrid>,
}

impl SceneMeter {
    /// A meter for the given ground zones, each an identifier and its polygon. Patches come out in
    /// this order.
    #[must_use]
    pub fn new(ground: &[(&str, &Polygon)]) -> Self {
        let zones = ground.iter().map(|&(id, polygon)| (id.to_owned(), polygon.clone())).collect();
        Self { zones, prepared: None }
    }

    /// Measures one picture whose planes have the sizes that [`Frame`] promises and at least one
    /// pixel. A picture of another size than the last prepares the grids anew.
    #[must_use]
    pub fn measure(&mut self, frame: &Frame) -> SceneMeasures {
        let size = (frame.width, frame.height);
        let zones = &self.zones;
        let prepared = match self.prepared.take() {
            Some(prepared) if prepared.size == size => prepared,
            _ => Prepared { size, grids: zones.iter().map(|(_, polygon)| GroundGrid::new(polygon, size)).collect() },
        };
        let ground = zones.iter().zip(&prepared.grids).map(|((id, _), grid)| grid.measure(id, frame)).collect();
        self.prepared = Some(prepared);
        let (thumbnail, luma) = luma_thumbnail(frame);
        let (black, span) = if frame.color.full_range { (0.0, 255.0) } else { (16.0, 219.0) };
        SceneMeasures {
            brightness: narrow(((luma.mean() - black) / span).clamp(0.0, 1.0)),
            contrast: narrow((luma.deviation() / span).min(1.0)),
            thumbnail,
            ground,
        }
    }
}

/// Measures one picture without keeping anything; see [`SceneMeter`].
#[must_use]
pub fn measure(frame: &Frame, ground: &[(&str, &Polygon)]) -> SceneMeasures {
    SceneMeter::new(ground).measure(frame)
}

fn luma_thumbnail(frame: &Frame) -> (Vec<u8>, Moments) {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut thumbnail = Vec::with_capacity(THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT);
    let mut whole = Moments::default();
    for band in 0..THUMBNAIL_HEIGHT {
        let rows = share(band, THUMBNAIL_HEIGHT, height);
        let mut cells = [Moments::default(); THUMBNAIL_WIDTH];
        for y in rows {
            let row = &frame.y[y * width..(y + 1) * width];
            for (column, cell) in cells.iter_mut().enumerate() {
                cell.add(&row[share(column, THUMBNAIL_WIDTH, width)]);
            }
        }
        for cell in cells {
            thumbnail.push(cell.rounded_mean());
            whole.merge(cell);
        }
    }
    (thumbnail, whole)
}

/// The `index`-th of `parts` nearly equal ranges of `0..length`; never empty, so that ranges overlap
/// where there are fewer pixels than parts.
fn share(index: usize, parts: usize, length: usize) -> std::ops::Range<usize> {
    let start = (index * length / parts).min(length.saturating_sub(1));
    let end = ((index + 1) * length / parts).max(start + 1);
    start..end
}

/// Count, sum and sum of squares of eight-bit samples.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Moments {
    fn add(&mut self, samples: &[u8]) {
        // 32-bit partial sums keep the loop in vector registers; 65,536 squares of a byte fit.
        for run in samples.chunks(1 << 16) {
            let (sum, squares) = run.iter().fold((0_u32, 0_u32), |(sum, squares), &sample| {
                let sample = u32::from(sample);
                (sum + sample, squares + sample * sample)
            });
            self.sum += u64::from(sum);
            self.squares += u64::from(squares);
        }
        self.count += samples.len() as u64;
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    #[allow(clippy::cast_precision_loss, reason = "sums of one picture stay far below 2^52")]
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    fn rounded_mean(&self) -> u8 {
        let count = self.count.max(1);
        u8::try_from((self.sum + count / 2) / count).unwrap_or(u8::MAX)
    }

    #[allow(clippy::cast_precision_loss, reason = "sums of one picture stay far below 2^52")]
    fn deviation(&self) -> f64 {
        let mean_square = self.squares as f64 / self.count.max(1) as f64;
        (mean_square - self.mean().powi(2)).max(0.0).sqrt()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a measure needs no more than single precision")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests;
