//! A file on its way: `NAME.onnx.part` beside `NAME.onnx`.
//!
//! On disk:
//! - `NAME.onnx.part` holds the first bytes of the file, as many as have come. Who holds its lock may write it.
//! - `NAME.onnx.part.etag` holds two lines: the address that the bytes are from, and the server's strong `ETag`.
//!   It may be missing.
//! - `NAME.onnx` appears by renaming the partial file after its bytes are on the disk; it is whole or absent.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::FetchError;

/// Where the file collects until it is whole.
#[must_use]
pub fn part_file(target: &Path) -> PathBuf {
    with_suffix(target, ".part")
}

/// Whether `target` is the file that is wanted; a file of another size is not read.
#[must_use]
pub fn is_here(target: &Path, bytes: u64, sha256: &str) -> bool {
    let Ok(mut file) = File::open(target) else { return false };
    let same_size = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes);
    same_size && digest(&mut file).is_ok_and(|found| found == sha256)
}

/// Writes a small file that is whole or absent, also after a power cut.
pub fn write_new(target: &Path, text: &str) -> Result<(), FetchError> {
    let failed = |error: &io::Error| disk(target, error);
    let path = part_file(target);
    let mut file = create(File::options().truncate(true), &path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    put_in_place(&file, &path, target).map_err(|error| failed(&error))
}

/// The partial file of `target`, locked.
#[derive(Debug)]
pub(super) struct Part {
    target: PathBuf,
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    /// Opens and locks, without waiting. The folder must be there.
    pub(super) fn open(target: &Path) -> Result<Self, FetchError> {
        let path = part_file(target);
        let failed = |error: io::Error| disk(&path, &error);
        // Whoever held the lock may have renamed the file between opening and locking.
        loop {
            let file = create(&mut File::options(), &path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let ours = file.metadata().map_err(failed)?;
            if fs::metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { target: target.to_owned(), path, file, length: ours.len() });
            }
        }
    }

    /// Bytes that have come.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes that have come.
    pub(super) fn append(&mut self, bytes: &[u8], still_needed: u64) -> Result<(), FetchError> {
        let written = self.file.seek(io::SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|error| self.failed(&error, still_needed))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what has come.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        forget(&self.etag_file()).and_then(|()| self.file.set_len(0)).map_err(|error| disk(&self.path, &error))?;
        self.length = 0;
        Ok(())
    }

    /// The server's mark of the version that the bytes are of, if they are from `url`.
    pub(super) fn etag(&self, url: &str) -> Option<String> {
        let noted = fs::read_to_string(self.etag_file()).ok()?;
        noted.split_once('\n').filter(|(from, _)| *from == url).map(|(_, etag)| etag.trim_end().to_owned())
    }

    /// Notes it, before the first byte.
    pub(super) fn note_etag(&self, url: &str, etag: Option<&str>) -> Result<(), FetchError> {
        let path = self.etag_file();
        let noted = match etag {
            Some(etag) => fs::write(&path, format!("{url}\n{etag}\n")),
            None => forget(&path),
        };
        noted.map_err(|error| self.failed(&error, 1))
    }

    /// SHA-256 of what has come, read back from the file.
    pub(super) fn sha256(&mut self) -> Result<String, FetchError> {
        self.file.rewind().and_then(|()| digest(&mut self.file)).map_err(|error| disk(&self.path, &error))
    }

    /// Gives the file its name; it is on the disk before it has it.
    pub(super) fn finish(self) -> Result<(), FetchError> {
        put_in_place(&self.file, &self.path, &self.target)
            .and_then(|()| forget(&self.etag_file()))
            .map_err(|error| self.failed(&error, self.length))
    }

    /// Removes what has come.
    pub(super) fn discard(self) -> Result<(), FetchError> {
        forget(&self.etag_file()).and_then(|()| forget(&self.path)).map_err(|error| disk(&self.path, &error))
    }

    /// Says so if `bytes` more do not fit on the disk.
    pub(super) fn refuse_full_disk(&self, bytes: u64) -> Result<(), FetchError> {
        // A file system that does not tell is found out by writing.
        match free_bytes(&self.path) {
            Some(free) if free < bytes => Err(self.full(bytes, free)),
            _ => Ok(()),
        }
    }

    fn failed(&self, error: &io::Error, still_needed: u64) -> FetchError {
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return self.full(still_needed, free_bytes(&self.path).unwrap_or(0));
        }
        disk(&self.path, error)
    }

    fn full(&self, needed: u64, free: u64) -> FetchError {
        FetchError::DiskFull { path: folder(&self.path).to_owned(), needed, free }
    }

    fn etag_file(&self) -> PathBuf {
        with_suffix(&self.path, ".etag")
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file for reading and writing that every user may read: the service is another user than the one who fetches.
fn create(options: &mut fs::OpenOptions, path: &Path) -> io::Result<File> {
    options.read(true).write(true).create(true).mode(0o644).open(path)
}

fn put_in_place(file: &File, path: &Path, target: &Path) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(path, target)?;
    // The name is on the disk when its folder is.
    File::open(folder(target))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(folder(path)).ok()?;
    told.f_bavail.checked_mul(told.f_frsize)
}

fn digest(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(hasher.finalize().iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}")))
}

fn disk(path: &Path, error: &io::Error) -> FetchError {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the system has more words than there is advice")]
    let reason = match error.kind() {
        ErrorKind::PermissionDenied => "may not be written: run this as root, or give another folder with --dir".into(),
        ErrorKind::NotFound => "the folder is not there; make it, or give another with --dir".into(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only; give another folder with --dir".into(),
        _ => error.to_string(),
    };
    FetchError::Disk { path: path.to_owned(), reason }
}
