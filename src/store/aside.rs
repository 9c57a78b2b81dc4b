//! A database that is no use any more makes room for a new one, and is kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::database::{FILE_NAME, LOG_NAME, file_error};
use super::mark::Witness;
use super::{StoreError, pictures};

/// Whether there is no database where there was one. A file without a byte would be opened as a new one, and the log deleted.
pub(super) fn has_vanished(directory: &Path, witness: &Witness) -> bool {
    let length = |name| fs::metadata(directory.join(name)).map_or(0, |found| found.len());
    let has_pictures = || fs::read_dir(pictures::folder(directory)).is_ok_and(|mut found| found.next().is_some());
    length(FILE_NAME) == 0 && (length(LOG_NAME) > 0 || witness.knows_of_a_run() || has_pictures())
}

/// Moves database, log and pictures out of the way; what was set aside before is deleted.
pub(super) fn set_aside(directory: &Path) -> Result<PathBuf, StoreError> {
    let mut number = 1;
    for entry in fs::read_dir(directory).map_err(|error| file_error(directory, error))?.flatten() {
        let Some((_, n)) = entry.file_name().to_str().and_then(|name| Some((name.to_owned(), bad_number(name)?)))
        else {
            continue;
        };
        number = number.max(n + 1);
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| file_error(&path, error))?;
    }
    for name in [FILE_NAME, LOG_NAME, "evidence"] {
        let (from, to) = (directory.join(name), directory.join(format!("{name}.bad-{number}")));
        match fs::rename(&from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_error(&from, error)),
            _ => {}
        }
    }
    // An index of the log that was moved; rebuilt by SQLite.
    if let Err(error) = fs::remove_file(directory.join("gridwatch.db-shm"))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(file_error(directory, error));
    }
    pictures::sync_directory(directory)?;
    Ok(directory.join(format!("{FILE_NAME}.bad-{number}")))
}

fn bad_number(name: &str) -> Option<u64> {
    name.rsplit_once(".bad-")?.1.parse().ok()
}
