//! `gridwatch doctor`.

use clap::Args;
use serde::Serialize;

use super::check::{CheckArgs, try_named};
use super::{Exit, Global, output, scratch};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Finding};
use crate::pipeline::machine;
use crate::pipeline::try_out::Tried;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch doctor\n  gridwatch doctor --json > doctor.json")]
pub struct DoctorArgs {
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// How it is with one thing, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Pass,
    Warn,
    Fail,
}

/// One thing that was looked at. The keys of `--json`.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    verdict: Verdict,
    words: String,
    /// What to do; of failures, and of warnings that do not say it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Diagnosis {
    version: &'static str,
    /// The worst of all.
    verdict: Verdict,
    lines: Vec<Line>,
}

/// Runs the command.
pub fn execute(args: &DoctorArgs, global: &Global) -> anyhow::Result<Exit> {
    let (lines, config) = match config::load(&global.config) {
        Ok((config, warnings)) => {
            let words = global.config.display().to_string();
            let valid = Line { what: "configuration".to_owned(), verdict: Verdict::Pass, words, remedy: None };
            let warnings = warnings.iter().map(|finding| configured(finding, Verdict::Warn));
            (std::iter::once(valid).chain(warnings).collect::<Vec<_>>(), Some(config))
        }
        Err(errors) => {
            let warnings = errors.warnings.iter().map(|finding| configured(finding, Verdict::Warn));
            (warnings.chain(errors.findings.iter().map(|finding| configured(finding, Verdict::Fail))).collect(), None)
        }
    };
    let mut lines = lines;
    if let Some(config) = &config {
        lines.extend(look(config, global)?.into_iter().map(Line::from));
    }
    let verdict = lines.iter().map(|line| line.verdict).max().unwrap_or(Verdict::Pass);
    show(args, Diagnosis { version: env!("CARGO_PKG_VERSION"), verdict, lines })?;
    Ok(match (config, verdict) {
        (None, _) => Exit::Configuration,
        (Some(_), Verdict::Fail) => Exit::CheckFailed,
        (Some(_), Verdict::Pass | Verdict::Warn) => Exit::Success,
    })
}

/// The machine first: what it lacks explains much of the rest.
fn look(config: &Config, global: &Global) -> anyhow::Result<Vec<Tried>> {
    let clock = SystemClock::new();
    let mut tried = vec![machine::clock(&clock)];
    tried.extend(machine::state_directory(&config.storage));
    tried.extend(machine::store(&config.storage, &scratch(), clock.now()));
    tried.extend(try_named(&CheckArgs::EVERYTHING, config, global)?);
    Ok(tried)
}

fn configured(finding: &Finding, verdict: Verdict) -> Line {
    Line { what: "configuration".to_owned(), verdict, words: finding.to_string(), remedy: None }
}

impl From<Tried> for Line {
    fn from(tried: Tried) -> Self {
        let Tried { what, result, warning, remedy } = tried;
        match (result, warning) {
            (Ok(words), None) => Self { what, verdict: Verdict::Pass, words, remedy: None },
            (Ok(words), Some(warning)) => {
                Self { what, verdict: Verdict::Warn, words: format!("{words}; {warning}"), remedy: None }
            }
            (Err(words), _) => Self { what, verdict: Verdict::Fail, words, remedy: Some(remedy.to_owned()) },
        }
    }
}

fn show(args: &DoctorArgs, diagnosis: Diagnosis) -> anyhow::Result<()> {
    if args.json {
        output::line(&serde_json::to_string_pretty(&diagnosis)?)?;
        return Ok(());
    }
    for Line { what, verdict, words, remedy } in diagnosis.lines {
        let verdict = match verdict {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let remedy = remedy.filter(|remedy| !words.ends_with(remedy.as_str()));
        let remedy = remedy.map(|remedy| format!("; to do: {remedy}")).unwrap_or_default();
        output::line(&output::plain(&format!("{verdict}  {what}: {words}{remedy}")))?;
    }
    Ok(())
}
