//! The open database: transactions, and what becomes of them on a disk that is full, fails or damages it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, ffi, params};
use tokio::sync::watch;

use super::age::Age;
use super::audit::Carrier;
use super::lock::lock;
use super::mark::Witness;
use super::schema::{connect, damaged, read_epoch};
use super::{OpenReport, StoreError, aside, doubt, pictures};
use crate::clock::Clock;
use crate::config::model::Storage;
use crate::contract::sequence::Epoch;

pub(super) const FILE_NAME: &str = "gridwatch.db";
pub(super) const LOG_NAME: &str = "gridwatch.db-wal";

/// The connection and what belongs to it; lives on the store's thread.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) directory: PathBuf,
    pub(super) epoch: Epoch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Storage,
    pub(super) next_picture: i64,
    pub(super) closed: bool,
    /// By how much the accounting was wrong when it was looked at last.
    pub(super) difference: i128,
    /// What the database may use until the ballast is there again.
    pub(super) hard_limit: Option<u64>,
    pub(super) witness: Witness,
    /// By what pictures leave.
    pub(super) carrier: Carrier,
    /// UTC when it was looked at last.
    pub(super) dated_ms: i64,
    pub(super) age: Age,
    wake: watch::Sender<u64>,
    /// Held for as long as the database is open.
    _lock: File,
}

impl Database {
    pub(super) fn open(
        config: &Storage,
        clock: Arc<dyn Clock>,
        wake: watch::Sender<u64>,
    ) -> Result<(Self, OpenReport), StoreError> {
        let directory = config.state_dir.clone();
        make_directory(&directory)?;
        let lock = lock(&directory)?;
        let path = directory.join(FILE_NAME);
        let witness = Witness::open(&directory);
        let found = if aside::has_vanished(&directory, &witness) {
            Err(damaged("the file has lost its content"))
        } else {
            connect(&path)
        };
        let opened = match found {
            // Even the index of the log needs room. What is let go here is made again when there is some.
            Err(StoreError::Database(error)) if needs_room(&error) && directory.join("ballast").exists() => {
                tracing::error!(%error, "disk full: letting the ballast go to be able to start");
                let ballast = directory.join("ballast");
                fs::remove_file(&ballast).map_err(|error| file_error(&ballast, error))?;
                connect(&path)
            }
            result => result,
        };
        let (connection, set_aside) = match opened {
            Ok(connection) => (connection, None),
            Err(StoreError::Database(error)) if is_damage(&error) => {
                let aside = aside::set_aside(&directory)?;
                tracing::error!(file = %aside.display(), %error, "damaged database set aside, starting anew");
                (connect(&path)?, Some(aside))
            }
            Err(error) => return Err(error),
        };
        make_directory(&pictures::folder(&directory))?;
        let epoch = read_epoch(&connection)?.ok_or_else(|| damaged("no epoch"))?;
        let limits = config.clone();
        let utc_ms = clock.utc().as_millisecond();
        let age = Age::read(&connection, clock.now(), utc_ms)?;
        let mut database = Self {
            connection,
            directory,
            epoch,
            clock,
            limits,
            next_picture: 1,
            closed: false,
            difference: 0,
            carrier: Carrier::default(),
            hard_limit: None,
            witness,
            dated_ms: utc_ms,
            age,
            wake,
            _lock: lock,
        };
        doubt::prepare(&database.connection, &database.clock.quality().boot_id)?;
        doubt::nothing_lies_ahead(&database.connection, database.dated_ms)?;
        database.prepare_deletions()?;
        let lost = database.reconcile(set_aside.is_some())?;
        if let Err(error) = database.begin_audit() {
            tracing::error!(%error, "the audit's first row cannot be written; the next one will be the first");
        }
        // What cannot be tidied is no reason not to start: an unattended box would never come back.
        if let Err(error) = database.collect_garbage() {
            tracing::error!(%error, "pictures that were let go cannot be deleted");
        }
        let orphans_removed = database.sweep_orphans()?;
        database.ensure_ballast();
        let pending = database.pending()?;
        let pending = pending.ready + pending.awaiting_receipt;
        Ok((database, OpenReport { epoch, set_aside, orphans_removed, pending, lost }))
    }

    /// Counts what is missing against the mark, in one transaction.
    fn reconcile(&mut self, is_new: bool) -> Result<u64, StoreError> {
        let now = self.now_ms();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let lost = self.witness.reconcile(&transaction, is_new, now)?;
        transaction.commit()?;
        if lost > 0 {
            tracing::error!(messages = lost, "damage of the store has taken messages; they are counted as lost");
        }
        self.note();
        Ok(lost)
    }

    /// Says beside the database how far it has come.
    pub(super) fn note(&self) {
        self.witness.note(&self.connection);
    }

    /// Runs `work` in one transaction; once more without the ballast where the disk is full. After an error of the disk
    /// itself nothing that the connection remembers can be trusted: the next transaction has a new one.
    pub(super) fn transact<T>(
        &mut self,
        mut work: impl FnMut(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = self.try_transact(&mut work);
        match &result {
            Err(StoreError::Database(error)) if is_full(error) && self.has_ballast() => {
                tracing::error!("disk full: letting the ballast go and trying again");
                self.release_ballast()?;
                self.try_transact(&mut work)
            }
            Err(StoreError::Database(error)) if is_io(error) => {
                tracing::error!(%error, "the disk fails: the database is opened anew and checked");
                self.reopen();
                result
            }
            _ => result,
        }
    }

    /// A failed sync may have dropped pages that the connection believes written.
    fn reopen(&mut self) {
        match connect(&self.directory.join(FILE_NAME)) {
            Ok(connection) => {
                self.connection = connection;
                if let Err(error) = self.prepare_deletions() {
                    tracing::error!(%error, "deletions are not recorded");
                }
            }
            Err(StoreError::Database(error)) if is_damage(&error) => {
                tracing::error!(%error, "the database is damaged; only a start can set it aside");
                self.closed = true;
            }
            Err(error) => tracing::error!(%error, "the database cannot be opened anew yet"),
        }
    }

    /// Damage that comes to light while the program runs is only set aside by a start: without its thread the store is
    /// closed, and the watchdog sees to the rest.
    pub(super) fn give_up_if_damaged(&mut self, error: &StoreError) {
        if let StoreError::Database(error) = error
            && is_damage(error)
        {
            tracing::error!(%error, "the database is damaged: the store is closed until the program starts again");
            self.closed = true;
        }
    }

    fn try_transact<T>(
        &mut self,
        work: &mut impl FnMut(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.utc().as_millisecond()
    }

    pub(super) fn wake(&self) {
        self.wake.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.closed = true;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

pub(super) fn file_error(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), source }
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|error| file_error(path, error))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let is_said = matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase));
    is_said || is_unreadable(error) || matches!(error, rusqlite::Error::Utf8Error(..))
}

/// A file that ends too early, or sectors that the disk cannot read: it will be no better at the next start.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    let lost =
        [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_DATA, ffi::SQLITE_IOERR_CORRUPTFS];
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if lost.contains(&failure.extended_code))
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
}

/// Whether an open may have failed for want of room; the log's index says so in its own words.
fn needs_room(error: &rusqlite::Error) -> bool {
    is_full(error)
        || is_io(error) && !is_unreadable(error)
        || error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen)
}

/// Adds to a named counter.
pub(super) fn count(connection: &Connection, name: &str, by: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO counter VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET n = n + ?2";
    connection.prepare_cached(sql)?.execute(params![name, by])?;
    Ok(())
}

/// A named counter.
pub(super) fn counter(connection: &Connection, name: &str) -> Result<u64, StoreError> {
    let sql = "SELECT n FROM counter WHERE name = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_connection_that_was_opened_anew_can_do_what_the_first_could() {
        let directory = tempfile::tempdir().expect("a folder");
        let limits = Storage {
            state_dir: directory.path().to_owned(),
            evidence_max_age: Duration::from_secs(86_400),
            evidence_max_bytes: 1 << 20,
            database_max_bytes: 64 << 20,
        };
        let (wake, _) = watch::channel(0);
        let (mut database, _) = Database::open(&limits, Arc::new(SystemClock::new()), wake).expect("a store");
        database.reopen();
        assert!(database.misdated().expect("times are looked at").is_empty());
        assert_eq!(database.housekeep().expect("kept").pictures_removed, 0);
    }
}
