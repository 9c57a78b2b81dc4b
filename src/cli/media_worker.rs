//! `gridwatch media-worker`, which the gateway starts by itself.

use super::{Exit, Global};
use crate::config::environment::{Environment, ProcessEnvironment};
use crate::media::worker;
use crate::media::workers::Program;

/// What a worker may see of the environment: where libraries are, and how to log.
const ENVIRONMENT: [&str; 5] = ["LD_LIBRARY_PATH", "JOURNAL_STREAM", "GRIDWATCH_LOG", "RUST_BACKTRACE", "TZ"];

/// Runs the command.
pub fn execute() -> anyhow::Result<Exit> {
    worker::run()?;
    Ok(Exit::Success)
}

/// How this program starts a worker that logs as it does itself.
#[must_use]
pub fn program(global: &Global) -> Program {
    let mut arguments = vec!["media-worker".to_owned(), "--log-format".to_owned(), global.log_format.to_string()];
    arguments.extend(global.log_level.iter().flat_map(|level| ["--log-level".to_owned(), level.clone()]));
    let environment = ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), ProcessEnvironment.var(name)?)));
    Program::this(arguments, environment.collect())
}
