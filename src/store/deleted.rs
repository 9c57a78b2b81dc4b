//! A record of deletions: how much of what went on which day, and why; in the transaction that deletes.
//!
//! Triggers of the gateway's own connection write it, so that no way of deleting can forget to. Why, is told from the age at
//! deletion: past the retention or before it. What another process or an older program deletes is not recorded.

use rusqlite::{Connection, params};

use super::StoreError;
use super::database::Database;

/// Days that the record goes back.
const KEPT_DAYS: i64 = 400;
const DAY_MS: i64 = 86_400_000;

/// Makes the table, and the triggers for as long as this connection lasts. `age_ms` is `now_ms` as far as it is believed for
/// deleting, `max_age_ms` the retention.
fn prepare(connection: &Connection, now_ms: i64, age_ms: i64, max_age_ms: i64) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS deleted(day TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL, n INTEGER NOT NULL,
           bytes INTEGER NOT NULL, oldest_ms INTEGER NOT NULL, PRIMARY KEY(day, what, why)) WITHOUT ROWID;
         PRAGMA temp_store=MEMORY;
         CREATE TEMP TABLE IF NOT EXISTS now(id INTEGER PRIMARY KEY, ms INTEGER NOT NULL);",
    )?;
    set_time(connection, now_ms)?;
    connection
        .execute("DELETE FROM deleted WHERE day < date(?1 / 1000, 'unixepoch')", [age_ms - KEPT_DAYS * DAY_MS])?;
    let aged = |moment: &str, otherwise: &str| {
        format!("CASE WHEN {moment} < (SELECT ms FROM temp.now) - {max_age_ms} THEN 'age' ELSE {otherwise} END")
    };
    let trigger = |name: &str, when: &str, what: &str, why: &str, bytes: &str, moment: &str| {
        format!(
            "CREATE TEMP TRIGGER IF NOT EXISTS {name} {when} BEGIN
               INSERT INTO deleted VALUES((SELECT date(ms / 1000, 'unixepoch') FROM temp.now), '{what}', {why}, 1, {bytes}, {moment})
               ON CONFLICT(day, what, why) DO UPDATE SET n = n + 1, bytes = bytes + excluded.bytes,
                 oldest_ms = min(oldest_ms, excluded.oldest_ms);
             END;"
        )
    };
    let taken = "OLD.captured_ms";
    let sql = [
        trigger(
            "picture_given_up",
            "AFTER UPDATE OF present ON main.picture WHEN OLD.present AND NOT NEW.present",
            "picture",
            &aged(taken, "'space'"),
            "OLD.bytes",
            taken,
        ),
        trigger(
            "picture_let_go",
            "AFTER DELETE ON main.picture WHEN OLD.present",
            "picture",
            &aged(taken, "'not_needed'"),
            "OLD.bytes",
            taken,
        ),
        trigger(
            "event_deleted",
            "AFTER DELETE ON main.event",
            "incident",
            &aged("OLD.touched_ms", "'space'"),
            "0",
            "OLD.touched_ms",
        ),
        trigger(
            "message_deleted",
            "AFTER DELETE ON main.outbox WHEN OLD.evidence IS NULL",
            "message",
            &format!("CASE WHEN NOT OLD.acked THEN 'not_delivered' ELSE {} END", aged("OLD.created_ms", "'space'")),
            "coalesce(length(OLD.body), 0)",
            "OLD.created_ms",
        ),
    ];
    Ok(connection.execute_batch(&sql.concat())?)
}

fn set_time(connection: &Connection, now_ms: i64) -> Result<(), StoreError> {
    connection.prepare_cached("INSERT OR REPLACE INTO temp.now VALUES(1, ?1)")?.execute(params![now_ms])?;
    Ok(())
}

impl Database {
    /// To be called for every new connection.
    pub(super) fn prepare_deletions(&mut self) -> Result<(), StoreError> {
        let max_age_ms = i64::try_from(self.limits.evidence_max_age.as_millis()).unwrap_or(i64::MAX);
        // Keeping it could fail on a disk that fails, and that opens another connection, and so on.
        let age_ms = self.look_at_age();
        prepare(&self.connection, self.now_ms(), age_ms, max_age_ms)
    }

    /// Deletions are recorded under this moment until the next call.
    pub(super) fn date_deletions(&self) -> Result<(), StoreError> {
        set_time(&self.connection, self.now_ms())
    }
}
