//! `gridwatch replay`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{Exit, Global, UsageError, load};
use crate::domain::Timestamp;

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
}

/// Runs the command.
pub fn execute(args: &ReplayArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(&global.config)?;
    let Some(_camera) = config.cameras.iter().find(|camera| camera.id.as_str() == args.camera) else {
        let known: Vec<_> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
        let message = format!("no camera `{}` in the configuration; it has: {}", args.camera, known.join(", "));
        return Err(UsageError(message).into());
    };
    std::fs::metadata(&args.clip).with_context(|| args.clip.display().to_string())?;
    anyhow::bail!("`replay` is not part of this build")
}
