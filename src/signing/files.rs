//! Key files: private ones as PKCS#8 in PEM, written whole, synced, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;

/// PKCS#8 (RFC 8410) of an Ed25519 key up to the 32 bytes of its seed.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// A key file is shorter than this.
const MOST_BYTES: u64 = 64 * 1024;

/// Makes the folder, and holds it for as long as the answer lives: two processes must not change keys at once.
pub(super) fn lock(folder: &Path) -> Result<File, KeyError> {
    let failed = |source| KeyError::file(folder, source);
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).map_err(|source| KeyError::file(above, source))?;
    }
    DirBuilder::new().mode(0o700).create(folder).or_else(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        if is_there { Ok(()) } else { Err(failed(error)) }
    })?;
    let held = File::open(folder).map_err(failed)?;
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
    Ok(held)
}

/// Replaces a file as a whole; durable when this returns.
pub(super) fn write(folder: &Path, name: &str, body: &[u8]) -> Result<(), KeyError> {
    let (target, temporary) = (folder.join(name), folder.join(format!(".{name}.tmp")));
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| {
        // What is left of it is overwritten next time.
        drop(fs::remove_file(&temporary));
        KeyError::file(&target, error)
    })
}

/// The whole file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyError::file(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| KeyError::file(path, error))?;
    String::from_utf8(bytes).map(Some).map_err(|_| KeyError::damaged(path, &"is not text"))
}

/// A private key as it is written.
pub(super) fn to_pem(seed: &[u8; 32]) -> String {
    let der = [&PKCS8_HEAD[..], seed].concat();
    format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))
}

/// The seed of a private key in PEM.
pub(super) fn from_pem(text: &str) -> Option<[u8; 32]> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()?.strip_prefix(&PKCS8_HEAD[..])?.try_into().ok()
}

/// Deletes private keys but the named one, and what a power cut left half written.
pub(super) fn remove_others(folder: &Path, keep: &str) -> Result<(), KeyError> {
    for entry in fs::read_dir(folder).map_err(|error| KeyError::file(folder, error))?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_other_key = name.strip_suffix(".pem").is_some_and(|id| id != keep);
        if is_other_key || name.ends_with(".tmp") {
            fs::remove_file(entry.path()).map_err(|error| KeyError::file(entry.path(), error))?;
        }
    }
    File::open(folder).and_then(|held| held.sync_all()).map_err(|error| KeyError::file(folder, error))
}
