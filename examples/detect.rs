//! Runs a model on raw pictures and writes what it finds, one JSON line per picture, or what it would be
//! given: the counterpart of `scripts/compare-detection`.

use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use gridwatch::config::model::Provider;
use gridwatch::domain::Timestamp;
use gridwatch::domain::detection::{Detection, Role};
use gridwatch::domain::frame::{ColorSpace, Frame};
use gridwatch::inference::Detector;
use gridwatch::inference::manifest::Manifest;
use gridwatch::inference::onnx::{OnnxDetector, OnnxOptions, Runtime};
use gridwatch::inference::preprocess::Preprocessor;

/// Detect things in raw pictures read from standard input, one after the other without headers.
#[derive(Parser)]
struct Arguments {
    /// Manifest of the model
    manifest: PathBuf,
    /// Folder of the model files, if it is not the manifest's
    #[arg(long)]
    models_dir: Option<PathBuf>,
    /// ONNX Runtime, libonnxruntime.so
    #[arg(long)]
    runtime: PathBuf,
    /// Width of the pictures in pixels
    #[arg(long)]
    width: u32,
    /// Height of the pictures in pixels
    #[arg(long)]
    height: u32,
    /// How the pictures are coded
    #[arg(long, value_enum)]
    format: Format,
    /// YUV is coded after BT.709 instead of BT.601
    #[arg(long)]
    bt709: bool,
    /// YUV uses all 256 values
    #[arg(long)]
    full_range: bool,
    /// Show classes without a role, too
    #[arg(long)]
    all_classes: bool,
    /// What to write
    #[arg(long, value_enum, default_value_t = Wanted::Boxes)]
    write: Wanted,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Wanted {
    /// One JSON line per picture
    Boxes,
    /// What the model would eat, as native 32-bit floats
    Tensors,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Rgb24,
    Yuv420p,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut manifest = Manifest::load(&arguments.manifest, arguments.models_dir.as_deref())?;
    if arguments.all_classes {
        manifest.roles.fill([Role::Goods].into_iter().collect());
    }
    if arguments.write == Wanted::Tensors {
        return prepare(&manifest, &arguments);
    }
    let runtime = Runtime::load(&arguments.runtime)?;
    let options = OnnxOptions { threads: 1, provider: Provider::Cpu, allow_cpu_fallback: false };
    let mut detector = OnnxDetector::load(&runtime, &manifest, options)?;
    let mut output = std::io::stdout().lock();
    while let Some(picture) = read(&arguments)? {
        let detections = match &picture {
            Picture::Rgb(rgb) => detector.detect_rgb(arguments.width, arguments.height, rgb, &[])?,
            Picture::Yuv(frame) => detector.detect(frame, &[])?,
        };
        let boxes: Vec<_> = detections.iter().map(|detection| line(detection, &arguments)).collect();
        writeln!(output, "{}", serde_json::Value::from(boxes))?;
    }
    Ok(())
}

fn prepare(manifest: &Manifest, arguments: &Arguments) -> anyhow::Result<()> {
    let mut preprocessor = Preprocessor::new(manifest.input.clone());
    let mut tensor = vec![0.0; preprocessor.tensor_len()];
    let mut output = BufWriter::new(std::io::stdout().lock());
    while let Some(picture) = read(arguments)? {
        match &picture {
            Picture::Rgb(rgb) => preprocessor.rgb((arguments.width, arguments.height), rgb, &[], &mut tensor)?,
            Picture::Yuv(frame) => preprocessor.frame(frame, &[], &mut tensor)?,
        };
        for number in &tensor {
            output.write_all(&number.to_ne_bytes())?;
        }
    }
    Ok(output.flush()?)
}

enum Picture {
    Rgb(Vec<u8>),
    Yuv(Frame),
}

/// The next picture of standard input.
fn read(arguments: &Arguments) -> anyhow::Result<Option<Picture>> {
    let (width, height) = (arguments.width, arguments.height);
    let luma = width as usize * height as usize;
    let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    let mut picture = vec![0; if arguments.format == Format::Rgb24 { luma * 3 } else { luma + 2 * chroma }];
    match std::io::stdin().lock().read_exact(&mut picture) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read.context("standard input")?,
    }
    if picture.is_empty() {
        bail!("a picture needs pixels");
    }
    if arguments.format == Format::Rgb24 {
        return Ok(Some(Picture::Rgb(picture)));
    }
    let v = picture.split_off(luma + chroma);
    let u = picture.split_off(luma);
    let color = ColorSpace { full_range: arguments.full_range, bt709: arguments.bt709 };
    Ok(Some(Picture::Yuv(Frame { captured_at: Timestamp::UNIX_EPOCH, width, height, color, y: picture, u, v })))
}

/// Class, score and corners in pixels.
fn line(detection: &Detection, arguments: &Arguments) -> serde_json::Value {
    let (width, height) = (f64::from(arguments.width), f64::from(arguments.height));
    let bbox = &detection.bbox;
    let corners = [
        f64::from(bbox.left) * width,
        f64::from(bbox.top) * height,
        f64::from(bbox.right()) * width,
        f64::from(bbox.bottom()) * height,
    ];
    serde_json::json!({"class_id": detection.class_id, "score": detection.score, "box": corners})
}
