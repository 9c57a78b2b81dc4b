//! `gridwatch outbox`.

mod export;
mod list;
mod requeue;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Exit, Global, load, output, scratch};
use crate::store::{Inspection, KeptMessage, MessageState, Unreadable};

/// Arguments of `outbox`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  gridwatch outbox list --state quarantined\n  gridwatch outbox requeue --quarantined\n  \
                  gridwatch outbox export /mnt/usb/undelivered"
)]
pub struct OutboxArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with the outbox.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show what waits, awaits its receipt, or is in quarantine, and why
    List(list::ListArgs),
    /// Show a message as it would leave, and what became of its event
    ///
    /// Shows the message, the pictures of its event by their files, and the event's history. A picture's own bytes
    /// are never shown.
    Show(show::ShowArgs),
    /// Save every event that was not delivered, with its pictures, into a folder
    ///
    /// Changes nothing in the store but its audit, which names every picture that is saved: on a copy, beside a running gateway,
    /// or on a disk that can only be read, where the manifest says that the audit could not be written. What cannot be
    /// read is left out and named, in the manifest too, and the exit code is 1. Files appear whole or not at all.
    Export(export::ExportArgs),
    /// Send messages again, also those in quarantine
    ///
    /// Nothing is counted twice: a message that was delivered before stays delivered in the accounting. A running
    /// gateway sends them within ten seconds, one that is not running when it starts.
    Requeue(requeue::RequeueArgs),
}

/// Where the store is.
#[derive(Debug, Args)]
pub struct Place {
    /// Folder of the store, such as a copy of it; no configuration is read then [default: `state_dir` of [storage]
    /// in the configuration]
    #[arg(long, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
}

impl Place {
    fn folder(&self, global: &Global) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(load(&global.config)?.storage.state_dir),
        }
    }

    pub(in crate::cli) fn open(&self, global: &Global) -> anyhow::Result<Inspection> {
        Ok(Inspection::open(&self.folder(global)?, &scratch())?)
    }
}

/// Runs the command.
pub fn execute(args: &OutboxArgs, global: &Global) -> anyhow::Result<Exit> {
    match &args.action {
        Action::List(args) => list::execute(args, global),
        Action::Show(args) => show::execute(args, global),
        Action::Export(args) => export::execute(args, global),
        Action::Requeue(args) => requeue::execute(args, global),
    }
}

/// Why a message is where it is.
fn standing(message: &KeptMessage) -> String {
    match message.state {
        MessageState::Waiting if message.acknowledged => "to be sent again".to_owned(),
        MessageState::Waiting => "to be sent".to_owned(),
        MessageState::AwaitingReceipt => {
            let due = message.due_at.map(|at| format!(", sent again at {at:.0}"));
            format!("the broker has it, no receipt yet{}", due.unwrap_or_default())
        }
        MessageState::Delivered => "delivered".to_owned(),
        MessageState::Quarantined => {
            format!("quarantined: {}", message.reason.as_deref().unwrap_or("no reason was noted"))
        }
    }
}

/// Names everything that could not be read; the exit code says that there was something.
fn warn(unreadable: &[Unreadable]) -> Exit {
    for Unreadable { what, why } in unreadable {
        tracing::error!("{what} cannot be read: {why}");
    }
    if unreadable.is_empty() { Exit::Success } else { Exit::Failure }
}

fn lines(lines: &[String]) -> Result<(), output::OutputError> {
    lines.iter().try_for_each(|line| output::line(line))
}
