//! `gridwatch models fetch`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::offer::Offer;
use super::progress::Progress;
use super::{FetchArgs, mebibytes, mirror};
use crate::catalogue::{Catalogue, Client, Entry, Fetch, FetchError, Mirror, Outcome, Proxy, write_new};
use crate::cli::{Exit, Global, UsageError, output};
use crate::config::environment::{self, ProcessEnvironment};

pub(super) fn execute(args: &FetchArgs, global: &Global) -> anyhow::Result<Exit> {
    let catalogue = args.place.catalogue()?;
    let entries = chosen(&catalogue, &args.names)?;
    let mirror = mirror(args)?;
    let (address, except) = environment::proxy(&ProcessEnvironment);
    let proxy = Proxy { address: address.map(|address| address.expose().to_owned()), except };
    let client = Client::new(&proxy).map_err(UsageError)?;
    let folder = args.place.folder(global);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{}: cannot be made; give another folder with --dir", folder.display()))?;
    let mut failed = 0;
    for entry in entries {
        match fetch(entry, &folder, &client, mirror.as_ref()) {
            Ok(words) => output::line(&format!("ready: {}: {words}", entry.name))?,
            Err(error) => {
                failed += 1;
                let may_pass = error.downcast_ref().is_some_and(FetchError::is_temporary);
                let advice = if may_pass { "; try again later, or another server with --mirror" } else { "" };
                output::line(&format!("failed: {}: {error:#}{advice}", entry.name))?;
            }
        }
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

fn chosen<'a>(catalogue: &'a Catalogue, names: &[String]) -> Result<Vec<&'a Entry>, UsageError> {
    let mut chosen: Vec<&Entry> = Vec::new();
    for name in names {
        let Some(entry) = catalogue.get(name) else {
            let known: Vec<_> = catalogue.entries.iter().map(|entry| entry.name.as_str()).collect();
            return Err(UsageError(format!("no model `{name}` in the catalogue; it has: {}", known.join(", "))));
        };
        if chosen.iter().all(|other| other.name != entry.name) {
            chosen.push(entry);
        }
    }
    Ok(chosen)
}

/// Weights first: a manifest in the folder means that its model can be used.
fn fetch(entry: &Entry, folder: &Path, client: &Client, mirror: Option<&Mirror>) -> anyhow::Result<String> {
    let offer = Offer::new(entry, folder)?;
    let url = match mirror {
        Some(mirror) => mirror.address(entry, &offer.file_name())?,
        None => entry.url.clone(),
    };
    let progress = Progress::new(&entry.name, entry.bytes);
    let fetch = Fetch { url: &url, bytes: entry.bytes, sha256: &entry.sha256, target: &offer.manifest.model_file };
    let outcome = fetch.run(client, &mut |step| progress.show(&step), &wait)?;
    if !offer.manifest_file.exists() {
        write_new(&offer.manifest_file, &entry.manifest)?;
    }
    let came = match outcome {
        Outcome::WasHere => "was here",
        Outcome::Fetched => "fetched",
    };
    let size = mebibytes(entry.bytes);
    Ok(format!("{} ({size}, {came}, SHA-256 is right)", offer.manifest_file.display()))
}

#[allow(clippy::disallowed_methods, reason = "this command has one thread and nothing else to do")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
