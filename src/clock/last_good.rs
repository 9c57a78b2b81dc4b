//! The last moment that was surely over, kept for a box that wakes up in 1970.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

const FILE: &str = "last-good-time";

/// What was written last below `state_dir`; the beginning of time if nothing was, or nothing that can be read.
#[must_use]
pub fn read_last_good(state_dir: &Path) -> Timestamp {
    let text = fs::read_to_string(state_dir.join(FILE)).unwrap_or_default();
    text.trim().parse().unwrap_or(Timestamp::MIN)
}

/// Replaces it as a whole; durable when this returns.
pub fn write_last_good(state_dir: &Path, at: Timestamp) -> io::Result<()> {
    let temporary = state_dir.join(format!(".{FILE}.tmp"));
    let mut file = File::create(&temporary)?;
    writeln!(file, "{at:.0}")?;
    file.sync_all()?;
    fs::rename(&temporary, state_dir.join(FILE))?;
    File::open(state_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_and_a_torn_one_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_last_good(folder.path()), Timestamp::MIN);
        let at = Timestamp::from_second(1_795_000_000).unwrap();
        write_last_good(folder.path(), at).unwrap();
        assert_eq!(read_last_good(folder.path()), at);
        fs::write(folder.path().join(FILE), "2026-11").unwrap();
        assert_eq!(read_last_good(folder.path()), Timestamp::MIN);
    }
}
