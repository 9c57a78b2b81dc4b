//! `gridwatch models verify`.

use std::path::Path;

use super::{VerifyArgs, manifests, mebibytes};
use crate::cli::{Exit, Global, output};
use crate::inference::manifest::{Manifest, ManifestError};

pub(super) fn execute(args: &VerifyArgs, global: &Global) -> anyhow::Result<Exit> {
    let catalogue = args.place.catalogue()?;
    let folder = args.place.folder(global);
    let mut wanted = manifests(&folder)?;
    if !args.names.is_empty() {
        wanted = args.names.iter().map(|name| (name.clone(), folder.join(format!("{name}.toml")))).collect();
    }
    if wanted.is_empty() {
        output::line(&format!("missing: no manifest in {}", folder.display()))?;
        return Ok(Exit::CheckFailed);
    }
    let mut all_right = true;
    for (name, path) in &wanted {
        let (verdict, words) = verify(path);
        let right = verdict == "ok";
        all_right &= right;
        let remedy = !right && catalogue.get(name).is_some();
        let remedy = if remedy { format!("; to get it: gridwatch models fetch {name}") } else { String::new() };
        output::line(&format!("{verdict}: {name}: {words}{remedy}"))?;
    }
    Ok(if all_right { Exit::Success } else { Exit::CheckFailed })
}

/// The same comparison as before a model is loaded.
fn verify(path: &Path) -> (&'static str, String) {
    if !path.exists() {
        return ("missing", format!("{}: there is no such manifest", path.display()));
    }
    let read = Manifest::load(path, None).and_then(|manifest| Ok((manifest.read_model()?, manifest)));
    match read {
        Ok((weights, manifest)) => {
            let (file, size) = (manifest.model_file.display(), mebibytes(weights.len() as u64));
            ("ok", format!("{file} ({size}, SHA-256 is right)"))
        }
        Err(error @ ManifestError::ModelMissing { .. }) => ("missing", error.to_string()),
        Err(error) => ("wrong", error.to_string()),
    }
}
