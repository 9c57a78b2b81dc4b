//! `gridwatch keys`.

use clap::{Args, Subcommand};

use super::{Exit, Global, load, output};
use crate::clock::{Clock, SystemClock};
use crate::contract::time::SiteTime;
use crate::pipeline::message::EventWriter;
use crate::signing::SigningKeys;

/// Arguments of `keys`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch keys show > gw-0007.json\n  gridwatch keys rotate-signing")]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with keys.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Action {
    /// Print the public keys that events are signed with, as `info` tells them
    ///
    /// To be handed to the platform when the box is installed, by another way than the broker.
    Show,
    /// Begin to sign with a new key
    ///
    /// The old key vouches for the new one with its last signature and its private half is deleted; its public half stays
    /// listed, for what was signed before. A running gateway signs with the new key from the next event on and tells it in
    /// `info` within five minutes.
    RotateSigning,
}

/// Runs the command.
pub fn execute(args: &KeysArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = load(&global.config)?;
    let state_dir = &config.storage.state_dir;
    match args.action {
        Action::Show => output::line(&serde_json::to_string_pretty(&SigningKeys::open(state_dir)?.note())?)?,
        Action::RotateSigning => {
            let writer = EventWriter::new(&config)?;
            let now = SiteTime::new(SystemClock::new().now(), writer.time_zone());
            let note = SigningKeys::rotate(state_dir, writer.topics().source(), now.as_str())?;
            let previous = note.keys.last().and_then(|key| key.previous.as_deref()).unwrap_or("none");
            output::line(&format!("signs now: {} (before: {previous}, which vouches for it)", note.current))?;
        }
    }
    Ok(Exit::Success)
}
