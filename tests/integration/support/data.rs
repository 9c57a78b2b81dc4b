//! The shared models, clips and pictures, where a machine has them.

use std::path::PathBuf;

/// A folder of the shared data; `None` where there is none.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("GRIDWATCH_DATA").map_or_else(beside, PathBuf::from).join(name);
    folder.is_dir().then_some(folder)
}
