//! What is deleted for age, and what is given up for space, in the order that the module names.

use rusqlite::Connection;
use uuid::Uuid;

use super::database::{Database, count, counter};
use super::space::next_picture;
use super::{Housekeeping, StoreError, outbox, pictures};
use crate::contract::metrics::Accounting;
use crate::domain::camera::CameraId;

/// Counts how often the accounting was found wrong.
const MISMATCHES: &str = "accounting_mismatches";
/// Messages, steps or incidents given up at a time.
const STEP: i64 = 64;

/// Pictures by the order in which they are given up; ranks stand in the module's documentation.
pub(super) const NEXT_PICTURE: &str = "
SELECT picture.id, picture.bytes, max(CASE WHEN evidence.id IS NULL THEN 3
    WHEN NOT closed THEN CASE WHEN outbox.acked THEN 2 ELSE 4 END WHEN outbox.id IS NULL OR outbox.acked THEN 0 ELSE 1 END) AS rank
FROM picture LEFT JOIN evidence ON evidence.picture = picture.id
LEFT JOIN event USING(event_id) LEFT JOIN outbox ON outbox.evidence = evidence.id WHERE present
GROUP BY picture.id
ORDER BY rank, picture.id LIMIT 1";

/// Pictures past the retention of snapshots, and of incidents that are still open (those of closed ones go
/// with the incident), unless they still have to be sent.
const OLD_PICTURES: &str = "
SELECT picture.id FROM picture LEFT JOIN evidence ON evidence.picture = picture.id
LEFT JOIN event USING(event_id) LEFT JOIN outbox ON outbox.evidence = evidence.id
WHERE present AND captured_ms < ?1 GROUP BY picture.id
HAVING NOT max(closed IS TRUE OR (outbox.id IS NOT NULL AND NOT (acked AND state = 2)))";

/// Share of the database's limit that is for messages, whatever else fills it.
const MESSAGES_SHARE: u64 = 4;

/// Messages that are done with.
const DONE: &str = "SELECT id FROM outbox WHERE body IS NOT NULL AND acked AND state = 2 ORDER BY id LIMIT ?1";

/// The others, by the order in which they are given up.
const NEXT_MESSAGES: &str = "
SELECT id FROM outbox WHERE body IS NOT NULL
ORDER BY CASE WHEN state = 3 THEN 0 WHEN class = 2 THEN 1 WHEN class = 1 THEN 2 ELSE 3 END, id LIMIT ?1";

/// Steps of timelines by age of their incident.
const CLOSED_STEPS: &str = "
SELECT step.event_id, step.revision FROM transition step JOIN event USING(event_id)
WHERE closed AND step.revision < event.revision ORDER BY touched_ms, step.revision LIMIT ?1";
const OPEN_STEPS: &str = "
SELECT step.event_id, step.revision FROM transition step JOIN event USING(event_id)
WHERE NOT closed AND step.revision > 1 AND step.revision < event.revision ORDER BY touched_ms, step.revision LIMIT ?1";

impl Database {
    pub(super) fn housekeep(&mut self) -> Result<Housekeeping, StoreError> {
        let lost_before = self.accounting()?.lost;
        let mut pictures_removed = self.expire()?;
        pictures_removed += self.limit_pictures()?;
        self.limit_database()?;
        self.cut_audit()?;
        self.collect_garbage()?;
        self.ensure_ballast();
        let accounting = self.accounting()?;
        self.watch(&accounting)?;
        let messages_lost = accounting.lost.saturating_sub(lost_before);
        if messages_lost > 0 {
            tracing::warn!(messages = messages_lost, "given up for space");
        }
        Ok(Housekeeping { pictures_removed, messages_lost, balanced: accounting.balances() })
    }

    /// Says once, and counts, that a message has vanished or is counted twice. The program goes on: what it holds is
    /// delivered all the same.
    fn watch(&mut self, accounting: &Accounting) -> Result<(), StoreError> {
        let difference = accounting.difference();
        if difference == self.difference {
            return Ok(());
        }
        if difference == 0 {
            tracing::warn!("the outbox's accounting balances again");
        } else {
            let Accounting { produced, acknowledged, pending, superseded, quarantined, lost } = *accounting;
            tracing::error!(
                produced,
                acknowledged,
                pending,
                superseded,
                quarantined,
                lost,
                %difference,
                "the outbox's accounting does not balance"
            );
            count(&self.connection, MISMATCHES, 1)?;
        }
        self.difference = difference;
        Ok(())
    }

    /// How often the accounting was found wrong in this life of the outbox.
    pub(super) fn accounting_mismatches(&mut self) -> Result<u64, StoreError> {
        counter(&self.connection, MISMATCHES)
    }

    /// Keeps the pictures within their limit after something that is durable. What goes wrong here is done
    /// again by [`Database::housekeep`], and must not make that look undone.
    pub(super) fn tidy_after(&mut self, camera: &CameraId) {
        let mut tidied = self.limit_pictures().and_then(|_| self.collect_garbage());
        // While there is no ballast, the database keeps within the room that it left.
        if self.hard_limit.is_some() {
            tidied = tidied.and_then(|()| self.limit_database());
            self.ensure_ballast();
        }
        if let Err(error) = tidied {
            tracing::warn!(%camera, %error, "the store cannot be tidied");
        }
    }

    /// Deletes acknowledged messages, closed incidents and pictures past the retention.
    fn expire(&mut self) -> Result<u64, StoreError> {
        let age = i64::try_from(self.limits.evidence_max_age.as_millis()).unwrap_or(i64::MAX);
        let (now, before) = (self.now_ms(), self.age_now()?.saturating_sub(age));
        self.transact(|tx| {
            let mut old = tx.prepare(
                "SELECT id FROM outbox WHERE acked AND state = 2 AND created_ms < ?1
                 AND event_id IN (SELECT event_id FROM event WHERE closed AND touched_ms < ?1)",
            )?;
            for id in old.query_map([before], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()? {
                outbox::drop_message(tx, id, "expired", now)?;
            }
            let settled = "SELECT event_id FROM event WHERE closed AND touched_ms < ?1
                           AND event_id NOT IN (SELECT event_id FROM outbox)";
            let mut removed = delete_events(tx, settled, before)?;
            let mut old = tx.prepare(OLD_PICTURES)?;
            for id in old.query_map([before], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()? {
                give_up_picture(tx, id, "expired", now)?;
                removed += 1;
            }
            // Ranges told by a message that is gone for good are known to the platform.
            tx.execute("DELETE FROM gone WHERE told IS NOT NULL AND told NOT IN (SELECT seq FROM outbox WHERE seq IS NOT NULL)", [])?;
            Ok(removed)
        })
    }

    /// Gives up pictures until they fit. An event keeps the row: it says that there was one.
    pub(super) fn limit_pictures(&mut self) -> Result<u64, StoreError> {
        let (limit, wanting, now) = (self.limits.evidence_max_bytes, self.wanting(), self.now_ms());
        self.transact(|tx| {
            let (mut removed, mut freed) = (0, 0);
            loop {
                let sql = "SELECT coalesce(sum(bytes), 0) FROM picture WHERE present";
                let used: u64 = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
                if used <= limit && freed >= wanting {
                    return Ok(removed);
                }
                let Some(next) = next_picture(tx)?.filter(|next| used > limit || next.is_delivered()) else {
                    return Ok(removed);
                };
                give_up_picture(tx, next.id, "evidence_quota", now)?;
                freed += next.bytes;
                removed += 1;
            }
        })
    }

    /// Gives up messages and timelines until the database fits.
    fn limit_database(&mut self) -> Result<(), StoreError> {
        let limit = self.database_limit();
        while self.database_bytes()? > limit {
            let has_dropped = self.drop_messages(DONE)?
                || self.drop_steps(CLOSED_STEPS)?
                || self.drop_closed()?
                || self.drop_steps(OPEN_STEPS)?
                || self.message_bytes()? > limit / MESSAGES_SHARE && self.drop_messages(NEXT_MESSAGES)?;
            if !has_dropped {
                tracing::error!(limit, "open incidents and the cameras' states fill the database");
                break;
            }
        }
        Ok(())
    }

    fn drop_messages(&mut self, next: &str) -> Result<bool, StoreError> {
        let now = self.now_ms();
        self.transact(|tx| {
            let mut next = tx.prepare_cached(next)?;
            let ids: Vec<i64> = next.query_map([STEP], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for &id in &ids {
                outbox::drop_message(tx, id, "database_quota", now)?;
            }
            Ok(!ids.is_empty())
        })
    }

    fn drop_steps(&mut self, next: &str) -> Result<bool, StoreError> {
        let sql = format!("DELETE FROM transition WHERE (event_id, revision) IN ({next})");
        self.transact(|tx| Ok(tx.execute(&sql, [STEP])? > 0))
    }

    fn drop_closed(&mut self) -> Result<bool, StoreError> {
        let next = "SELECT event_id FROM event WHERE closed AND event_id NOT IN (SELECT event_id FROM outbox)
                    ORDER BY touched_ms LIMIT ?1";
        self.transact(|tx| {
            let before = tx.total_changes();
            delete_events(tx, next, STEP)?;
            Ok(tx.total_changes() > before)
        })
    }

    fn message_bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(length(body)), 0) FROM outbox";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Bytes in use: pages that are free count as space.
    pub(super) fn database_bytes(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
        Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
    }
}

/// Deletes a picture and its messages; events keep a row that says that there was one.
pub(super) fn give_up_picture(tx: &Connection, picture: i64, reason: &str, now: i64) -> Result<(), StoreError> {
    let sql = "SELECT outbox.id FROM outbox JOIN evidence ON evidence.id = outbox.evidence WHERE picture = ?1";
    let messages: Vec<i64> =
        tx.prepare_cached(sql)?.query_map([picture], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in messages {
        outbox::drop_message(tx, id, reason, now)?;
    }
    tx.execute("DELETE FROM snapshot WHERE picture = ?1", [picture])?;
    tx.execute("UPDATE picture SET present = 0 WHERE id = ?1", [picture])?;
    tx.execute("INSERT OR IGNORE INTO garbage VALUES(?1)", [picture])?;
    pictures::let_go_of_unused(tx, picture)
}

/// Deletes the events that a query with one parameter names. Returns how many pictures they had.
fn delete_events(tx: &Connection, which: &str, parameter: i64) -> Result<u64, StoreError> {
    let events: Vec<Uuid> =
        tx.prepare_cached(which)?.query_map([parameter], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut removed = 0;
    for event in events {
        let mut owned = tx.prepare_cached("SELECT picture FROM evidence WHERE event_id = ?1")?;
        let owned: Vec<i64> = owned.query_map([event], |row| row.get(0))?.collect::<Result<_, _>>()?;
        tx.execute("DELETE FROM event WHERE event_id = ?1", [event])?;
        for &picture in &owned {
            pictures::let_go_of_unused(tx, picture)?;
        }
        removed += owned.len() as u64;
    }
    Ok(removed)
}
