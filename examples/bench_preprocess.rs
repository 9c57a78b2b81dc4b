//! Measures what preparing a picture costs beside running the model on it: medians of one run on one core,
//! on pictures of noise. Build it in release mode.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use gridwatch::clock::{Clock, SystemClock};
use gridwatch::config::model::Provider;
use gridwatch::domain::Timestamp;
use gridwatch::domain::frame::{ColorSpace, Frame};
use gridwatch::inference::Detector;
use gridwatch::inference::manifest::Manifest;
use gridwatch::inference::onnx::{OnnxDetector, OnnxOptions, Runtime};
use gridwatch::inference::preprocess::Preprocessor;
use rand::Rng;

const SIZES: [(u32, u32); 3] = [(1920, 1080), (1280, 720), (704, 576)];

/// Measure preprocessing against inference.
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
    /// Pictures of each size
    #[arg(long, default_value_t = 60)]
    rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let manifest = Manifest::load(&arguments.manifest, arguments.models_dir.as_deref())?;
    let runtime = Runtime::load(&arguments.runtime)?;
    let options = OnnxOptions { threads: 1, provider: Provider::Cpu, allow_cpu_fallback: false };
    let mut detector = OnnxDetector::load(&runtime, &manifest, options)?;
    let mut preprocessor = Preprocessor::new(manifest.input.clone());
    let mut tensor = vec![0.0; preprocessor.tensor_len()];
    let clock = SystemClock::new();
    let mut output = std::io::stdout().lock();
    for (width, height) in SIZES {
        let frame = noise(width, height);
        let (mut prepare, mut look) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            // Taken in turn, so that a busy moment of the machine touches both.
            let started = clock.now();
            preprocessor.frame(&frame, &[], &mut tensor)?;
            let prepared = clock.now();
            detector.detect(&frame, &[])?;
            let looked = clock.now();
            prepare.push(prepared.duration_since(started).as_secs_f64() * 1000.0);
            look.push(looked.duration_since(prepared).as_secs_f64() * 1000.0);
        }
        let prepare = median(prepare).context("no rounds")?;
        let inference = median(look).context("no rounds")? - prepare;
        let share = prepare / inference * 100.0;
        let name = &manifest.name;
        writeln!(
            output,
            "{name} {width}x{height}: preprocessing {prepare:.2} ms, inference {inference:.2} ms: {share:.1} %"
        )?;
    }
    Ok(())
}

fn noise(width: u32, height: u32) -> Frame {
    let bytes = |count: u32| {
        let mut bytes = vec![0; count as usize];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    };
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    Frame {
        captured_at: Timestamp::UNIX_EPOCH,
        width,
        height,
        color: ColorSpace { full_range: false, bt709: false },
        y: bytes(width * height),
        u: bytes(chroma),
        v: bytes(chroma),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
