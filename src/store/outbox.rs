//! Messages: written, sent, acknowledged, accounted for.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::database::{Database, count, counter};
use super::{
    Ack, Class, Commit, Draft, MessageId, OutboxMessage, Pending, SnapshotUse, StoreError, incidents, pictures,
};
use crate::contract::command::Since;
use crate::contract::metrics::Accounting;
use crate::contract::sequence::{Epoch, GoneRange, GoneReason, MAX_GONE_RANGES, Seq, Stamp};
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;

/// Minutes until a message without a receipt is sent again; the last one repeats.
const RESEND_MINUTES: [i64; 4] = [5, 15, 60, 60];

impl Class {
    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Opened,
            1 => Self::Closed,
            2 => Self::Update,
            _ => Self::Evidence,
        }
    }
}

impl Database {
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Vec<Seq>, StoreError> {
        let result = match self.try_commit(commit) {
            Err(StoreError::Database(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                tracing::error!(camera = %commit.camera, "disk full: letting the ballast go and trying again");
                self.release_ballast()?;
                self.try_commit(commit)
            }
            result => result,
        }?;
        self.wake();
        self.tidy_after(&commit.camera);
        Ok(result)
    }

    fn try_commit(&mut self, commit: &Commit) -> Result<Vec<Seq>, StoreError> {
        let (now, epoch) = (self.now_ms(), self.epoch);
        self.transact(|tx| {
            let mut repeated = HashSet::new();
            for step in &commit.transitions {
                if !incidents::record(tx, &commit.camera, step)? {
                    repeated.insert((step.event_id, step.revision));
                }
            }
            for used in &commit.snapshots_used {
                use_snapshot(tx, &commit.camera, used)?;
            }
            if let Some(state) = &commit.analyzer_state {
                tx.execute("INSERT OR REPLACE INTO analyzer VALUES(?1, ?2)", [commit.camera.as_str(), state])?;
            }
            for &(event_id, seq) in &commit.feedback_applied {
                incidents::applied(tx, event_id, seq)?;
            }
            let mut numbers = Vec::new();
            for draft in &commit.drafts {
                tx.execute("UPDATE event SET published = 1 WHERE event_id = ?1", [draft.event.0])?;
                numbers.extend(match repeated.contains(&draft.event) {
                    true => number_of(tx, draft.event)?,
                    false => Some(enqueue(tx, draft, epoch, now)?),
                });
            }
            let events = commit.drafts.iter().map(|draft| draft.event.0);
            let events: BTreeSet<Uuid> = events.chain(commit.snapshots_used.iter().map(|used| used.event_id)).collect();
            events.into_iter().try_for_each(|event_id| enqueue_pictures(tx, event_id, now))?;
            Ok(numbers)
        })
    }

    /// Most urgent first, except that a quarter of a larger batch goes to whatever waits longest.
    pub(super) fn next_batch(&mut self, limit: usize, busy: &[MessageId]) -> Result<Vec<OutboxMessage>, StoreError> {
        let now = self.now_ms();
        let busy: HashSet<i64> = busy.iter().map(|id| id.0).collect();
        let reserved = limit / 4;
        let mut chosen = self.due("class, CASE WHEN class < 2 THEN -id ELSE id END", limit - reserved, &busy, now)?;
        let taken: HashSet<i64> = busy.iter().chain(&chosen).copied().collect();
        chosen.extend(self.due("id", limit - chosen.len(), &taken, now)?);
        let mut batch = Vec::with_capacity(chosen.len());
        for id in chosen {
            batch.extend(self.load(id, now)?);
        }
        Ok(batch)
    }

    fn due(&mut self, order: &str, limit: usize, skip: &HashSet<i64>, now: i64) -> Result<Vec<i64>, StoreError> {
        let sql =
            format!("SELECT id FROM outbox WHERE state = 0 OR (state = 1 AND due_ms <= ?1) ORDER BY {order} LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![now, limit + skip.len()], |row| row.get::<_, i64>(0))?;
        let ids: Vec<i64> = rows.collect::<Result<_, _>>()?;
        Ok(ids.into_iter().filter(|id| !skip.contains(id)).take(limit).collect())
    }

    /// The message with its bytes. A picture whose file is missing or altered is counted as lost.
    fn load(&mut self, id: i64, now: i64) -> Result<Option<OutboxMessage>, StoreError> {
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
            let body = std::fs::read(&path).unwrap_or_default();
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

    pub(super) fn resync(&mut self, since: Since) -> Result<u64, StoreError> {
        let (filter, from) = match since {
            Since::Time(at) => ("created_ms >= ?1", at.as_millisecond()),
            Since::Seq(seq) => {
                let from = i64::try_from(seq).unwrap_or(i64::MAX);
                ("event_id IN (SELECT event_id FROM outbox WHERE seq >= ?1) AND (seq IS NULL OR seq >= ?1)", from)
            }
        };
        let sql = format!(
            "UPDATE outbox SET state = 0, due_ms = NULL, sends = 0 WHERE state IN (1, 2) AND {filter} AND (evidence IS NULL OR
             EXISTS(SELECT 1 FROM evidence JOIN picture ON picture.id = picture WHERE evidence.id = outbox.evidence AND present))"
        );
        let requeued = self.connection.execute(&sql, [from])? as u64;
        self.wake();
        Ok(requeued)
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
        let connection = &self.connection;
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

    pub(super) fn losses(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT reason, sum(n) FROM loss GROUP BY reason ORDER BY reason")?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    pub(super) fn last_seq(&mut self) -> Result<Seq, StoreError> {
        counter(&self.connection, "seq").map(Seq)
    }
}

/// Gives a snapshot to an event; one that has it already keeps it.
fn use_snapshot(tx: &Connection, camera: &CameraId, used: &SnapshotUse) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS(SELECT 1 FROM evidence WHERE event_id = ?1 AND name = ?2)";
    if tx.query_row(sql, params![used.event_id, used.id], |row| row.get(0))? {
        return Ok(());
    }
    let number = i64::try_from(used.snapshot.0).unwrap_or(i64::MAX);
    let sql = "SELECT picture FROM snapshot JOIN picture ON picture.id = picture WHERE camera = ?1 AND snapshot = ?2 AND present";
    let picture: Option<i64> = tx.query_row(sql, params![camera.as_str(), number], |row| row.get(0)).optional()?;
    let missing = || StoreError::NoSnapshot { camera: camera.to_string(), snapshot: used.snapshot.0 };
    let picture = picture.ok_or_else(missing)?;
    tx.execute(
        "INSERT INTO evidence(event_id, name, role, picture, topic) VALUES(?1, ?2, ?3, ?4, ?5)",
        params![used.event_id, used.id, serde_json::to_string(&used.role)?, picture, used.topic],
    )?;
    Ok(())
}

/// Makes messages of a published event's pictures that were never one.
fn enqueue_pictures(tx: &Connection, event_id: Uuid, now: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox(event_id, class, topic, content_type, evidence, created_ms)
               SELECT event_id, ?2, topic, 'image/jpeg', evidence.id, ?3 FROM evidence JOIN event USING(event_id)
               JOIN picture ON picture.id = picture WHERE event_id = ?1 AND published AND NOT enqueued AND present
               ORDER BY evidence.id";
    let produced = tx.prepare_cached(sql)?.execute(params![event_id, Class::Evidence as i64, now])?;
    if produced == 0 {
        return Ok(());
    }
    tx.execute("UPDATE evidence SET enqueued = 1 WHERE event_id = ?1", [event_id])?;
    count(tx, "produced", produced as u64)
}

/// Number of a message that was written before; `None` if it is not kept any more.
fn number_of(tx: &Connection, (event_id, revision): (Uuid, u32)) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT seq FROM outbox WHERE event_id = ?1 AND revision = ?2";
    Ok(tx.query_row(sql, params![event_id, revision], |row| row.get(0)).optional()?.map(Seq))
}

fn enqueue(tx: &Connection, draft: &Draft, epoch: Epoch, now: i64) -> Result<Seq, StoreError> {
    let (event_id, revision) = draft.event;
    let mut older = tx.prepare_cached(
        "SELECT id FROM outbox WHERE event_id = ?1 AND revision < ?2 AND class = 2 AND state = 0 AND NOT acked",
    )?;
    let older: Vec<i64> = older.query_map(params![event_id, revision], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in older {
        drop_message(tx, id, SUPERSEDED, now)?;
    }
    count(tx, "seq", 1)?;
    count(tx, "produced", 1)?;
    let seq = Seq(counter(tx, "seq")?);
    let stamp = Stamp { epoch, seq, gone: tell_gone(tx, seq)? };
    let body = (draft.render)(&stamp);
    tx.execute(
        "INSERT INTO outbox(seq, event_id, revision, class, topic, content_type, body, created_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
        params![seq.0, event_id, revision, draft.class as i64, draft.topic, draft.content_type, body, now],
    )?;
    Ok(seq)
}

const SUPERSEDED: &str = "superseded";

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

fn record_gone(tx: &Connection, seq: i64, reason: &str) -> Result<(), StoreError> {
    // What this message would have told has to be told by another.
    tx.execute("UPDATE gone SET told = NULL WHERE told = ?1", [seq])?;
    let sql = "UPDATE gone SET last = ?1 WHERE last = ?1 - 1 AND reason = ?2 AND told IS NULL";
    if tx.execute(sql, params![seq, reason])? == 0 {
        tx.execute("INSERT OR REPLACE INTO gone VALUES(?1, ?1, ?2, NULL)", params![seq, reason])?;
    }
    Ok(())
}

fn tell_gone(tx: &Connection, by: Seq) -> Result<Vec<GoneRange>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT first, last, reason FROM gone WHERE told IS NULL ORDER BY first LIMIT ?1")?;
    let rows =
        statement.query_map([MAX_GONE_RANGES], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
    let mut told = Vec::new();
    for row in rows {
        let (from, to, reason) = row?;
        let reason = match reason.as_str() {
            SUPERSEDED => GoneReason::Superseded,
            "quarantined" => GoneReason::Quarantined,
            _ => GoneReason::Lost,
        };
        told.push(GoneRange { from: Seq(from), to: Seq(to), reason });
    }
    for range in &told {
        tx.execute("UPDATE gone SET told = ?1 WHERE first = ?2", params![by.0, range.from.0])?;
    }
    Ok(told)
}

fn broker_has(tx: &Connection, id: i64, now: i64) -> Result<(), StoreError> {
    let sql = "SELECT sends FROM outbox WHERE id = ?1 AND evidence IS NULL AND state < 2";
    let Some(sends) = tx.query_row(sql, [id], |row| row.get::<_, usize>(0)).optional()? else {
        let sql = "UPDATE outbox SET state = 2, acked = 1 WHERE id = ?1 AND evidence IS NOT NULL";
        tx.execute(sql, [id])?;
        return Ok(());
    };
    let wait = RESEND_MINUTES[sends.min(RESEND_MINUTES.len() - 1)];
    let due = now + wait * 60_000;
    tx.execute("UPDATE outbox SET state = 1, sends = sends + 1, due_ms = ?2 WHERE id = ?1", params![id, due])?;
    Ok(())
}

fn release(tx: &Connection, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE outbox SET state = 2, acked = 1, due_ms = NULL WHERE id = ?1", [id])?;
    Ok(())
}

fn quarantine(tx: &Connection, id: i64, reason: &str) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET state = CASE WHEN acked THEN 2 ELSE 3 END, due_ms = NULL, reason = ?2
               WHERE id = ?1 AND state < 2 RETURNING seq, acked";
    let row: Option<(Option<i64>, bool)> =
        tx.query_row(sql, params![id, reason], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match row {
        Some((Some(seq), false)) => record_gone(tx, seq, "quarantined"),
        _ => Ok(()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}
