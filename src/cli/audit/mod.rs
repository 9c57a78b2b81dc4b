//! `gridwatch audit`.

mod list;
mod verify;

use clap::{Args, Subcommand};

use super::{Exit, Global};

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch audit list --last 20\n  gridwatch audit verify --head 4711:9f2c…")]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with the audit.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the rows, the oldest first
    List(list::ListArgs),
    /// Check that no row was changed, taken out, put elsewhere, or taken off the end
    ///
    /// Each row is checked against its own hash and the row before it, the latest one against what is noted beside the
    /// rows, and against every --head. Only a head that was published (`metrics`) can tell a record that was written anew as
    /// a whole. The exit code is 1 where something is wrong; the first such row is named.
    Verify(verify::VerifyArgs),
}

/// Runs the command.
pub fn execute(args: &AuditArgs, global: &Global) -> anyhow::Result<Exit> {
    match &args.action {
        Action::List(args) => list::execute(args, global),
        Action::Verify(args) => verify::execute(args, global),
    }
}
