//! The audit: one row for every picture that leaves the box, for every command that acts, and for refusals.
//!
//! Rows are only ever added. Each names the row before it by that one's hash, so that nothing can be changed, taken
//! out, or put in another order without every later hash being another one; `metrics` carries the latest hash out of
//! the box, so that taking rows off the end shows too. `hash` is the SHA-256 of the row's canonical form: a JSON array
//! in UTF-8 without spaces,
//! ```text
//! ["gridwatch-audit-1",number,at_ms,actor,what,subject,sha256 or null,count,previous]
//! ```
//! The first row's `previous` is 64 zeros. Old rows are cut off only in one transaction with a new row of the kind
//! `cut`, which names the last one cut and keeps its hash (`sha256`). `meta.audit_head` is the number and hash of the
//! latest row, written with it: rows continue from there, whatever became of the table.

mod check;
mod depart;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::database::Database;
use super::outbox::hexadecimal;
use super::{Inspection, Store, StoreError, beside};
use crate::contract::metrics::AuditHead;
use crate::domain::Timestamp;
pub use check::{Broken, Verified, verify};
pub use depart::Carrier;

pub(super) const SCHEMA: &str = "
CREATE TABLE audit(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL,
  subject TEXT NOT NULL, sha256 TEXT, count INTEGER NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
";

/// What a row's canonical form begins with; another form gets another name.
const FORM: &str = "gridwatch-audit-1";
/// Characters of a subject; what is longer is cut.
const MAX_SUBJECT: usize = 400;
/// Rows are cut off in blocks: a share of those that may be kept.
const BLOCK_SHARE: u64 = 16;
/// What a row takes on the disk, roughly.
const ROW_BYTES: u64 = 400;
/// Share of the database's limit that rows may take.
const SHARE: u64 = 8;
/// Rows that are kept whatever the limit is.
const LEAST_ROWS: u64 = 1000;
/// Rows are cut off when the oldest is older than this and a day.
const MAX_AGE_MS: i64 = 365 * 86_400_000;
const DAY_MS: i64 = 86_400_000;

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The program by itself.
    Gateway,
    /// Whoever may write to `cmd/`.
    Command,
    /// Whoever may write to `feedback`.
    Feedback,
    /// Somebody at the box.
    Person,
}

impl Actor {
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Command => "command",
            Self::Feedback => "feedback",
            Self::Person => "person",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The audit of an outbox begins; the subject is its epoch.
    Begun,
    /// Older rows were cut off.
    Cut,
    /// A picture of an event goes to the broker.
    Published,
    /// A picture of an event goes into the spool directory.
    Spooled,
    /// A picture is written into a folder by `outbox export`.
    Exported,
    /// A picture of now goes to whoever asked for it.
    Snapshot,
    /// A command acts.
    Acts,
    /// A command that was to act could not.
    Failed,
    /// The platform's verdict on an event takes effect.
    Verdict,
    /// Messages that were not acted upon; the subject is the reason, never the content.
    Refused,
    /// What a command began has ended by itself.
    Ended,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Cut => "cut",
            Self::Published => "published",
            Self::Spooled => "spooled",
            Self::Exported => "exported",
            Self::Snapshot => "snapshot",
            Self::Acts => "acts",
            Self::Failed => "failed",
            Self::Verdict => "verdict",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub what: Deed,
    /// Of what, in words that are ours.
    pub subject: String,
    /// Of the picture or event, hexadecimal.
    pub sha256: Option<String>,
    /// How often.
    pub count: u64,
}

impl AuditEntry {
    /// Once, without a hash.
    #[must_use]
    pub fn new(actor: Actor, what: Deed, subject: impl Into<String>) -> Self {
        Self { actor, what, subject: subject.into(), sha256: None, count: 1 }
    }

    /// Names a picture.
    #[must_use]
    pub fn of(mut self, sha256: impl Into<String>) -> Self {
        self.sha256 = Some(sha256.into());
        self
    }
}

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Counted from 1.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Who caused it.
    pub actor: String,
    /// What happened.
    pub what: String,
    /// Of what.
    pub subject: String,
    /// Of the picture or event, hexadecimal.
    pub sha256: Option<String>,
    /// How often.
    pub count: u64,
    /// Hash of the row before.
    pub previous: String,
    /// Of the row.
    pub hash: String,
}

impl AuditRow {
    /// What `hash` has to be.
    #[must_use]
    pub fn digest(&self) -> String {
        let Self { number, at_ms, actor, what, subject, sha256, count, previous, .. } = self;
        let form = serde_json::json!([FORM, number, at_ms, actor, what, subject, sha256, count, previous]);
        hexadecimal(&Sha256::digest(form.to_string()))
    }

    /// When, as far as the clock was right.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or_default()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            at_ms: row.get(1)?,
            actor: row.get(2)?,
            what: row.get(3)?,
            subject: row.get(4)?,
            sha256: row.get(5)?,
            count: row.get(6)?,
            previous: row.get(7)?,
            hash: row.get(8)?,
        })
    }
}

impl Store {
    /// Writes rows, in one transaction. When this returns, they survive a power cut.
    pub async fn audit(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.call(move |db| db.audit(&entries)).await
    }

    /// The latest row.
    pub async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.call(|db| head(&db.connection)).await
    }

    /// By what pictures leave from now on; the broker unless it is said.
    pub async fn pictures_leave_by(&self, carrier: Carrier) -> Result<(), StoreError> {
        self.call(move |db| {
            db.carrier = carrier;
            Ok(())
        })
        .await
    }

    /// Writes rows from a process beside a running gateway.
    pub fn audit_beside(state_dir: &std::path::Path, entries: &[AuditEntry], at: Timestamp) -> Result<(), StoreError> {
        let mut connection = beside::connect_to_write(state_dir)?;
        if !has_table(&connection)? {
            return Err(StoreError::NoAudit(state_dir.to_owned()));
        }
        let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| beside::busy_or(state_dir, error))?;
        entries.iter().try_for_each(|entry| append(&transaction, entry, at.as_millisecond()))?;
        Ok(transaction.commit()?)
    }
}

impl Inspection {
    /// Every row, the oldest first.
    pub fn audit(&self) -> Result<Vec<AuditRow>, StoreError> {
        if !has_table(&self.connection)? {
            return Err(StoreError::NoAudit(self.directory.clone()));
        }
        let sql =
            "SELECT number, at_ms, actor, what, subject, sha256, count, previous, hash FROM audit ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        Ok(statement.query_map([], AuditRow::read)?.collect::<Result<_, _>>()?)
    }

    /// Number and hash of the latest row as they were kept beside the rows.
    pub fn audit_head(&self) -> Result<AuditHead, StoreError> {
        head(&self.connection)
    }
}

impl Database {
    pub(super) fn audit(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let at = self.now_ms();
        let mut write = || self.transact(|tx| entries.iter().try_for_each(|entry| append(tx, entry, at)));
        match write() {
            Err(StoreError::Database(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                self.release_ballast()?;
                self.transact(|tx| entries.iter().try_for_each(|entry| append(tx, entry, at)))
            }
            result => result,
        }
    }

    /// The first row of all, where there is none.
    pub(super) fn begin_audit(&mut self) -> Result<(), StoreError> {
        if head(&self.connection)?.number > 0 {
            return Ok(());
        }
        self.audit(&[AuditEntry::new(Actor::Gateway, Deed::Begun, self.epoch.to_string())])
    }

    /// Cuts off what is too old or too much, in blocks.
    pub(super) fn cut_audit(&mut self) -> Result<(), StoreError> {
        let most = (self.limits.database_max_bytes / SHARE / ROW_BYTES).max(LEAST_ROWS);
        let (now, old) = (self.now_ms(), self.age_now()?.saturating_sub(MAX_AGE_MS));
        self.transact(|tx| {
            let sql = "SELECT min(number), max(number), min(at_ms) FILTER (WHERE number = first) FROM
                       audit, (SELECT min(number) AS first FROM audit)";
            let (first, last, oldest) = tx.query_row(sql, [], |row| {
                Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<u64>>(1)?, row.get::<_, Option<i64>>(2)?))
            })?;
            let (Some(first), Some(last), Some(oldest)) = (first, last, oldest) else { return Ok(()) };
            let kept = last - first + 1;
            let by_space = if kept > most + most / BLOCK_SHARE { last - most } else { 0 };
            let by_age = if oldest < old.saturating_sub(DAY_MS) {
                // The latest row stays, however old it is: the next one continues from it.
                let sql = "SELECT coalesce(max(number), 0) FROM audit WHERE at_ms < ?1 AND number < ?2";
                tx.query_row(sql, params![old, last], |row| row.get(0))?
            } else {
                0
            };
            let cut: u64 = by_space.max(by_age);
            if cut < first {
                return Ok(());
            }
            let hash: String = tx.query_row("SELECT hash FROM audit WHERE number = ?1", [cut], |row| row.get(0))?;
            append(tx, &AuditEntry::new(Actor::Gateway, Deed::Cut, cut_subject(cut)).of(hash), now)?;
            tx.execute("DELETE FROM audit WHERE number <= ?1", [cut])?;
            Ok(())
        })
    }
}

/// How a row of the kind `cut` names the last row that it cut off.
fn cut_subject(last: u64) -> String {
    format!("rows up to {last}")
}

fn has_table(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Where the next row continues; number 0 before the first.
fn head(connection: &Connection) -> Result<AuditHead, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'audit_head'";
    let kept: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    let read = |text: &str| {
        let (number, sha256) = text.split_once(':')?;
        Some(AuditHead { number: number.parse().ok()?, sha256: sha256.to_owned() })
    };
    Ok(kept.as_deref().and_then(read).unwrap_or(AuditHead { number: 0, sha256: "0".repeat(64) }))
}

/// Adds a row; within a transaction that holds the write lock.
pub(super) fn append(tx: &Connection, entry: &AuditEntry, at_ms: i64) -> Result<(), StoreError> {
    let AuditHead { number, sha256: previous } = head(tx)?;
    let mut row = AuditRow {
        number: number + 1,
        at_ms,
        actor: entry.actor.name().to_owned(),
        what: entry.what.name().to_owned(),
        subject: entry.subject.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect(),
        sha256: entry.sha256.clone(),
        count: entry.count,
        previous,
        hash: String::new(),
    };
    row.hash = row.digest();
    tx.prepare_cached("INSERT INTO audit VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(params![
        row.number,
        row.at_ms,
        row.actor,
        row.what,
        row.subject,
        row.sha256,
        row.count,
        row.previous,
        row.hash
    ])?;
    let head = format!("{}:{}", row.number, row.hash);
    tx.prepare_cached("INSERT OR REPLACE INTO meta VALUES('audit_head', ?1)")?.execute([head])?;
    Ok(())
}
