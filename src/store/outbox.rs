//! Messages: sent, acknowledged, accounted for.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::database::{Database, count, counter};
use super::gone::record_gone;
use super::{Ack, Class, MessageId, OutboxMessage, Pending, StoreError, pictures, seal};
use crate::contract::metrics::Accounting;
use crate::contract::sequence::Seq;
use crate::domain::Timestamp;

/// Minutes until a message without a receipt is sent again; the last one repeats.
const RESEND_MINUTES: [i64; 4] = [5, 15, 60, 60];

impl Class {
    pub(super) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Opened,
            1 => Self::Closed,
            2 => Self::Update,
            _ => Self::Evidence,
        }
    }
}

impl Database {
    /// Most urgent first, except that a quarter of a larger batch goes to whatever waits longest.
    pub(super) fn next_batch(&mut self, limit: usize, busy: &[MessageId]) -> Result<Vec<OutboxMessage>, StoreError> {
        let now = self.now_ms();
        let busy: HashSet<i64> = busy.iter().map(|id| id.0).collect();
        let reserved = limit / 4;
        let mut chosen = self.due("class, CASE WHEN class < 2 THEN -id ELSE id END", limit - reserved, &busy, now)?;
        let taken: HashSet<i64> = busy.iter().chain(&chosen).copied().collect();
        chosen.extend(self.due("id", limit - chosen.len(), &taken, now)?);
        self.load_batch(chosen, limit, now)
    }

    /// Up to `limit` of these messages with their bytes, for whoever sends them.
    pub(super) fn load_batch(
        &mut self,
        ids: impl IntoIterator<Item = i64>,
        limit: usize,
        now: i64,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        let mut batch = Vec::new();
        for id in ids {
            if batch.len() == limit {
                break;
            }
            batch.extend(self.load(id, now)?);
        }
        self.note_departures(&mut batch)?;
        Ok(batch)
    }

    fn due(&mut self, order: &str, limit: usize, skip: &HashSet<i64>, now: i64) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "SELECT id FROM outbox WHERE state = 0 OR (state = 1 AND coalesce(due_ms, 0) <= ?1) ORDER BY {order} LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![now, limit + skip.len()], |row| row.get::<_, i64>(0))?;
        let ids: Vec<i64> = rows.collect::<Result<_, _>>()?;
        Ok(ids.into_iter().filter(|id| !skip.contains(id)).take(limit).collect())
    }

    /// The message with its bytes. A picture whose file is missing or altered is counted as lost;
    /// one that cannot be read waits.
    fn load(&mut self, id: i64, now: i64) -> Result<Option<OutboxMessage>, StoreError> {
        if !seal::is_whole(&self.connection, id)? {
            tracing::error!(message = id, "a message was damaged on the disk: not sent");
            self.transact(|tx| drop_message(tx, id, "message_damaged", now))?;
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT outbox.seq, outbox.event_id, revision, class, outbox.topic, content_type, body, name, picture, sha256
             FROM outbox LEFT JOIN evidence ON evidence.id = outbox.evidence
             LEFT JOIN picture ON picture.id = evidence.picture WHERE outbox.id = ?1",
        )?;
        let (mut message, picture) = statement.query_row([id], |row| {
            let message = OutboxMessage {
                id: MessageId(id),
                seq: row.get::<_, Option<u64>>(0)?.map(Seq),
                event: (row.get(1)?, row.get(2)?),
                class: Class::from_number(row.get(3)?),
                topic: row.get(4)?,
                content_type: row.get(5)?,
                body: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default().into(),
                evidence: row.get(7)?,
            };
            Ok((message, row.get::<_, Option<i64>>(8)?.zip(row.get::<_, Option<String>>(9)?)))
        })?;
        drop(statement);
        if let Some((picture, expected)) = picture {
            let path = pictures::file(&self.directory, picture);
            let body = match std::fs::read(&path) {
                Ok(body) => body,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "the picture cannot be read now: it waits");
                    return Ok(None);
                }
            };
            if hexadecimal(&Sha256::digest(&body)) != expected {
                tracing::error!(file = %path.display(), "picture missing or damaged: not sent");
                self.transact(|tx| drop_message(tx, id, "evidence_damaged", now))?;
                return Ok(None);
            }
            message.body = body.into();
        }
        Ok(Some(message))
    }

    pub(super) fn acknowledge(&mut self, acks: &[(MessageId, Ack)]) -> Result<(), StoreError> {
        let now = self.now_ms();
        self.transact(|tx| {
            for (MessageId(id), ack) in acks {
                match ack {
                    Ack::BrokerAcked => broker_has(tx, *id, now)?,
                    Ack::Released => release(tx, *id)?,
                    Ack::Quarantined { reason } => quarantine(tx, *id, reason)?,
                }
            }
            Ok(())
        })?;
        self.note();
        self.wake();
        Ok(())
    }

    pub(super) fn receipt(&mut self, event_id: Uuid, revision: u32) -> Result<u64, StoreError> {
        self.transact(|tx| {
            tx.execute("INSERT OR IGNORE INTO meta VALUES('receipts_seen', 1)", [])?;
            let released = tx.execute(
                "UPDATE outbox SET state = 2, acked = 1, due_ms = NULL WHERE event_id = ?1 AND
                 ((revision = ?2 AND state < 2) OR (revision < ?2 AND state = 1))",
                params![event_id, revision],
            )?;
            Ok(released as u64)
        })
    }

    pub(super) fn receipts_seen(&mut self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS(SELECT 1 FROM meta WHERE key = 'receipts_seen')";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    pub(super) fn pending(&mut self) -> Result<Pending, StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), min(due_ms) FILTER (WHERE state = 1)
                   FROM outbox WHERE state < 2";
        let (ready, awaiting_receipt, due) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?)))?;
        let next_due = due.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Pending { ready, awaiting_receipt, next_due })
    }

    pub(super) fn requeue_evidence(&mut self, event_id: Uuid, name: &str) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE outbox SET state = 0 WHERE evidence IN (SELECT evidence.id FROM evidence
             JOIN picture ON picture.id = picture WHERE event_id = ?1 AND name = ?2 AND present)",
            params![event_id, name],
        )?;
        self.wake();
        Ok(changed > 0)
    }

    pub(super) fn accounting(&mut self) -> Result<Accounting, StoreError> {
        accounting(&self.connection)
    }

    pub(super) fn losses(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT reason, sum(n) FROM loss GROUP BY reason ORDER BY reason")?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    pub(super) fn last_seq(&mut self) -> Result<Seq, StoreError> {
        counter(&self.connection, "seq").map(Seq)
    }
}

/// What became of every message, counted in the same moment.
pub(super) fn accounting(connection: &Connection) -> Result<Accounting, StoreError> {
    let sql = "SELECT count(*) FILTER (WHERE acked), count(*) FILTER (WHERE NOT acked AND state < 2),
               count(*) FILTER (WHERE NOT acked AND state = 3) FROM outbox";
    let (acked, pending, quarantined): (u64, u64, u64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Accounting {
        produced: counter(connection, "produced")?,
        acknowledged: acked + counter(connection, "acknowledged_purged")?,
        pending,
        superseded: counter(connection, "superseded")?,
        quarantined,
        lost: connection.query_row("SELECT coalesce(sum(n), 0) FROM loss", [], |row| row.get(0))?,
    })
}

pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const QUARANTINED: &str = "quarantined";

/// Deletes a message and counts it in the same transaction.
pub(super) fn drop_message(tx: &Connection, id: i64, reason: &str, now: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM outbox WHERE id = ?1 RETURNING seq, class, acked";
    let row: Option<(Option<i64>, i64, bool)> =
        tx.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((seq, class, acked)) = row else { return Ok(()) };
    if acked {
        return count(tx, "acknowledged_purged", 1);
    }
    if reason == SUPERSEDED {
        count(tx, SUPERSEDED, 1)?;
    } else {
        tx.execute(
            "INSERT INTO loss VALUES(?1, ?2, 1, ?3, ?3) ON CONFLICT DO UPDATE SET n = n + 1, last_ms = ?3",
            params![reason, class, now],
        )?;
    }
    seq.map_or(Ok(()), |seq| record_gone(tx, seq, if reason == SUPERSEDED { SUPERSEDED } else { "lost" }))
}

fn broker_has(tx: &Connection, id: i64, now: i64) -> Result<(), StoreError> {
    let sql = "SELECT sends FROM outbox WHERE id = ?1 AND evidence IS NULL AND state < 2";
    let Some(sends) = tx.query_row(sql, [id], |row| row.get::<_, usize>(0)).optional()? else {
        let sql = "UPDATE outbox SET state = 2, acked = 1, audited = 0 WHERE id = ?1 AND evidence IS NOT NULL";
        tx.execute(sql, [id])?;
        return Ok(());
    };
    let wait = RESEND_MINUTES[sends.min(RESEND_MINUTES.len() - 1)];
    let due = now + wait * 60_000;
    tx.execute("UPDATE outbox SET state = 1, sends = sends + 1, due_ms = ?2 WHERE id = ?1", params![id, due])?;
    Ok(())
}

fn release(tx: &Connection, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE outbox SET state = 2, acked = 1, due_ms = NULL, audited = 0 WHERE id = ?1", [id])?;
    Ok(())
}

fn quarantine(tx: &Connection, id: i64, reason: &str) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET state = CASE WHEN acked THEN 2 ELSE 3 END, due_ms = NULL, reason = ?2, audited = 0
               WHERE id = ?1 AND state < 2 RETURNING seq, acked";
    let row: Option<(Option<i64>, bool)> =
        tx.query_row(sql, params![id, reason], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match row {
        Some((Some(seq), false)) => record_gone(tx, seq, QUARANTINED),
        _ => Ok(()),
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}
