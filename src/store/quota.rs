//! What is deleted for age, and what is given up for space, in the order that the module names.

use std::fs::{self, File};

use rusqlite::OptionalExtension;

use super::database::{Database, file_error};
use super::{Housekeeping, StoreError, outbox, pictures};
use crate::domain::camera::CameraId;

/// Space to fall back on when the disk is full, in bytes.
const BALLAST_BYTES: u64 = 16 * 1024 * 1024;
/// Free space below which the ballast is not made again.
const BALLAST_NEEDS_FREE: u64 = 4 * BALLAST_BYTES;
/// Messages given up at a time.
const STEP: usize = 64;

/// Pictures by the order in which they are given up; ranks stand in the module's documentation.
const NEXT_PICTURE: &str = "
SELECT picture.id FROM picture LEFT JOIN evidence ON evidence.picture = picture.id
LEFT JOIN event USING(event_id) LEFT JOIN outbox ON outbox.evidence = evidence.id WHERE present
GROUP BY picture.id
ORDER BY max(CASE WHEN evidence.id IS NULL THEN 3 WHEN NOT closed THEN CASE WHEN outbox.acked THEN 2 ELSE 4 END
             WHEN outbox.id IS NULL OR outbox.acked THEN 0 ELSE 1 END), picture.id LIMIT 1";

/// Messages by the order in which they are given up.
const NEXT_MESSAGES: &str = "
SELECT id FROM outbox WHERE body IS NOT NULL
ORDER BY CASE WHEN acked AND state = 2 THEN 0 WHEN class = 2 THEN 1 WHEN class = 1 THEN 2 ELSE 3 END, id LIMIT ?1";

impl Database {
    pub(super) fn housekeep(&mut self) -> Result<Housekeeping, StoreError> {
        let lost_before = self.accounting()?.lost;
        let mut pictures_removed = self.expire()?;
        pictures_removed += self.limit_pictures()?;
        self.limit_database()?;
        self.collect_garbage()?;
        self.ensure_ballast();
        let accounting = self.accounting()?;
        if !accounting.balances() {
            tracing::error!(?accounting, "the outbox's accounting does not balance");
        }
        let messages_lost = accounting.lost - lost_before;
        if messages_lost > 0 {
            tracing::warn!(messages = messages_lost, "given up for space");
        }
        Ok(Housekeeping { pictures_removed, messages_lost, balanced: accounting.balances() })
    }

    /// Keeps the pictures within their limit after something that is durable. What goes wrong here is done
    /// again by [`Database::housekeep`], and must not make that look undone.
    pub(super) fn tidy_after(&mut self, camera: &CameraId) {
        if let Err(error) = self.limit_pictures().and_then(|_| self.collect_garbage()) {
            tracing::warn!(%camera, %error, "pictures cannot be tidied");
        }
    }

    /// Deletes acknowledged messages, closed incidents and their pictures past the retention.
    fn expire(&mut self) -> Result<u64, StoreError> {
        let age = i64::try_from(self.limits.evidence_max_age.as_millis()).unwrap_or(i64::MAX);
        let now = self.now_ms();
        let before = now.saturating_sub(age);
        self.transact(|tx| {
            let mut old = tx.prepare(
                "SELECT id FROM outbox WHERE acked AND state = 2 AND created_ms < ?1
                 AND event_id IN (SELECT event_id FROM event WHERE closed AND touched_ms < ?1)",
            )?;
            for id in old.query_map([before], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()? {
                outbox::drop_message(tx, id, "expired", now)?;
            }
            let settled = "closed AND touched_ms < ?1 AND event_id NOT IN (SELECT event_id FROM outbox)";
            let sql = format!("SELECT DISTINCT picture FROM evidence JOIN event USING(event_id) WHERE {settled}");
            let pictures: Vec<i64> =
                tx.prepare(&sql)?.query_map([before], |row| row.get(0))?.collect::<Result<_, _>>()?;
            tx.execute(&format!("DELETE FROM event WHERE {settled}"), [before])?;
            for &picture in &pictures {
                pictures::let_go_of_unused(tx, picture)?;
            }
            // Ranges told by a message that is gone for good are known to the platform.
            tx.execute("DELETE FROM gone WHERE told IS NOT NULL AND told NOT IN (SELECT seq FROM outbox WHERE seq IS NOT NULL)", [])?;
            Ok(pictures.len() as u64)
        })
    }

    /// Gives up pictures until they fit. An event keeps the row: it says that there was one.
    pub(super) fn limit_pictures(&mut self) -> Result<u64, StoreError> {
        let (limit, now) = (self.limits.evidence_max_bytes, self.now_ms());
        self.transact(|tx| {
            let mut removed = 0;
            loop {
                let sql = "SELECT coalesce(sum(bytes), 0) FROM picture WHERE present";
                if tx.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0))? <= limit {
                    return Ok(removed);
                }
                let next = tx.prepare_cached(NEXT_PICTURE)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
                let Some(picture) = next else { return Ok(removed) };
                let sql =
                    "SELECT outbox.id FROM outbox JOIN evidence ON evidence.id = outbox.evidence WHERE picture = ?1";
                let messages: Vec<i64> =
                    tx.prepare_cached(sql)?.query_map([picture], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for id in messages {
                    outbox::drop_message(tx, id, "evidence_quota", now)?;
                }
                tx.execute("DELETE FROM snapshot WHERE picture = ?1", [picture])?;
                tx.execute("UPDATE picture SET present = 0 WHERE id = ?1", [picture])?;
                tx.execute("INSERT OR IGNORE INTO garbage VALUES(?1)", [picture])?;
                pictures::let_go_of_unused(tx, picture)?;
                removed += 1;
            }
        })
    }

    /// Gives up messages, and timelines of closed incidents, until the database fits.
    fn limit_database(&mut self) -> Result<(), StoreError> {
        let now = self.now_ms();
        while self.database_bytes()? > self.limits.database_max_bytes {
            let dropped = self.transact(|tx| {
                let ids: Vec<i64> =
                    tx.prepare_cached(NEXT_MESSAGES)?.query_map([STEP], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for &id in &ids {
                    outbox::drop_message(tx, id, "database_quota", now)?;
                }
                Ok(ids.len())
            })?;
            if dropped == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Bytes in use: pages that are free count as space.
    fn database_bytes(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
        Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
    }

    pub(super) fn release_ballast(&mut self) -> Result<(), StoreError> {
        let path = self.directory.join("ballast");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(&path, error)),
            _ => Ok(()),
        }
    }

    /// Makes the ballast again when there is room; without room there is none, which is no error.
    pub(super) fn ensure_ballast(&self) {
        let path = self.directory.join("ballast");
        let free = rustix::fs::statvfs(&self.directory).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize));
        if path.exists() || free < BALLAST_NEEDS_FREE {
            return;
        }
        let made = File::create_new(&path).and_then(|file| {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BALLAST_BYTES).map_err(Into::into)
        });
        if let Err(error) = made {
            tracing::warn!(file = %path.display(), %error, "no ballast");
        }
    }
}
