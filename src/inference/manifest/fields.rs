//! The parts of a manifest, each of which refuses values that make no sense, so that the parser can
//! name the line.

use std::fmt::Write;

use serde::{Deserialize, Deserializer, de};

/// What a model eats: one picture, three channels of 32-bit floats.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the input tensor; `None` is the model's only (or first) input.
    pub name: Option<String>,
    /// Pixels.
    #[serde(deserialize_with = "side")]
    pub width: u32,
    /// Pixels.
    #[serde(deserialize_with = "side")]
    pub height: u32,
    /// Order of the axes.
    #[serde(default)]
    pub layout: Layout,
    /// Order of the channels; `mean`, `std` follow it.
    pub color: Color,
    /// How a picture is brought to the input's size.
    pub resize: Resize,
    /// Value of the bars beside the picture and of masked ground, 0–255, before normalisation.
    #[serde(default)]
    pub pad: u8,
    /// First, 0–255 is multiplied by this; in 64 bits, so that a multiplication by 1/255 is as good as the
    /// division by 255 that models were trained with.
    #[serde(default = "one")]
    pub scale: f64,
    /// Then this is subtracted, per channel.
    #[serde(default)]
    pub mean: [f32; 3],
    /// Then it is divided by this, per channel.
    #[serde(default = "ones", deserialize_with = "divisors")]
    pub std: [f32; 3],
}

/// Order of the axes of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Channel planes.
    #[default]
    Nchw,
    /// Pixels.
    Nhwc,
}

/// Order of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// Red first.
    Rgb,
    /// Blue first, as `OpenCV` reads pictures.
    Bgr,
}

/// How a picture is brought to the input's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Keeps the shape, bars on the right or below.
    LetterboxTopLeft,
    /// Keeps the shape, bars on both sides.
    LetterboxCenter,
    /// Fills the input, whatever the shape.
    Stretch,
}

/// Decoder family and its parameters: exactly one table, `[decoder.<family>]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// YOLOX: centre, size, objectness and classes in a row.
    Yolox(Yolox),
    /// Exports of the Ultralytics tool for `YOLOv8` and 11: four rows of boxes above the class rows.
    Ultralytics(Ultralytics),
    /// `NanoDet-m` and `NanoDet-Plus`: distances to the sides as distributions.
    Nanodet(Nanodet),
    /// `PicoDet`: as `NanoDet`, with points in the middle of the cells.
    Picodet(Picodet),
    /// DETR and its descendants (RT-DETR, D-FINE, DEIM, RF-DETR): final boxes, no NMS.
    Detr(Detr),
}

impl Decoder {
    /// The family's name in manifests.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Yolox(_) => "yolox",
            Self::Ultralytics(_) => "ultralytics",
            Self::Nanodet(_) => "nanodet",
            Self::Picodet(_) => "picodet",
            Self::Detr(_) => "detr",
        }
    }
}

/// Parameters of the YOLOX family.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yolox {
    /// Name of the output, `[1, N, 5 + classes]`.
    pub output: String,
    /// Pixels of a cell, one per map, in the order of the rows.
    #[serde(deserialize_with = "strides")]
    pub strides: Vec<u32>,
    /// The export already turned grid offsets into pixels.
    #[serde(default)]
    pub decoded: bool,
}

/// Parameters of the Ultralytics family.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ultralytics {
    /// Name of the output, `[1, 4 + classes, N]`.
    pub output: String,
    /// The export is `[1, N, 4 + classes]` instead.
    #[serde(default)]
    pub rows: bool,
}

/// Parameters of the `NanoDet` family. Either `output` is one tensor `[1, N, classes + 4 × (reg_max + 1)]`,
/// or `scores` and `boxes` name one tensor per stride.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nanodet {
    /// The concatenated output.
    pub output: Option<String>,
    /// Class maps, `[1, N, classes]`, in the order of `strides`.
    #[serde(default)]
    pub scores: Vec<String>,
    /// Distance maps, `[1, N, 4 × (reg_max + 1)]`, in the order of `strides`.
    #[serde(default)]
    pub boxes: Vec<String>,
    /// Pixels of a cell.
    #[serde(deserialize_with = "strides")]
    pub strides: Vec<u32>,
    /// A distance is a distribution over 0–`reg_max` cells.
    #[serde(deserialize_with = "bins")]
    pub reg_max: usize,
    /// Which point of a cell the distances start from.
    pub center: Center,
}

/// Parameters of the `PicoDet` family.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picodet {
    /// Class maps, `[1, N, classes]`, in the order of `strides`.
    pub scores: Vec<String>,
    /// Distance maps, `[1, N, 4 × (reg_max + 1)]`, in the order of `strides`.
    pub boxes: Vec<String>,
    /// Pixels of a cell.
    #[serde(deserialize_with = "strides")]
    pub strides: Vec<u32>,
    /// A distance is a distribution over 0–`reg_max` cells.
    #[serde(deserialize_with = "bins")]
    pub reg_max: usize,
}

/// Which point of a cell distances start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// `x × stride`: `NanoDet-Plus`.
    CellCorner,
    /// `(x + ½) × stride`: `PicoDet`.
    CellMiddle,
    /// `x × stride + (stride − 1) / 2`: `NanoDet-m`.
    PixelMiddle,
}

/// Parameters of the DETR family.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detr {
    /// Boxes, `[1, N, 4]`.
    pub boxes: String,
    /// With `labels`: one score per box, `[1, N]`. Without: `[1, N, classes]`.
    pub scores: String,
    /// Class index per box, `[1, N]`, integers.
    pub labels: Option<String>,
    /// What the numbers of a box are.
    pub box_format: BoxFormat,
    /// What they are counted in.
    pub box_unit: BoxUnit,
    /// Whether scores still need the logistic function.
    pub score_form: ScoreForm,
    /// Second input `[1, 2]` of integers that wants the size (width, height) the boxes are scaled to; the
    /// model's own input size is given, so that every family ends in the same coordinates.
    pub size_input: Option<String>,
}

/// What the four numbers of a box are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    Corners,
    /// Centre and size.
    CenterSize,
}

/// What box coordinates are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxUnit {
    /// Pixels of the model input.
    Pixels,
    /// Shares of the model input, 0–1.
    Share,
}

/// What a score output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreForm {
    /// 0–1.
    Probability,
    /// Any number; the logistic function makes it 0–1.
    Logit,
}

/// A SHA-256 in 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        let digits = digits.to_ascii_lowercase();
        let legal = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if legal { Ok(Self(digits)) } else { Err("a SHA-256 has 64 hexadecimal digits") }
    }
}

/// Text for events: not empty, at most 64 characters.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if (1..=64).contains(&text.chars().count()) { Ok(Self(text)) } else { Err("must have 1 to 64 characters") }
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("writing to a string does not fail");
        digits
    })
}

fn one() -> f64 {
    1.0
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// Deserialises a `T` and refuses it with `reason` unless `fits`.
fn checked<'de, T, D>(from: D, fits: impl FnOnce(&T) -> bool, reason: &'static str) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let value = T::deserialize(from)?;
    if fits(&value) { Ok(value) } else { Err(de::Error::custom(reason)) }
}

fn side<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    checked(from, |side| (32..=4096).contains(side), "must lie between 32 and 4096 pixels")
}

fn divisors<'de, D: Deserializer<'de>>(from: D) -> Result<[f32; 3], D::Error> {
    checked(from, |std: &[f32; 3]| std.iter().all(|v| v.is_normal()), "must not hold 0: the input is divided by it")
}

fn strides<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let fits = |strides: &Vec<u32>| (1..=8).contains(&strides.len()) && strides.iter().all(|s| (1..=256).contains(s));
    checked(from, fits, "must hold 1 to 8 cell sizes between 1 and 256 pixels")
}

fn bins<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    checked(from, |bins| (1..=64).contains(bins), "must lie between 1 and 64")
}

/// More than 0 and at most 1.
#[derive(Debug, Deserialize)]
pub(super) struct Share(#[serde(deserialize_with = "share")] pub(super) f32);

pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    checked(from, |share: &f32| *share > 0.0 && *share <= 1.0, "must be more than 0 and at most 1")
}

pub(super) fn detections<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    checked(from, |count| (1..=1000).contains(count), "must lie between 1 and 1000")
}
