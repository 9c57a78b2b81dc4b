//! Opening, schema, and setting a damaged database aside.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, ffi, params};
use tokio::sync::watch;
use uuid::Uuid;

use super::audit::{self, Carrier};
use super::lock::lock;
use super::mark::Witness;
use super::{OpenReport, StoreError, aside, deleted, doubt, mending, pictures, seal};
use crate::clock::Clock;
use crate::config::model::Storage;
use crate::contract::sequence::Epoch;

pub(super) const APPLICATION_ID: i64 = 0x4752_4457;
pub(super) const SCHEMA_VERSION: i64 = 2;
pub(super) const FILE_NAME: &str = "gridwatch.db";
pub(super) const LOG_NAME: &str = "gridwatch.db-wal";

const SCHEMA: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE loss(reason TEXT, class INTEGER, n INTEGER NOT NULL, first_ms INTEGER, last_ms INTEGER,
  PRIMARY KEY(reason, class)) WITHOUT ROWID;
CREATE TABLE event(event_id BLOB PRIMARY KEY, camera TEXT NOT NULL, revision INTEGER NOT NULL,
  closed INTEGER NOT NULL, touched_ms INTEGER NOT NULL, feedback_seq INTEGER, feedback TEXT,
  published INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE transition(event_id BLOB REFERENCES event ON DELETE CASCADE, revision INTEGER,
  body TEXT NOT NULL, PRIMARY KEY(event_id, revision)) WITHOUT ROWID;
CREATE TABLE unapplied(event_id BLOB PRIMARY KEY REFERENCES event ON DELETE CASCADE, seq INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE picture(id INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, width INTEGER NOT NULL,
  height INTEGER NOT NULL, sha256 TEXT NOT NULL, redaction TEXT NOT NULL, captured_ms INTEGER NOT NULL,
  present INTEGER NOT NULL DEFAULT 1);
CREATE TABLE snapshot(camera TEXT, snapshot INTEGER, picture INTEGER NOT NULL REFERENCES picture,
  PRIMARY KEY(camera, snapshot)) WITHOUT ROWID;
CREATE TABLE evidence(id INTEGER PRIMARY KEY, event_id BLOB NOT NULL REFERENCES event ON DELETE CASCADE,
  name TEXT NOT NULL, role TEXT NOT NULL, picture INTEGER NOT NULL REFERENCES picture,
  topic TEXT NOT NULL, enqueued INTEGER NOT NULL DEFAULT 0, UNIQUE(event_id, name));
CREATE INDEX evidence_picture ON evidence(picture);
CREATE INDEX snapshot_picture ON snapshot(picture);
CREATE TABLE garbage(picture INTEGER PRIMARY KEY);
CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER UNIQUE, event_id BLOB NOT NULL,
  revision INTEGER, class INTEGER NOT NULL, topic TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB,
  evidence INTEGER UNIQUE REFERENCES evidence, created_ms INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,      -- 0 pending, 1 awaiting receipt, 2 released, 3 quarantined
  acked INTEGER NOT NULL DEFAULT 0,      -- was released once
  sends INTEGER NOT NULL DEFAULT 0, due_ms INTEGER, reason TEXT,
  audited INTEGER NOT NULL DEFAULT 0);   -- a picture whose departure is written down
CREATE INDEX outbox_lane ON outbox(state, class, id);
CREATE INDEX outbox_event ON outbox(event_id, revision);
CREATE TABLE gone(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL, told INTEGER);
CREATE TABLE analyzer(camera TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE auth_stop(host TEXT, account TEXT, fingerprint TEXT NOT NULL, failures INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(host, account, fingerprint)) WITHOUT ROWID;
";

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
            dated_ms: 0,
            wake,
            _lock: lock,
        };
        doubt::prepare(&database.connection, &database.clock.quality().boot_id)?;
        let max_age_ms = i64::try_from(database.limits.evidence_max_age.as_millis()).unwrap_or(i64::MAX);
        database.dated_ms = database.now_ms();
        doubt::nothing_lies_ahead(&database.connection, database.dated_ms)?;
        deleted::prepare(&database.connection, database.now_ms(), max_age_ms)?;
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
            Ok(connection) => self.connection = connection,
            Err(StoreError::Database(error)) if is_damage(&error) => {
                tracing::error!(%error, "the database is damaged; only a start can set it aside");
                self.closed = true;
            }
            Err(error) => tracing::error!(%error, "the database cannot be opened anew yet"),
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

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // A name nobody else uses in a folder of our own: whatever does not look like ours was damaged.
    if (application == APPLICATION_ID) != (tables > 0) {
        return Err(damaged("the header does not match the content"));
    }
    if version > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    // Small pages: a commit changes a few rows on many of them, and each goes to the disk twice. Only a new file takes it.
    connection.execute_batch("PRAGMA page_size=1024;")?;
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=800;
         PRAGMA journal_size_limit=4194304; PRAGMA cell_size_check=ON;",
    )?;
    if tables == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(seal::TABLE)?;
        transaction.execute_batch(audit::SCHEMA)?;
        transaction.execute("INSERT INTO meta VALUES('epoch', ?1)", [Uuid::now_v7().to_string()])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
        return Ok(connection);
    }
    connection.execute_batch(seal::TABLE)?;
    // The quick one does not look whether an index names every row, and what is not named is not sent.
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(&verdict));
    }
    let mended = mending::mend_text(&connection)?;
    if mended > 0 {
        tracing::error!(
            values = mended,
            "the disk has changed texts of the database; what that costs is counted where it comes out"
        );
    }
    migrate(&mut connection, version)?;
    if let Some(missing) = mending::missing_column(&connection, &[SCHEMA, seal::TABLE, audit::SCHEMA])? {
        return Err(damaged(&format!("there is no {missing}")));
    }
    if read_epoch(&connection)?.is_none() {
        return Err(damaged("no epoch"));
    }
    Ok(connection)
}

/// From an older schema to ours, in one transaction: whole or not at all.
fn migrate(connection: &mut Connection, from: i64) -> Result<(), StoreError> {
    if from >= SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if from < 2 {
        transaction.execute_batch("ALTER TABLE outbox ADD COLUMN audited INTEGER NOT NULL DEFAULT 0;")?;
        transaction.execute_batch(audit::SCHEMA)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    tracing::info!(from, to = SCHEMA_VERSION, "the database was brought to this version's schema");
    Ok(())
}

pub(super) fn read_epoch(connection: &Connection) -> Result<Option<Epoch>, StoreError> {
    let sql = "SELECT value FROM meta WHERE key='epoch'";
    let text: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()).map(Epoch))
}

fn damaged(what: &str) -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned())).into()
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
