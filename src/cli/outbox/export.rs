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
    /// Write nothing into the store, not even into its audit: for a disk on which every write may be the last
    #[arg(long)]
    no_audit: bool,
}

pub(super) fn execute(args: &ExportArgs, global: &Global) -> anyhow::Result<Exit> {
    let store = args.place.open(global)?;
    let folder = args.place.folder(global)?;
    let audit = (!args.no_audit).then_some(folder.as_path());
    let saved = salvage(&store, audit, &args.target, SystemClock::new().now())?;
    if audit.is_some() && saved.audit != "written" {
        tracing::warn!("the pictures that were saved are not in the store's audit: {}", saved.audit);
    }
    let bytes: u64 = saved.files.iter().map(|file| file.bytes).sum();
    let manifest = args.target.join(MANIFEST);
    output::line(&format!("saved: {} files, {bytes} bytes; {} lists them", saved.files.len(), manifest.display()))?;
    Ok(warn(&saved.unreadable))
}
