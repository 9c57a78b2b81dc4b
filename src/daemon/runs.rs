//! How the runs before this one ended: on the disk, and outside the database, which may be what is wrong.
//!
//! ```text
//! state_dir/runs    one JSON object, padded to 512 bytes: a full disk cannot keep it from being written again;
//!                   locked (flock) while a run lasts; may be deleted at any time, which forgets everything
//! ```
//! A run that is still marked as running when the next one begins ended unexpectedly. If the machine has been
//! started since, that was a power cut and none of our doing. Otherwise it counts, by the time since the machine was
//! started: the calendar may be anywhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

const FILE_NAME: &str = "runs";
const BYTES: usize = 512;

/// So many unexpected ends,
const TOO_MANY: usize = 5;
/// so close together, mean that trying again as before does not help.
pub(super) const WITHIN_MS: u64 = 10 * 60 * 1000;

/// The record of this run, and of those before it.
#[derive(Debug)]
pub(super) struct Runs {
    file: File,
    kept: Kept,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    boot_id: String,
    running: bool,
    /// When it was noticed that a run had ended unexpectedly, in milliseconds since the machine was started.
    unexpected_ms: Vec<u64>,
}

impl Runs {
    /// Opens the record in `state_dir`, for this process alone; `WouldBlock` if another one runs there.
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut bytes = vec![0; BYTES];
        let length = file.read_at(&mut bytes, 0)?;
        // One that a power cut has torn says nothing.
        let kept = serde_json::from_slice(&bytes[..length]).unwrap_or_default();
        Ok(Self { file, kept })
    }

    /// A run begins; the number of unexpected ends that led to it, if they are too many.
    pub(super) fn begin(&mut self, boot_id: &str, uptime_ms: u64) -> io::Result<Option<usize>> {
        let kept = &mut self.kept;
        if kept.boot_id != boot_id {
            *kept = Kept { boot_id: boot_id.to_owned(), ..Kept::default() };
        } else if kept.running {
            kept.unexpected_ms.push(uptime_ms);
        }
        kept.unexpected_ms.retain(|at| uptime_ms.saturating_sub(*at) <= WITHIN_MS);
        // No more than are needed to tell, so that the record keeps its size.
        let surplus = kept.unexpected_ms.len().saturating_sub(TOO_MANY);
        kept.unexpected_ms.drain(..surplus);
        kept.running = true;
        let found = kept.unexpected_ms.len();
        self.write()?;
        Ok((found >= TOO_MANY).then_some(found))
    }

    /// Everything is tried again; one more unexpected end soon is enough to go back.
    pub(super) fn try_again(&mut self, uptime_ms: u64) -> io::Result<()> {
        self.kept.unexpected_ms = vec![uptime_ms; TOO_MANY - 1];
        self.write()
    }

    /// Somebody has seen to it.
    pub(super) fn forgive(&mut self) -> io::Result<()> {
        self.kept.unexpected_ms.clear();
        self.write()
    }

    /// The run ends as it should.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.kept.running = false;
        self.forgive()
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.kept)?;
        text.resize(BYTES.max(text.len()), b' ');
        self.file.write_all_at(&text, 0)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run is told that begins at `seconds`.
    fn begin(folder: &Path, boot: &str, seconds: u64) -> Option<usize> {
        Runs::open(folder).expect("the record").begin(boot, seconds * 1000).expect("written")
    }

    #[test]
    fn five_unexpected_ends_in_ten_minutes_are_too_many() {
        let folder = tempfile::tempdir().expect("a folder");
        for run in 0..5 {
            assert_eq!(begin(folder.path(), "b", run * 60), None);
        }
        assert_eq!(begin(folder.path(), "b", 300), Some(5));
        assert_eq!(begin(folder.path(), "b", 310), Some(5), "still");
        assert_eq!(begin(folder.path(), "b", 950), None, "long ago");
    }

    #[test]
    fn slow_ends_power_cuts_and_orderly_ends_do_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        for run in 0..20 {
            assert_eq!(begin(folder.path(), "b", run * 151), None, "four in ten minutes");
        }
        for run in 0..20 {
            assert_eq!(begin(folder.path(), &format!("boot {run}"), 20), None, "a power cut each time");
        }
        for run in 0..20 {
            let mut runs = Runs::open(folder.path()).expect("the record");
            assert_eq!(runs.begin("b", run * 1000).expect("written"), None);
            runs.end().expect("written");
        }
    }

    #[test]
    fn a_second_chance_is_short_and_forgiveness_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut runs = Runs::open(folder.path()).expect("the record");
        assert!(matches!(Runs::open(folder.path()), Err(error) if error.kind() == io::ErrorKind::WouldBlock));
        runs.begin("b", 0).expect("written");
        runs.try_again(1_800_000).expect("written");
        drop(runs);
        assert_eq!(begin(folder.path(), "b", 1900), Some(5));
        let mut runs = Runs::open(folder.path()).expect("the record");
        runs.forgive().expect("written");
        drop(runs);
        assert_eq!(begin(folder.path(), "b", 1910), None);
        assert_eq!(std::fs::metadata(folder.path().join(FILE_NAME)).expect("there").len(), BYTES as u64);
    }

    #[test]
    fn a_torn_record_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE_NAME), "{\"boot_id\":\"b\",\"runn").expect("written");
        assert_eq!(begin(folder.path(), "b", 1), None);
        assert!(Runs::open(folder.path()).expect("the record").kept.running);
    }
}
