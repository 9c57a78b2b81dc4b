//! Looks at the box under the gateway: clock, disk, store. For `gridwatch doctor`; changes nothing.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::clock::{Clock, EARLIEST};
use crate::config::model::Storage;
use crate::domain::Timestamp;
use crate::pipeline::try_out::Tried;
use crate::store::{Inspection, MessageState, StoreError, verify_audit};

/// Below this even the store's reserve cannot be made.
const LEAST_FREE: u64 = 64 << 20;
const MEBIBYTE: u64 = 1 << 20;

const CLOCK: &str = "set the clock, and switch a time service on: `timedatectl set-ntp true`";
const WRITABLE: &str = "give the folder to the gateway's user, or run this as that user";
const SPACE: &str = "make room, or lower `evidence_max_mib` of [storage]";
const STORE: &str = "`gridwatch outbox export DIR` saves what was not delivered; at its next start the gateway sets a damaged \
                     database aside and begins a new one";
const AUDIT: &str = "somebody has changed the record of what left the box, or the disk has: keep a copy of the state directory, see \
                     docs/audit.md, and tell whoever answers for the data";
const ANOTHER: &str = "install that version again, or name another `state_dir` in [storage]";

/// Whether times can be believed.
#[must_use]
pub fn clock(clock: &dyn Clock) -> Tried {
    let (now, quality) = (clock.now(), clock.quality());
    if now < EARLIEST {
        return Tried::new("clock", Err(format!("stands at {now:.0}, it was never set")), CLOCK);
    }
    let unsynced = "no time service has synchronised it, and events say so; \
                    `timedatectl set-ntp true` switches it on";
    Tried::new("clock", Ok(format!("{now:.0}")), CLOCK).warn((!quality.synced).then(|| unsynced.to_owned()))
}

/// Whether the state directory can be written, and what fits there.
#[must_use]
pub fn state_directory(storage: &Storage) -> Vec<Tried> {
    let directory = &storage.state_dir;
    let what = format!("state directory {}", directory.display());
    match directory.try_exists() {
        Err(error) => return vec![Tried::new(what, Err(error.to_string()), WRITABLE)],
        Ok(false) => return vec![Tried::new(what, Ok("is made at the first start".to_owned()), WRITABLE)],
        Ok(true) => {}
    }
    let written = write_and_remove(directory).map(|()| "can be written".to_owned()).map_err(|error| error.to_string());
    vec![Tried::new(what, written, WRITABLE), space(storage)]
}

fn write_and_remove(directory: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".doctor-").tempfile_in(directory)?;
    file.write_all(b"x")?;
    file.as_file().sync_all()?;
    file.close()
}

fn space(storage: &Storage) -> Tried {
    let what = format!("space below {}", storage.state_dir.display());
    let free = match rustix::fs::statvfs(&storage.state_dir) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(errno) => return Tried::new(what, Err(io::Error::from(errno).to_string()), SPACE),
    };
    let used = files_of(&storage.state_dir.join("evidence")) + files_of(&storage.state_dir);
    let wanted = (storage.evidence_max_bytes.saturating_add(storage.database_max_bytes)).saturating_sub(used);
    let words = format!("{} MiB free", free / MEBIBYTE);
    if free < LEAST_FREE {
        return Tried::new(what, Err(words), SPACE);
    }
    let warning = format!(
        "[storage] allows {} MiB more to be used than there are; {SPACE}",
        (wanted.saturating_sub(free)).div_ceil(MEBIBYTE)
    );
    Tried::new(what, Ok(words), SPACE).warn((wanted > free).then_some(warning))
}

/// Bytes of the files in a folder, without those in its folders.
fn files_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Whether the store is whole, and what stands in it. `scratch`: where a copy may be made if it cannot be read in its
/// place.
#[must_use]
pub fn store(storage: &Storage, scratch: &Path, now: Timestamp) -> Vec<Tried> {
    let found = match Inspection::open(&storage.state_dir, scratch) {
        Ok(found) => found,
        Err(StoreError::Missing(_)) => {
            return vec![Tried::new("store", Ok("there is none yet, it is made at the first start".to_owned()), STORE)];
        }
        Err(error @ (StoreError::Newer { .. } | StoreError::NotAStore(_))) => {
            return vec![Tried::new("store", Err(error.to_string()), ANOTHER)];
        }
        Err(error) => return vec![Tried::new("store", Err(error.to_string()), STORE)],
    };
    let whole = match (found.damage(), found.schema_version()) {
        (Ok(None), Ok(version)) => Ok(format!("whole, schema {version}")),
        (Ok(Some(damage)), _) => Err(format!("damaged: {damage}")),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    };
    vec![Tried::new("store", whole, STORE), outbox(&found, now), audit(&found)]
}

fn audit(found: &Inspection) -> Tried {
    let read = || Ok::<_, StoreError>((found.audit()?, found.audit_head()?));
    let verdict = match read() {
        Ok((rows, head)) => verify_audit(&rows, &head, &[]).map_err(|broken| broken.to_string()),
        Err(StoreError::NoAudit(_)) => return Tried::new("audit", Ok("begins at the next start".to_owned()), AUDIT),
        Err(error) => Err(error.to_string()),
    };
    Tried::new("audit", verdict.map(|found| format!("{} rows, as they were written", found.rows)), AUDIT)
}

fn outbox(found: &Inspection, now: Timestamp) -> Tried {
    let survey = found.survey();
    let count = |state| survey.messages.iter().filter(|message| message.state == state).count();
    let (waiting, quarantined) = (count(MessageState::Waiting), count(MessageState::Quarantined));
    let oldest = survey.messages.iter().filter(|message| message.state == MessageState::Waiting);
    let hours = oldest.map(|message| now.duration_since(message.written_at).as_hours()).max().unwrap_or(0);
    let mut warnings = Vec::new();
    if hours >= 1 {
        warnings.push(format!("the oldest waits for {hours} h; is there a way to the broker?"));
    }
    if quarantined > 0 {
        warnings.push(format!("{quarantined} in quarantine; `gridwatch outbox list --state quarantined` says why"));
    }
    if !found.accounting().is_ok_and(|accounting| accounting.balances()) {
        warnings.push("its accounting does not add up; `gridwatch outbox list` shows it, please report it".to_owned());
    }
    let words = Ok(format!("{waiting} messages wait"));
    Tried::new("outbox", words, STORE).warn((!warnings.is_empty()).then(|| warnings.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn limits(state_dir: &Path, evidence_max_bytes: u64) -> Storage {
        let evidence_max_age = std::time::Duration::from_secs(86_400);
        Storage { state_dir: state_dir.to_owned(), evidence_max_age, evidence_max_bytes, database_max_bytes: 64 << 20 }
    }

    #[test]
    fn a_clock_that_was_never_set_fails_and_one_that_nobody_sets_warns() {
        let looked = |second| {
            let found = clock(&ManualClock::new(Timestamp::from_second(second).expect("in range")));
            (found.result.is_ok(), found.warning.is_some())
        };
        assert_eq!([looked(0), looked(EARLIEST.as_second())], [(false, false), (true, true)]);
    }

    #[test]
    fn a_disk_too_small_for_what_is_allowed_warns() {
        let folder = tempfile::tempdir().expect("a folder");
        let verdicts = |bytes| {
            let found = state_directory(&limits(folder.path(), bytes));
            assert!(found.iter().all(|tried| tried.result.is_ok()), "{found:?}");
            found.iter().map(|tried| tried.warning.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(0), [false, false]);
        assert_eq!(verdicts(u64::MAX), [false, true]);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is left behind");
    }

    #[test]
    fn what_is_made_at_the_first_start_is_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let nowhere = limits(&folder.path().join("state"), 0);
        let found = state_directory(&nowhere).into_iter().chain(store(&nowhere, folder.path(), Timestamp::MAX));
        assert!(found.into_iter().all(|tried| tried.result.is_ok() && tried.warning.is_none()));
        fs::write(folder.path().join("gridwatch.db"), "something else").expect("written");
        let found = store(&limits(folder.path(), 0), folder.path(), Timestamp::MAX);
        assert!(found.len() == 1 && found[0].result.is_err(), "{found:?}");
    }
}
