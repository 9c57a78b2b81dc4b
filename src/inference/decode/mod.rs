//! From output tensors to candidate boxes, one file a family of models.
//!
//! Decoders are pure. Whatever numbers a model gives (NaN, infinities, absurd sizes), candidates have
//! finite corners and scores of 0–1; tensors of the wrong shape are an error that names the output.

mod detr;
mod nanodet;
mod picodet;
#[cfg(test)]
mod tests;
mod ultralytics;
mod yolox;

use super::manifest::Decoder;

/// One output tensor of a run.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Name in the model.
    pub name: &'a str,
    /// Sizes of its axes.
    pub shape: &'a [i64],
    /// Its numbers, last axis fastest.
    pub values: Values<'a>,
}

/// Numbers of an output.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Scores and boxes.
    F32(&'a [f32]),
    /// Labels.
    I64(&'a [i64]),
}

/// What decoders need to know besides the outputs.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Model input, pixels.
    pub input_width: u32,
    /// Model input, pixels.
    pub input_height: u32,
    /// Number of classes.
    pub classes: usize,
    /// Weaker boxes are not candidates.
    pub min_score: f32,
}

/// A box in pixels of the model input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Class index.
    pub class_id: u16,
    /// 0–1.
    pub score: f32,
    /// Finite, less than `right`.
    pub left: f32,
    /// Finite, less than `bottom`.
    pub top: f32,
    /// Finite.
    pub right: f32,
    /// Finite.
    pub bottom: f32,
}

/// How outputs differ from what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The model has no such output.
    #[error("the model has no output `{output}` (it has: {available})")]
    Missing {
        /// Name in the manifest.
        output: String,
        /// Names in the model.
        available: String,
    },
    /// The output's shape does not fit the family, its parameters and the number of labels.
    #[error("output `{output}` has shape {found}, but {wanted} is expected from the manifest")]
    Shape {
        /// Name in the manifest.
        output: String,
        /// Of the tensor.
        found: String,
        /// In words.
        wanted: String,
    },
    /// The output holds another kind of number.
    #[error("output `{output}` does not hold {wanted}")]
    Type {
        /// Name in the manifest.
        output: String,
        /// In words.
        wanted: &'static str,
    },
}

/// Runs the family's decoder. No suppression has been done on the result, and none is wanted if
/// [`is_end_to_end`].
pub fn decode(decoder: &Decoder, outputs: &[Output<'_>], scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let outputs = Outputs(outputs);
    match decoder {
        Decoder::Yolox(params) => yolox::decode(params, outputs, scope),
        Decoder::Ultralytics(params) => ultralytics::decode(params, outputs, scope),
        Decoder::Nanodet(params) => nanodet::decode(params, outputs, scope),
        Decoder::Picodet(params) => picodet::decode(params, outputs, scope),
        Decoder::Detr(params) => detr::decode(params, outputs, scope),
    }
}

/// Whether the model itself leaves one box per thing.
#[must_use]
pub fn is_end_to_end(decoder: &Decoder) -> bool {
    matches!(decoder, Decoder::Detr(_))
}

/// The outputs of a run, found by name.
#[derive(Clone, Copy)]
struct Outputs<'a>(&'a [Output<'a>]);

impl<'a> Outputs<'a> {
    fn get(self, name: &str) -> Result<Output<'a>, DecodeError> {
        self.0.iter().find(|output| output.name == name).copied().ok_or_else(|| DecodeError::Missing {
            output: name.to_owned(),
            available: self.0.iter().map(|output| output.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// The numbers of `[1, rows, columns]` (or without the leading 1); any number of rows if `None`.
    fn matrix(self, name: &str, rows: Option<usize>, columns: Option<usize>) -> Result<Matrix<'a>, DecodeError> {
        let output = self.get(name)?;
        let Values::F32(values) = output.values else {
            return Err(DecodeError::Type { output: name.to_owned(), wanted: "32-bit floats" });
        };
        let axes = match output.shape {
            [1, rows, columns] | [rows, columns] => usize::try_from(*rows).ok().zip(usize::try_from(*columns).ok()),
            _ => None,
        };
        let fits = |axes: &(usize, usize)| {
            rows.is_none_or(|rows| rows == axes.0)
                && columns.is_none_or(|columns| columns == axes.1)
                && axes.0.checked_mul(axes.1) == Some(values.len())
        };
        let axes = axes.filter(fits).ok_or_else(|| {
            let size = |size: Option<usize>| size.map_or_else(|| "N".to_owned(), |size| size.to_string());
            DecodeError::Shape {
                output: name.to_owned(),
                found: format!("{:?}", output.shape),
                wanted: format!("[1, {}, {}]", size(rows), size(columns)),
            }
        })?;
        Ok(Matrix { rows: axes.0, columns: axes.1, values })
    }

    /// The numbers of a `[1, length]` tensor of floats (or without the leading 1).
    fn row(self, name: &str, length: usize) -> Result<&'a [f32], DecodeError> {
        let output = self.get(name)?;
        let Values::F32(values) = output.values else {
            return Err(DecodeError::Type { output: name.to_owned(), wanted: "32-bit floats" });
        };
        if values.len() == length { Ok(values) } else { Err(wrong_length(output, length)) }
    }

    /// As [`Outputs::row`], of integers.
    fn integers(self, name: &str, length: usize) -> Result<&'a [i64], DecodeError> {
        let output = self.get(name)?;
        let Values::I64(values) = output.values else {
            return Err(DecodeError::Type { output: name.to_owned(), wanted: "64-bit integers" });
        };
        if values.len() == length { Ok(values) } else { Err(wrong_length(output, length)) }
    }
}

fn wrong_length(output: Output<'_>, length: usize) -> DecodeError {
    DecodeError::Shape {
        output: output.name.to_owned(),
        found: format!("{:?}", output.shape),
        wanted: format!("[1, {length}]"),
    }
}

/// A two-axis view of an output.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    rows: usize,
    columns: usize,
    values: &'a [f32],
}

impl<'a> Matrix<'a> {
    fn iter(self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.columns.max(1))
    }
}

impl Scope {
    /// Cells of a map, row by row: column, row.
    fn cells(&self, stride: u32) -> impl Iterator<Item = (f32, f32)> + use<> {
        let (columns, rows) = self.map_size(stride);
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (whole(column), whole(row))))
    }

    fn map_size(&self, stride: u32) -> (u32, u32) {
        (self.input_width.div_ceil(stride), self.input_height.div_ceil(stride))
    }

    fn cell_count(&self, stride: u32) -> usize {
        let (columns, rows) = self.map_size(stride);
        columns as usize * rows as usize
    }

    /// The candidate, if its score suffices and its numbers make a box.
    fn candidate(&self, class: usize, score: f32, [left, top, right, bottom]: [f32; 4]) -> Option<Candidate> {
        let class_id = u16::try_from(class).ok().filter(|_| class < self.classes)?;
        // Written so that NaN fails.
        let strong = score >= self.min_score && score <= f32::MAX;
        let finite = [left, top, right, bottom].iter().all(|v| v.is_finite());
        let area = right > left && bottom > top;
        (strong && finite && area).then_some(Candidate { class_id, score: score.min(1.0), left, top, right, bottom })
    }
}

/// Grid positions and strides are far below 2^24, where `f32` stops counting.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn whole(number: u32) -> f32 {
    number as f32
}

/// Index and value of the greatest number; NaN never wins.
fn greatest(scores: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
    scores.enumerate().fold(None, |best, (index, score)| match best {
        Some((_, most)) if score <= most || score.is_nan() => best,
        None if score.is_nan() => None,
        _ => Some((index, score)),
    })
}

/// Corners of a box given by its centre and size.
fn corners([x, y, width, height]: [f32; 4]) -> [f32; 4] {
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}
