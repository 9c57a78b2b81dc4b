//! `gridwatch eval`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{Exit, output};
use crate::clock::{Clock, SystemClock};
use crate::evaluation::figures::Rate;
use crate::evaluation::noise::Noise;
use crate::evaluation::summary::Summary;
use crate::evaluation::{EvalOptions, evaluate, find_scenes, report, table};

const EXAMPLES: &str = "\
Example:
  gridwatch eval scenes/ --report report/
  gridwatch eval scenes/ --journals --noise misses=0.2,false_boxes=0.1,seed=7,repeats=10
  gridwatch eval my-clips/ --model models/yolox-nano.toml --min-precision 0.95 --min-recall 0.95";

/// What is meant where nothing is said.
const NOISE: &str = "misses=0.1,false_boxes=0.05,jitter=0.02,seed=1,repeats=1";

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EvalArgs {
    /// Folder of scene folders, at any depth
    #[arg(value_name = "DIR")]
    pub scenes: PathBuf,
    /// Write eval.json and report.html into this folder
    #[arg(long, value_name = "OUT_DIR")]
    pub report: Option<PathBuf>,
    /// Look with this model instead of those that the scenes' configurations name
    #[arg(long, value_name = "MANIFEST")]
    pub model: Option<PathBuf>,
    /// Use this ONNX Runtime library instead of those that they name
    #[arg(long, value_name = "LIBRARY")]
    pub runtime: Option<PathBuf>,
    /// Run scenes from their journals, also where they have pixels
    #[arg(long)]
    pub journals: bool,
    /// How bad a detector the journals are seen by; each setting may be left out
    #[arg(long, value_name = "SETTINGS", default_value = NOISE)]
    pub noise: Noise,
    /// Only scenes whose path, folder or story is like this pattern, such as 'stall_*'
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
    /// Scenes at a time [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Fail if the precision of any kind is below this
    #[arg(long, value_name = "SHARE")]
    pub min_precision: Option<f64>,
    /// Fail if the recall of any kind is below this
    #[arg(long, value_name = "SHARE")]
    pub min_recall: Option<f64>,
}

/// Runs the command.
pub fn execute(args: &EvalArgs) -> anyhow::Result<Exit> {
    let options = EvalOptions {
        model: args.model.clone(),
        runtime_library: args.runtime.clone(),
        journals: args.journals,
        noise: args.noise,
        only: args.only.clone(),
        jobs: args.jobs.map_or_else(cores, usize::from),
    };
    let clock = SystemClock::new();
    let started = clock.now();
    let scenes = find_scenes(&args.scenes, &options)?;
    tracing::info!(scenes = scenes.len(), jobs = options.jobs, "evaluating");
    let summary = evaluate(&scenes, &options)?;
    let seconds = clock.now().duration_since(started).as_secs_f64();
    summary.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let hours = summary.coverage.scheduled_hours;
    tracing::info!(
        "{hours:.1} camera-hours in {seconds:.1} s: {:.2} camera-hours a second",
        hours / seconds.max(0.001)
    );
    for line in table::lines(&summary) {
        output::line(&line)?;
    }
    if let Some(folder) = &args.report {
        write_report(&summary, folder)?;
    }
    Ok(if reaches(&summary, args) { Exit::Success } else { Exit::Failure })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn write_report(summary: &Summary, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())
    };
    let mut json = serde_json::to_vec_pretty(summary)?;
    json.push(b'\n');
    write("eval.json", json)?;
    write("report.html", report::html(summary).into_bytes())
}

/// Whether every kind is as good as it has to be; says which is not.
fn reaches(summary: &Summary, args: &EvalArgs) -> bool {
    let mut reached = true;
    for (kind, figures) in summary.kinds.iter().map(|(kind, kind_summary)| (kind.name(), &kind_summary.all)) {
        let bars = [("precision", figures.precision, args.min_precision), ("recall", figures.recall, args.min_recall)];
        for (name, Rate { value, hits, of, .. }, bar) in bars {
            if let (Some(value), Some(bar)) = (value, bar)
                && value < bar
            {
                tracing::error!("{name} of {kind} is {value} ({hits} of {of}), less than {bar}");
                reached = false;
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_the_default_noise() {
        assert_eq!(NOISE.parse(), Ok(Noise::default()));
    }
}
