//! `gridwatch replay`.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Global, UsageError, block_on, load};
use crate::domain::Timestamp;
use crate::pipeline::replay::{ReplayOptions, replay};

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  gridwatch replay --camera market-east yesterday.mp4 --start 2026-11-30T07:00:00+08:00"
)]
pub struct ReplayArgs {
    /// Camera of the configuration whose zones and rules apply
    #[arg(long, value_name = "ID")]
    pub camera: String,
    /// The clip: MP4, MKV, or a bare H.264 or H.265 stream
    pub clip: PathBuf,
    /// When the clip was taken, for schedules and for the times in the events
    #[arg(long, value_name = "RFC3339", default_value = "2026-01-01T00:00:00Z")]
    pub start: Timestamp,
    /// Write the events' pictures into this folder
    #[arg(long, value_name = "FOLDER")]
    pub evidence: Option<PathBuf>,
}

/// Runs the command.
pub fn execute(args: &ReplayArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(&global.config)?;
    if config.cameras.iter().all(|camera| camera.id.as_str() != args.camera) {
        let known: Vec<_> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
        let message = format!("no camera `{}` in the configuration; it has: {}", args.camera, known.join(", "));
        return Err(UsageError(message).into());
    }
    let options = ReplayOptions {
        camera: args.camera.clone(),
        clip: args.clip.clone(),
        start: args.start,
        evidence_dir: args.evidence.clone(),
    };
    let summary = block_on(replay(&config, &options, &mut std::io::stdout()))?;
    tracing::info!(looks = summary.looks, failed = summary.looks_failed, events = summary.events, "replayed");
    Ok(Exit::Success)
}
