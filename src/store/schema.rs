//! The tables, and a connection to a file that has them: new, sound, or of an earlier version and brought up to this one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use uuid::Uuid;

use super::{StoreError, audit, mending, seal};
use crate::contract::sequence::Epoch;

pub(super) const APPLICATION_ID: i64 = 0x4752_4457;
pub(super) const SCHEMA_VERSION: i64 = 2;

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

/// Opens a database; one that is damaged is an error.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
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

pub(super) fn damaged(what: &str) -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned())).into()
}
