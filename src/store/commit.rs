//! What one look changed, in one transaction.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::database::{Database, count, counter};
use super::gone::tell_gone;
use super::outbox::{SUPERSEDED, drop_message};
use super::seal::seal_new;
use super::{Class, Commit, Draft, SnapshotUse, StoreError, incidents};
use crate::contract::sequence::{Epoch, Seq, Stamp};
use crate::domain::camera::CameraId;

impl Database {
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Vec<Seq>, StoreError> {
        let result = self.try_commit(commit)?;
        self.note();
        self.wake();
        self.tidy_after(&commit.camera);
        Ok(result)
    }

    fn try_commit(&mut self, commit: &Commit) -> Result<Vec<Seq>, StoreError> {
        let (now, epoch, belief) = (self.now_ms(), self.epoch, self.belief());
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
                let number = if repeated.contains(&draft.event) {
                    number_of(tx, draft.event)?
                } else {
                    belief.note_event(tx, draft.event.0)?;
                    Some(enqueue(tx, draft, epoch, now)?)
                };
                numbers.extend(number);
            }
            let events = commit.drafts.iter().map(|draft| draft.event.0);
            let events: BTreeSet<Uuid> = events.chain(commit.snapshots_used.iter().map(|used| used.event_id)).collect();
            for event_id in events {
                enqueue_pictures(tx, event_id, now)?;
                seal_new(tx, event_id)?;
            }
            Ok(numbers)
        })
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
               SELECT event_id, ?2, topic, CASE role WHEN '\"original_sealed\"' THEN 'application/octet-stream' ELSE 'image/jpeg' END,
                 evidence.id, ?3 FROM evidence JOIN event USING(event_id)
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
