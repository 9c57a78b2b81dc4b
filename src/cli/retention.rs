//! `gridwatch retention`.

use clap::Args;
use serde::Serialize;

use super::{Exit, Global, load, output, scratch};
use crate::clock::{Clock, SystemClock};
use crate::domain::Timestamp;
use crate::store::{Inspection, Retention};

/// Arguments of `retention`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch retention\n  gridwatch retention --json > retention-2026-11.json")]
pub struct RetentionArgs {
    /// For programs
    #[arg(long)]
    json: bool,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    at: Timestamp,
    promised: Promised,
    #[serde(flatten)]
    found: &'a Retention,
    holds: bool,
}

/// What the configuration says.
#[derive(Debug, Serialize)]
struct Promised {
    max_age_days: u64,
    evidence_max_bytes: u64,
    database_max_bytes: u64,
}

/// Runs the command.
pub fn execute(args: &RetentionArgs, global: &Global) -> anyhow::Result<Exit> {
    let storage = load(&global.config)?.storage;
    let now = SystemClock::new().now();
    let found = Inspection::open(&storage.state_dir, &scratch())?.retention(storage.evidence_max_age, now)?;
    let promised = Promised {
        max_age_days: storage.evidence_max_age.as_secs() / 86_400,
        evidence_max_bytes: storage.evidence_max_bytes,
        database_max_bytes: storage.database_max_bytes,
    };
    let holds = found.holds();
    if args.json {
        output::line(&serde_json::to_string_pretty(&Shown { at: now, promised, found: &found, holds })?)?;
    } else {
        print(&promised, &found)?;
    }
    Ok(if holds { Exit::Success } else { Exit::CheckFailed })
}

fn print(promised: &Promised, found: &Retention) -> Result<(), output::OutputError> {
    let mib = |bytes: u64| bytes >> 20;
    output::line(&format!(
        "promised: {} days; pictures {} MiB, database {} MiB at most",
        promised.max_age_days,
        mib(promised.evidence_max_bytes),
        mib(promised.database_max_bytes)
    ))?;
    let moment = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| format!("{at:.0}"));
    let kept = found.kept.iter().map(|kept| {
        let (count, bytes) = (kept.count.to_string(), kept.bytes.to_string());
        [kept.what.to_owned(), count, bytes, moment(kept.oldest), kept.held.to_string(), kept.overdue.to_string()]
    });
    for line in output::table(["KEPT", "COUNT", "BYTES", "OLDEST", "OLDER, NOT DONE WITH", "OVERDUE"], kept) {
        output::line(&line)?;
    }
    let files = found.files;
    output::line(&format!(
        "files: {} of pictures, {} to be unlinked next, {} that no row knows, {} missing",
        files.present, files.to_be_deleted, files.unknown, files.missing
    ))?;
    let deleted = found.deleted.iter().map(|row| {
        let (count, bytes) = (row.count.to_string(), row.bytes.to_string());
        [row.day.clone(), row.what.clone(), row.why.clone(), count, bytes, moment(row.oldest)]
    });
    for line in output::table(["DELETED ON", "WHAT", "WHY", "COUNT", "BYTES", "OLDEST"], deleted) {
        output::line(&line)?;
    }
    output::line(if found.holds() { "holds" } else { "DOES NOT HOLD: something is kept for longer than promised" })
}
