//! One process a store.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::database::file_error;

/// Fifty milliseconds each.
const TRIES: u32 = 10;

/// Held until the file is closed.
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| file_error(&path, error))?;
    // A program that is just being started still has everything that its parent had open, for a moment.
    for _ in 0..TRIES {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => pause(),
            Err(errno) => return Err(file_error(&path, errno.into())),
        }
    }
    Err(StoreError::Locked(directory.to_owned()))
}

#[allow(clippy::disallowed_methods, reason = "opening a store blocks anyway, and this is short")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
