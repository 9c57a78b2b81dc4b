//! `gridwatch models list`.

use std::path::Path;

use serde::Serialize;

use super::offer::{Offer, Presence, roles};
use super::{ListArgs, manifests, mebibytes};
use crate::catalogue::{Catalogue, Entry, SourceOfFact};
use crate::cli::{Exit, Global, output};
use crate::inference::manifest::Manifest;

const HEADINGS: [&str; 7] = ["NAME", "SIZE", "INPUT", "LICENCE", "DECODER", "HERE", "ROLES"];

/// What is said of a model. The keys of `--json`.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    /// Absent where only a manifest speaks of it.
    bytes: Option<u64>,
    sha256: String,
    licence: String,
    input: String,
    decoder: &'static str,
    roles: Vec<&'static str>,
    here: Presence,
    file: String,
    url: Option<String>,
    source_of_fact: Option<SourceOfFact>,
    quality: Option<String>,
    note: Option<String>,
}

pub(super) fn execute(args: &ListArgs, global: &Global) -> anyhow::Result<Exit> {
    let catalogue = args.place.catalogue()?;
    let folder = args.place.folder(global);
    let listed = listed(&catalogue, &folder)?;
    if args.json {
        output::line(&serde_json::to_string_pretty(&listed)?)?;
        return Ok(Exit::Success);
    }
    output::line(&format!("Models for {}", folder.display()))?;
    output::line("")?;
    for line in table(&listed) {
        output::line(&line)?;
    }
    output::line("")?;
    for model in &listed {
        output::line(&format!("{}:", model.name))?;
        for words in remarks(model) {
            output::line(&format!("  {words}"))?;
        }
    }
    output::line("")?;
    output::line("A site should use a model trained on real pictures of such streets: see docs/models.md.")?;
    Ok(Exit::Success)
}

/// The catalogue's models, then those that have only a manifest in the folder.
fn listed(catalogue: &Catalogue, folder: &Path) -> anyhow::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in &catalogue.entries {
        match Offer::new(entry, folder) {
            Ok(offer) => listed.push(describe(&entry.name, &offer.manifest, Some(entry))),
            Err(error) => tracing::warn!("{}: {error}", entry.name),
        }
    }
    for (name, path) in manifests(folder)? {
        if catalogue.get(&name).is_some() {
            continue;
        }
        match Manifest::load(&path, None) {
            Ok(manifest) => listed.push(describe(&name, &manifest, None)),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Ok(listed)
}

fn describe(name: &str, manifest: &Manifest, entry: Option<&Entry>) -> Listed {
    let bytes = entry.map(|entry| entry.bytes);
    Listed {
        name: name.to_owned(),
        bytes,
        sha256: manifest.sha256.as_str().to_owned(),
        licence: manifest.licence.clone(),
        input: format!("{}x{}", manifest.input.width, manifest.input.height),
        decoder: manifest.decoder.family(),
        roles: roles(manifest),
        here: Presence::of(&manifest.model_file, bytes),
        file: manifest.model_file.display().to_string(),
        url: entry.map(|entry| entry.url.to_string()),
        source_of_fact: entry.map(|entry| entry.source_of_fact),
        quality: manifest.quality.clone(),
        note: entry.and_then(|entry| entry.note.clone()),
    }
}

fn table(listed: &[Listed]) -> Vec<String> {
    let row = |model: &Listed| {
        let size = model.bytes.map_or("-".to_owned(), mebibytes);
        let [licence, decoder, here] = [&model.licence, model.decoder, model.here.word()].map(str::to_owned);
        [model.name.clone(), size, model.input.clone(), licence, decoder, here, model.roles.join(" ")]
    };
    output::table(HEADINGS, listed.iter().map(row))
}

fn remarks(model: &Listed) -> Vec<String> {
    let facts = match model.source_of_fact {
        Some(source) => source.to_string(),
        None => "not in the catalogue; its manifest is in the folder".to_owned(),
    };
    model.note.clone().into_iter().chain([facts]).chain(model.quality.clone()).collect()
}
