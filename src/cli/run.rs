//! `gridwatch run`.

use clap::Args;

use super::{Exit, Global, load, media_worker};

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch run --config /etc/gridwatch/config.toml")]
pub struct RunArgs {}

/// Runs the command.
pub fn execute(_args: &RunArgs, global: &Global) -> anyhow::Result<Exit> {
    crate::daemon::run(load(&global.config)?, media_worker::program(global), &|| load(&global.config))?;
    Ok(Exit::Success)
}
