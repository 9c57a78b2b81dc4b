//! The directory transport: for sites where no live connection crosses the network boundary, and for
//! running without a broker.
//!
//! ```text
//! <directory>/<event_id>/<revision>.json    the message, byte for byte as a broker would get it
//! <directory>/<event_id>/<evidence>.jpg     its pictures
//! <directory>/<event_id>/<evidence>.age     its sealed originals, where the site has them
//! ```
//! A file appears whole or not at all, and survives a power cut once `write` has returned.
//!
//! Whoever fetches the files deletes them. Where nobody does, a spool with a limit refuses more, so that
//! messages wait in the outbox and its quota decides; [`Spool::expire`] keeps the retention of pictures.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use uuid::Uuid;

use crate::domain::Timestamp;

/// How a sealed original begins, which is no JPEG.
const SEALED: &[u8] = b"age-encryption.org/";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event message.
    Event {
        /// Of the event.
        revision: u32,
    },
    /// A picture.
    Evidence {
        /// Its name in the event, such as `e1`.
        id: &'a str,
    },
}

/// Why the spool does not take a message.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk says no.
    #[error("spool {path}: {source}")]
    File {
        /// What was to be read or written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// Nobody fetches what is there; the message stays where it came from.
    #[error("spool {directory}: full ({used} of {limit} bytes); events have to be fetched from it and deleted")]
    Full {
        /// The spool.
        directory: PathBuf,
        /// Bytes there.
        used: u64,
        /// Bytes that may be there.
        limit: u64,
    },
}

/// What tidying took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Files.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// A spool directory.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
    limit: u64,
    /// Bytes as last counted, and what was written since; what others fetched is not taken off.
    used: Arc<AtomicU64>,
}

impl Spool {
    /// The spool in `directory`, which is made if it is not there; without a limit.
    pub fn new(directory: PathBuf) -> Result<Self, SpoolError> {
        Self::limited(directory, u64::MAX)
    }

    /// A spool that refuses what would make its files larger than `max_bytes` together.
    pub fn limited(directory: PathBuf, max_bytes: u64) -> Result<Self, SpoolError> {
        if let Err(source) = fs::create_dir_all(&directory) {
            return Err(SpoolError::File { path: directory, source });
        }
        let spool = Self { directory, limit: max_bytes, used: Arc::default() };
        if max_bytes < u64::MAX {
            spool.count()?;
        }
        Ok(spool)
    }

    /// Deletes what was written before `before`, fetched or not. Blocks.
    pub fn expire(&self, before: Timestamp) -> Result<Expired, SpoolError> {
        let before = SystemTime::from(before);
        let mut expired = Expired::default();
        for (path, file) in self.files()? {
            if file.modified().is_ok_and(|at| at < before) {
                fs::remove_file(&path).or_else(ignore_missing).map_err(|source| SpoolError::File { path, source })?;
                expired.files += 1;
                expired.bytes += file.len();
            }
        }
        for folder in entries(&self.directory)? {
            // Fails for every folder that holds something, which is meant.
            drop(fs::remove_dir(folder.path()));
        }
        Ok(expired)
    }

    /// Writes one message; the same message again changes nothing. Blocks until the disk has it.
    pub fn write(&self, event_id: Uuid, item: Item<'_>, body: &[u8]) -> Result<PathBuf, SpoolError> {
        let folder = self.directory.join(event_id.to_string());
        let name = match item {
            Item::Event { revision } => format!("{revision}.json"),
            Item::Evidence { id } if body.starts_with(SEALED) => format!("{id}.age"),
            Item::Evidence { id } => format!("{id}.jpg"),
        };
        let path = folder.join(&name);
        let failed = |source| SpoolError::File { path: path.clone(), source };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        }
        if fs::read(&path).is_ok_and(|there| there == body) {
            return Ok(path);
        }
        self.reserve(body.len() as u64)?;
        self.replace(&folder, &name, body).map_err(failed)?;
        self.used.fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(path)
    }

    /// Whether there is room; counts anew before it says no, because files may have been fetched.
    fn reserve(&self, bytes: u64) -> Result<(), SpoolError> {
        let fits = |used: u64| used.saturating_add(bytes) <= self.limit;
        if fits(self.used.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let used = self.count()?;
        let full = SpoolError::Full { directory: self.directory.clone(), used, limit: self.limit };
        if fits(used) { Ok(()) } else { Err(full) }
    }

    fn count(&self) -> Result<u64, SpoolError> {
        let used = self.files()?.iter().map(|(_, file)| file.len()).sum();
        self.used.store(used, Ordering::Relaxed);
        Ok(used)
    }

    /// Every file of every event. What is fetched meanwhile is left out.
    fn files(&self) -> Result<Vec<(PathBuf, Metadata)>, SpoolError> {
        let mut found = Vec::new();
        for folder in entries(&self.directory)? {
            if folder.file_type().is_ok_and(|kind| kind.is_dir()) {
                let files = entries(&folder.path())?;
                let sized = files.into_iter().filter_map(|file| Some((file.path(), file.metadata().ok()?)));
                found.extend(sized.filter(|(_, file)| file.is_file()));
            }
        }
        Ok(found)
    }

    fn replace(&self, folder: &Path, name: &str, body: &[u8]) -> io::Result<()> {
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            File::open(&self.directory)?.sync_all()?;
        }
        write_whole(folder, name, body)
    }
}

/// Writes a file that appears whole or not at all, and survives a power cut once this has returned.
pub fn write_whole(folder: &Path, name: &str, body: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.tmp"));
    let mut file = File::create(&temporary)?;
    let written = file.write_all(body).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, folder.join(name))) {
        // Half a file takes space that may be what is wanting.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, SpoolError> {
    let failed = |source| SpoolError::File { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listing => listing.map_err(failed)?.collect::<io::Result<_>>().map_err(failed),
    }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_whole_files_once_and_refuses_strange_names() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().join("spool")).unwrap();
        let event = Uuid::from_u128(7);
        let path = spool.write(event, Item::Event { revision: 2 }, b"{}").unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(spool.write(event, Item::Event { revision: 2 }, b"{}").unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        let picture = spool.write(event, Item::Evidence { id: "e1" }, b"jpeg").unwrap();
        assert_eq!(fs::read(picture).unwrap(), b"jpeg");
        assert!(spool.write(event, Item::Evidence { id: "../../e1" }, b"").is_err());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn refuses_what_is_too_much_until_files_are_fetched() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("spool");
        let event = Uuid::from_u128(7);
        Spool::new(folder.clone()).unwrap().write(event, Item::Event { revision: 1 }, &[b'x'; 600]).unwrap();
        let spool = Spool::limited(folder, 1000).unwrap();
        let first = spool.write(event, Item::Event { revision: 1 }, &[b'x'; 600]).unwrap();
        spool.write(event, Item::Event { revision: 2 }, &[b'x'; 300]).unwrap();
        let full = spool.clone().write(event, Item::Event { revision: 3 }, &[b'x'; 300]).unwrap_err();
        assert!(matches!(full, SpoolError::Full { used: 900, limit: 1000, .. }), "{full}");
        fs::remove_file(first).unwrap();
        spool.write(event, Item::Event { revision: 3 }, &[b'x'; 300]).unwrap();
    }

    #[test]
    fn forgets_what_is_old() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().join("spool")).unwrap();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        for (n, days) in [(1, 40), (2, 1)] {
            let path = spool.write(Uuid::from_u128(n), Item::Event { revision: 1 }, b"{}").unwrap();
            let written = SystemTime::from(at) - std::time::Duration::from_secs(days * 86_400);
            File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
        }
        let before = at - std::time::Duration::from_secs(30 * 86_400);
        assert_eq!(spool.expire(before).unwrap(), Expired { files: 1, bytes: 2 });
        assert_eq!(spool.expire(before).unwrap(), Expired::default());
        assert_eq!(fs::read_dir(directory.path().join("spool")).unwrap().count(), 1);
    }
}
