//! The directory transport: for sites where no live connection crosses the network boundary, and for
//! running without a broker.
//!
//! ```text
//! <directory>/<event_id>/<revision>.json    the message, byte for byte as a broker would get it
//! <directory>/<event_id>/<evidence>.jpg     its pictures
//! ```
//! A file appears whole or not at all, and survives a power cut once `write` has returned.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

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

/// A spool directory that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("spool {path}: {source}")]
pub struct SpoolError {
    /// What was to be written.
    pub path: PathBuf,
    /// Why it was not.
    pub source: io::Error,
}

/// A spool directory.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// The spool in `directory`, which is made if it is not there.
    pub fn new(directory: PathBuf) -> Result<Self, SpoolError> {
        match fs::create_dir_all(&directory) {
            Ok(()) => Ok(Self { directory }),
            Err(source) => Err(SpoolError { path: directory, source }),
        }
    }

    /// Writes one message; the same message again changes nothing. Blocks until the disk has it.
    pub fn write(&self, event_id: Uuid, item: Item<'_>, body: &[u8]) -> Result<PathBuf, SpoolError> {
        let folder = self.directory.join(event_id.to_string());
        let name = match item {
            Item::Event { revision } => format!("{revision}.json"),
            Item::Evidence { id } => format!("{id}.jpg"),
        };
        let path = folder.join(&name);
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let written =
            if plain { self.replace(&folder, &name, body) } else { Err(io::ErrorKind::InvalidFilename.into()) };
        written.map_err(|source| SpoolError { path: path.clone(), source })?;
        Ok(path)
    }

    fn replace(&self, folder: &Path, name: &str, body: &[u8]) -> io::Result<()> {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == body) {
            return Ok(());
        }
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            File::open(&self.directory)?.sync_all()?;
        }
        let temporary = folder.join(format!(".{name}.tmp"));
        let mut file = File::create(&temporary)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    }
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
}
