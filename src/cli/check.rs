//! `gridwatch check`.

use clap::Args;

use super::{Exit, Global, block_on, media_worker, output};
use crate::config::{self, Config, SecretRef};
use crate::pipeline::try_out::{self, Tried};

const SECRET: &str = "put it where the configuration says, readable for the gateway's user alone";

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch check --config new.toml --all")]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the command line")]
pub struct CheckArgs {
    /// Also read every secret
    #[arg(long)]
    pub secrets: bool,
    /// Also load the models
    #[arg(long)]
    pub models: bool,
    /// Also connect to the broker
    #[arg(long)]
    pub broker: bool,
    /// Also connect to every camera, once
    #[arg(long)]
    pub cameras: bool,
    /// All of these
    #[arg(long)]
    pub all: bool,
}

impl CheckArgs {
    /// Everything is tried.
    pub(super) const EVERYTHING: Self =
        Self { secrets: false, models: false, broker: false, cameras: false, all: true };
}

/// Runs the command.
pub fn execute(args: &CheckArgs, global: &Global) -> anyhow::Result<Exit> {
    let (config, warnings) = match config::load(&global.config) {
        Ok(loaded) => loaded,
        Err(errors) => {
            show_warnings(&errors.warnings)?;
            for finding in &errors.findings {
                output::line(&format!("error: {finding}"))?;
            }
            output::line(&format!("not valid: {}", counted(errors.findings.len(), "error")))?;
            return Ok(Exit::Configuration);
        }
    };
    show_warnings(&warnings)?;
    let rules: usize = config.cameras.iter().map(|camera| camera.rules.len()).sum();
    let (cameras, rules) = (counted(config.cameras.len(), "camera"), counted(rules, "rule"));
    output::line(&format!("valid: {} ({cameras}, {rules})", global.config.display()))?;
    let tried = try_named(args, &config, global)?;
    let failed = tried.iter().filter(|tried| tried.result.is_err()).count();
    for Tried { what, result, warning, .. } in &tried {
        let warning = warning.as_ref().map(|warning| format!("; warning: {warning}")).unwrap_or_default();
        match result {
            Ok(words) => output::line(&format!("ok: {what}: {words}{warning}"))?,
            Err(words) => output::line(&format!("failed: {what}: {words}"))?,
        }
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::CheckFailed })
}

/// Tries what the options ask for.
pub(super) fn try_named(args: &CheckArgs, config: &Config, global: &Global) -> anyhow::Result<Vec<Tried>> {
    let mut tried = try_out::event_codes(config);
    if args.secrets || args.all {
        tried.extend(config.secrets().into_iter().map(|(what, secret)| try_secret(what, secret)));
    }
    if args.models || args.all {
        tried.extend(try_out::models(config));
    }
    if args.broker || args.all {
        tried.extend(block_on(async { Ok(try_out::broker(config).await) })?);
    }
    if args.cameras || args.all {
        let workers = media_worker::program(global);
        tried.extend(block_on(async { Ok(try_out::cameras(config, &workers).await) })?);
    }
    Ok(tried)
}

fn try_secret(what: String, secret: &SecretRef) -> Tried {
    let result = secret.resolve().map(|_| format!("found ({secret})")).map_err(|error| error.to_string());
    Tried::new(what, result, SECRET).warn(secret.exposure())
}

fn show_warnings(warnings: &[config::Finding]) -> Result<(), output::OutputError> {
    warnings.iter().try_for_each(|warning| output::line(&format!("warning: {warning}")))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
