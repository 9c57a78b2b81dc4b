//! `gridwatch models`.

mod fetch;
mod list;
mod offer;
mod progress;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Exit, Global};
use crate::catalogue::{Catalogue, Mirror};
use crate::config;
use crate::config::environment::{Environment, ProcessEnvironment};

/// Arguments of `models`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  gridwatch models list\n  gridwatch models fetch yolox-nano\n  gridwatch models verify"
)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the models of the catalogue, and those in the folder
    List(ListArgs),
    /// Fetch models and their manifests into the folder
    ///
    /// A download that breaks off goes on where it stopped, at once and by itself, or with the next call. What
    /// has come is kept in NAME.onnx.part meanwhile. Proxies are taken from `HTTPS_PROXY` and `NO_PROXY`.
    Fetch(FetchArgs),
    /// Compare the models in the folder with the SHA-256 of their manifests
    Verify(VerifyArgs),
}

/// Where models are, and which catalogue is meant.
#[derive(Debug, Args)]
pub struct Place {
    /// Folder of models and manifests [default: the one that the configuration names, or `models` beside it]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Another catalogue; the manifests stand beside it [default: the one in the program]
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

/// Arguments of `models list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `models fetch`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch models fetch yolox-nano --mirror https://mirror.example/{url}")]
pub struct FetchArgs {
    /// Names in the catalogue
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Another server: `{url}` in it stands for the catalogue's address, `{path}` for its part after the host,
    /// `{file}` for the file's name; without any, the name is added [default: `$GRIDWATCH_MODELS_MIRROR`]
    #[arg(long, value_name = "URL")]
    pub mirror: Option<Mirror>,
}

/// Arguments of `models verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Names of manifests in the folder; all of them unless given
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub fn execute(args: &ModelsArgs, global: &Global) -> anyhow::Result<Exit> {
    match &args.action {
        Action::List(args) => list::execute(args, global),
        Action::Fetch(args) => fetch::execute(args, global),
        Action::Verify(args) => verify::execute(args, global),
    }
}

impl Place {
    /// The folder; it may not be there yet. A configuration with mistakes does not keep anybody from fetching
    /// the model that it wants.
    fn folder(&self, global: &Global) -> PathBuf {
        if let Some(folder) = &self.dir {
            return folder.clone();
        }
        let beside = global.config.with_file_name("models");
        match config::load(&global.config) {
            Ok((config, _)) => config.inference.model.parent().map_or(beside, Path::to_owned),
            Err(_) if !global.config.exists() => beside,
            Err(_) => {
                let (config, folder) = (global.config.display(), beside.display());
                tracing::warn!("{config} has mistakes (gridwatch check names them), so the folder is {folder}");
                beside
            }
        }
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        Ok(match &self.catalogue {
            Some(file) => Catalogue::load(file)?,
            None => Catalogue::embedded()?,
        })
    }
}

fn mirror(args: &FetchArgs) -> anyhow::Result<Option<Mirror>> {
    if let Some(mirror) = &args.mirror {
        return Ok(Some(mirror.clone()));
    }
    let Some(text) = ProcessEnvironment.var("GRIDWATCH_MODELS_MIRROR") else { return Ok(None) };
    text.parse().map(Some).map_err(|error| super::UsageError(format!("GRIDWATCH_MODELS_MIRROR: {error}")).into())
}

/// `19.3 MiB`.
fn mebibytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1} MiB")
}

/// Manifests of a folder: stem and path, sorted. A folder that is not there has none.
fn manifests(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    use anyhow::Context;

    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| folder.display().to_string())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_manifest = path.extension().is_some_and(|extension| extension == "toml") && stem != "catalogue";
        if is_manifest {
            found.push((stem, path));
        }
    }
    found.sort();
    Ok(found)
}
