//! `gridwatch outbox export`.

use std::path::PathBuf;

use clap::Args;

use super::{Place, warn};
use crate::cli::{Exit, Global, output};
use crate::clock::{Clock, SystemClock};
use crate::pipeline::salvage::{MANIFEST, salvage};

/// Arguments of `outbox export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    place: Place,
    /// Folder to write into; is made, for its owner alone
    #[arg(value_name = "DIR")]
    target: PathBuf,
}

pub(super) fn execute(args: &ExportArgs, global: &Global) -> anyhow::Result<Exit> {
    let store = args.place.open(global)?;
    let saved = salvage(&store, &args.target, SystemClock::new().now())?;
    let bytes: u64 = saved.files.iter().map(|file| file.bytes).sum();
    let manifest = args.target.join(MANIFEST);
    output::line(&format!("saved: {} files, {bytes} bytes; {} lists them", saved.files.len(), manifest.display()))?;
    Ok(warn(&saved.unreadable))
}
