//! Messages that are sent again because somebody asked for them.

use rusqlite::{Connection, ToSql, params};

use super::audit::{self, AuditEntry};
use super::database::Database;
use super::gone::{is_back, not_kept};
use super::{Store, StoreError};
use crate::contract::command::{MAX_NOT_KEPT, NotKept, Resent, Resync, Since};

/// Numbers are kept in the database's signed integers.
pub(super) const LARGEST: u64 = i64::MAX as u64;

impl Store {
    /// Sends again what is asked for, also what was quarantined. Numbers of another epoch are refused.
    pub async fn resync(&self, asked: Resync) -> Result<Resent, StoreError> {
        self.call(move |db| db.resync(asked, None)).await
    }

    /// Numbers from `first` to `last` that were given and are not kept any more.
    pub async fn not_kept(&self, first: u64, last: u64) -> Result<Vec<NotKept>, StoreError> {
        self.call(move |db| Ok(not_kept(&db.connection, first, last, usize::MAX)?.0)).await
    }

    /// As [`Store::resync`], and writes down who asked in the same transaction.
    pub async fn resync_for(&self, asked: Resync, row: AuditEntry) -> Result<Resent, StoreError> {
        self.call(move |db| db.resync(asked, Some(&row))).await
    }
}

impl Database {
    pub(super) fn resync(&mut self, asked: Resync, row: Option<&AuditEntry>) -> Result<Resent, StoreError> {
        if let Some(epoch) = asked.epoch.filter(|epoch| *epoch != self.epoch) {
            return Err(StoreError::ForeignEpoch { asked: epoch, ours: self.epoch });
        }
        let now = self.now_ms();
        let resent = self.transact(|tx| {
            row.map_or(Ok(()), |row| audit::append(tx, row, now))?;
            match asked.since {
                Since::Time(at) => {
                    let messages = send_again(tx, "created_ms >= ?1", params![at.as_millisecond()])?;
                    Ok(Resent { messages, ..Resent::default() })
                }
                Since::Seq(first) => {
                    let (first, last) = (first.min(LARGEST), asked.until.unwrap_or(LARGEST).min(LARGEST));
                    let range = "event_id IN (SELECT event_id FROM outbox WHERE seq BETWEEN ?1 AND ?2)
                             AND (seq IS NULL OR seq BETWEEN ?1 AND ?2)";
                    let mut resent =
                        Resent { messages: send_again(tx, range, params![first, last])?, ..Resent::default() };
                    if asked.wants_account() {
                        let (ranges, more) = not_kept(tx, first, last, MAX_NOT_KEPT)?;
                        (resent.not_kept, resent.more) = (Some(ranges), more);
                    }
                    Ok(resent)
                }
            }
        })?;
        self.wake();
        Ok(resent)
    }
}

/// Makes messages that a condition names pending again, and returns how many. Pictures that are not kept any more
/// have none. What was acknowledged once stays acknowledged in the accounting.
pub(super) fn send_again(tx: &Connection, which: &str, parameters: &[&dyn ToSql]) -> Result<u64, StoreError> {
    let sql = format!(
        "UPDATE outbox SET state = 0, due_ms = NULL, sends = 0, reason = NULL WHERE state IN (1, 2, 3) AND {which}
         AND (evidence IS NULL OR EXISTS(SELECT 1 FROM evidence JOIN picture ON picture.id = picture
                                         WHERE evidence.id = outbox.evidence AND present)) RETURNING seq, acked"
    );
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map(parameters, |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, bool>(1)?)))?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    for seq in rows.iter().filter_map(|(seq, acked)| seq.filter(|_| !acked)) {
        is_back(tx, seq)?;
    }
    Ok(rows.len() as u64)
}
