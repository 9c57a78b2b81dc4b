//! Which times were told while nobody knew whether the clock was right, and by how much they turned out to be wrong.
//!
//! A row says when, as it was believed at the time, this boot of the machine began. Once the clock is known, so is when it
//! really began, and the difference is what every time told meanwhile was wrong by; also after a restart of the program, but
//! not after another boot, whose distance from this one nobody can tell.

use jiff::SignedDuration;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::database::Database;
use super::{Store, StoreError};
use crate::clock::{ClockQuality, FOLLOW_STEP};
use crate::domain::camera::CameraId;

/// A clock that nobody vouches for and that was set by more than this was never set before.
const SURELY_SET: SignedDuration = SignedDuration::from_hours(24);

/// Until a message without a receipt is sent again, at most.
const LONGEST_WAIT_MS: i64 = 3_600_000;
/// The clock was set back, and not merely read a little later by another thread.
const SET_BACK_MS: i64 = 2_000;

/// An event whose times have to be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misdated {
    /// Which.
    pub event_id: Uuid,
    /// Its camera.
    pub camera: CameraId,
    /// By how much its times are behind, as they were told last.
    pub by: SignedDuration,
}

/// What is known of the clock at one moment.
#[derive(Debug, Clone)]
pub(super) struct Belief {
    quality: ClockQuality,
    /// When this boot began, in milliseconds since 1970.
    boot_ms: i64,
}

impl Belief {
    /// Notes the moment that `key` is told at, or that it is told rightly now.
    fn note(&self, tx: &Connection, insert: &str, delete: &str, key: &dyn rusqlite::ToSql) -> Result<(), StoreError> {
        if self.quality.synced {
            tx.prepare_cached(delete)?.execute(params![key])?;
        } else {
            tx.prepare_cached(insert)?.execute(params![key, self.quality.boot_id, self.boot_ms])?;
        }
        Ok(())
    }

    pub(super) fn note_event(&self, tx: &Connection, event_id: Uuid) -> Result<(), StoreError> {
        let (insert, delete) =
            ("INSERT OR REPLACE INTO event_doubt VALUES(?1, ?2, ?3)", "DELETE FROM event_doubt WHERE event_id = ?1");
        self.note(tx, insert, delete, &event_id)
    }

    pub(super) fn note_picture(&self, tx: &Connection, picture: i64) -> Result<(), StoreError> {
        let (insert, delete) =
            ("INSERT OR REPLACE INTO picture_doubt VALUES(?1, ?2, ?3)", "DELETE FROM picture_doubt WHERE picture = ?1");
        self.note(tx, insert, delete, &picture)
    }
}

/// Makes the tables, and forgets what another boot told: it will never be known. They hold nothing that a program of before
/// would miss, so they are no new version of the schema.
pub(super) fn prepare(connection: &Connection, boot_id: &str) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS event_doubt(event_id BLOB PRIMARY KEY, boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL)
           WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS picture_doubt(picture INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, boot_ms INTEGER NOT NULL);",
    )?;
    let events = connection.execute("DELETE FROM event_doubt WHERE boot_id <> ?1", [boot_id])?;
    connection.execute("DELETE FROM picture_doubt WHERE boot_id <> ?1", [boot_id])?;
    if events > 0 {
        tracing::warn!(
            events,
            "times of events of an earlier boot were told with a clock that was never known; they stay as they are"
        );
    }
    Ok(())
}

/// Nothing was made in the future: what says so was made while the clock stood too far ahead. It would be kept, or wait for
/// its turn, until that time comes. Receipts are waited for an hour at most.
pub(super) fn nothing_lies_ahead(connection: &Connection, now_ms: i64) -> Result<(), StoreError> {
    for (table, column, latest) in [
        ("outbox", "created_ms", now_ms),
        ("outbox", "due_ms", now_ms.saturating_add(LONGEST_WAIT_MS)),
        ("event", "touched_ms", now_ms),
        ("picture", "captured_ms", now_ms),
    ] {
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {column} > ?1");
        connection.execute(&sql, [latest])?;
    }
    Ok(())
}

impl Store {
    /// Events whose times turned out to be wrong, now that the clock is known; their pictures' times are corrected here.
    pub async fn misdated(&self) -> Result<Vec<Misdated>, StoreError> {
        self.call(Database::misdated).await
    }
}

impl Database {
    pub(super) fn belief(&self) -> Belief {
        let quality = self.clock.quality();
        let uptime_ms = i64::try_from(quality.uptime_ms).unwrap_or(i64::MAX);
        Belief { quality, boot_ms: self.now_ms().saturating_sub(uptime_ms) }
    }

    /// Corrects the times of pictures, and names the published events that have to be told again. Those that were told
    /// rightly, as it turns out, are forgotten.
    pub(super) fn misdated(&mut self) -> Result<Vec<Misdated>, StoreError> {
        let now_ms = self.now_ms();
        if now_ms < self.dated_ms - SET_BACK_MS {
            self.transact(|tx| nothing_lies_ahead(tx, now_ms))?;
        }
        self.date_deletions()?;
        self.dated_ms = now_ms;
        let Belief { quality, boot_ms } = self.belief();
        let slack = if quality.synced { FOLLOW_STEP } else { SURELY_SET };
        let slack_ms = i64::try_from(slack.as_millis()).unwrap_or(i64::MAX);
        let news = "SELECT EXISTS(SELECT 1 FROM event_doubt WHERE ?3 OR abs(?1 - boot_ms) > ?2)
                    OR EXISTS(SELECT 1 FROM picture_doubt WHERE ?3 OR abs(?1 - boot_ms) > ?2)";
        let now = params![boot_ms, slack_ms, quality.synced];
        if !self.connection.prepare_cached(news)?.query_row(now, |row| row.get(0))? {
            return Ok(Vec::new());
        }
        self.transact(|tx| {
            tx.execute(
                "UPDATE picture SET captured_ms = captured_ms + (SELECT ?1 - boot_ms FROM picture_doubt WHERE picture = picture.id)
                 WHERE id IN (SELECT picture FROM picture_doubt WHERE abs(?1 - boot_ms) > ?2)",
                params![boot_ms, slack_ms],
            )?;
            if quality.synced {
                tx.execute("DELETE FROM picture_doubt", [])?;
                tx.execute("DELETE FROM event_doubt WHERE abs(?1 - boot_ms) <= ?2", params![boot_ms, slack_ms])?;
            } else {
                tx.execute("UPDATE picture_doubt SET boot_ms = ?1 WHERE abs(?1 - boot_ms) > ?2", params![boot_ms, slack_ms])?;
            }
            tx.execute("DELETE FROM event_doubt WHERE event_id NOT IN (SELECT event_id FROM event)", [])?;
            tx.execute("DELETE FROM picture_doubt WHERE picture NOT IN (SELECT id FROM picture)", [])?;
            let mut wrong = tx.prepare(
                "SELECT event_id, camera, ?1 - boot_ms FROM event_doubt JOIN event USING(event_id)
                 WHERE abs(?1 - boot_ms) > ?2 AND published ORDER BY event_id LIMIT 4096",
            )?;
            let rows = wrong.query_map(params![boot_ms, slack_ms], |row| {
                Ok((row.get::<_, Uuid>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
            })?;
            let mut found = Vec::new();
            for row in rows {
                let (event_id, camera, by_ms) = row?;
                let camera = CameraId::new(&camera);
                found.extend(camera.map(|camera| Misdated { event_id, camera, by: SignedDuration::from_millis(by_ms) }));
            }
            Ok(found)
        })
    }
}
