//! `gridwatch audit list`.

use clap::Args;

use crate::cli::outbox::Place;
use crate::cli::{Exit, Global, output};
use crate::store::AuditRow;

const HEADINGS: [&str; 7] = ["NUMBER", "AT", "ACTOR", "WHAT", "COUNT", "SHA-256", "SUBJECT"];

/// Arguments of `audit list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Only the latest so many
    #[arg(long, value_name = "ROWS")]
    last: Option<usize>,
    /// Only this, such as `refused` or `published`; may be given several times
    #[arg(long, value_name = "WHAT")]
    what: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &ListArgs, global: &Global) -> anyhow::Result<Exit> {
    let rows = args.place.open(global)?.audit()?;
    let wanted: Vec<&AuditRow> =
        rows.iter().filter(|row| args.what.is_empty() || args.what.contains(&row.what)).collect();
    let wanted = &wanted[wanted.len().saturating_sub(args.last.unwrap_or(usize::MAX))..];
    if args.json {
        output::line(&serde_json::to_string_pretty(wanted)?)?;
        return Ok(Exit::Success);
    }
    if !wanted.is_empty() {
        for line in output::table(HEADINGS, wanted.iter().map(|row| cells(row))) {
            output::line(&line)?;
        }
        output::line("")?;
    }
    output::line(&format!("{} of {} rows", wanted.len(), rows.len()))?;
    Ok(Exit::Success)
}

fn cells(row: &AuditRow) -> [String; 7] {
    let sha256 = row.sha256.as_deref().map_or("-".to_owned(), |sha256| sha256.chars().take(12).collect());
    [
        row.number.to_string(),
        format!("{:.0}", row.at()),
        row.actor.clone(),
        row.what.clone(),
        row.count.to_string(),
        sha256,
        row.subject.clone(),
    ]
}
