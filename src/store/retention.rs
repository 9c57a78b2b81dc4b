//! What is kept and since when, what should be gone, and what was deleted: to be shown to whoever asks.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rusqlite::params;
use serde::Serialize;

use super::inspect::Inspection;
use super::{StoreError, pictures};
use crate::domain::Timestamp;

/// The gateway tidies every minute; what is older than it may be by more than this should have been seen to.
const GRACE_MS: i64 = 2 * 3_600_000;

/// Everything there is to say of retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Of each kind.
    pub kept: Vec<Kept>,
    /// Files of pictures.
    pub files: Files,
    /// By day, the latest first.
    pub deleted: Vec<Deleted>,
}

impl Retention {
    /// Whether what should be gone is gone.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.kept.iter().all(|kept| kept.overdue == 0) && self.files.unknown == 0
    }
}

/// One kind of thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Which.
    pub what: &'static str,
    /// How many.
    pub count: u64,
    /// Together.
    pub bytes: u64,
    /// The oldest.
    pub oldest: Option<Timestamp>,
    /// Past the retention because they still have to be delivered, or belong to an incident that has not ended.
    pub held: u64,
    /// Past the retention without such a reason: to be explained.
    pub overdue: u64,
}

/// Files against rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// In the folder.
    pub present: u64,
    /// Of a picture that is not kept, and not about to be deleted.
    pub unknown: u64,
    /// To be unlinked at the next tidying.
    pub to_be_deleted: u64,
    /// Kept by the database, but not there.
    pub missing: u64,
}

/// What was deleted on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// UTC.
    pub day: String,
    /// `picture`, `message`, `incident`.
    pub what: String,
    /// `age`: past the retention. `space`: for want of it. `not_needed`: nothing referred to the picture any more.
    /// `not_delivered`: superseded, or given up; the losses are in `metrics`.
    pub why: String,
    /// How many.
    pub count: u64,
    /// Together.
    pub bytes: u64,
    /// The oldest of them.
    pub oldest: Option<Timestamp>,
}

impl Inspection {
    /// Compares what is kept with what may be: nothing older than `max_age` at `now`.
    pub fn retention(&self, max_age: Duration, now: Timestamp) -> Result<Retention, StoreError> {
        let age_ms = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        let before = now.as_millisecond().saturating_sub(age_ms).saturating_sub(GRACE_MS);
        let waiting = "EXISTS(SELECT 1 FROM evidence JOIN event USING(event_id) LEFT JOIN outbox ON outbox.evidence = evidence.id
                       WHERE evidence.picture = picture.id AND (NOT closed OR (outbox.id IS NOT NULL AND NOT (outbox.acked AND outbox.state = 2))
                       OR EXISTS(SELECT 1 FROM outbox open WHERE open.event_id = event.event_id AND NOT (open.acked AND open.state = 2))
                       OR touched_ms >= ?1))";
        let kept = vec![
            self.kept("pictures", "picture WHERE present", ("bytes", "captured_ms"), waiting, before)?,
            self.kept("open incidents", "event WHERE NOT closed", ("0", "touched_ms"), "1", before)?,
            self.kept(
                "closed incidents",
                "event WHERE closed",
                ("0", "touched_ms"),
                "EXISTS(SELECT 1 FROM outbox WHERE outbox.event_id = event.event_id)",
                before,
            )?,
            self.kept(
                "messages",
                "outbox WHERE evidence IS NULL",
                ("length(body)", "created_ms"),
                "NOT (acked AND state = 2) OR NOT EXISTS(SELECT 1 FROM event WHERE event.event_id = outbox.event_id AND closed AND touched_ms < ?1)",
                before,
            )?,
        ];
        Ok(Retention { kept, files: self.files()?, deleted: self.deletions()? })
    }

    fn kept(
        &self,
        what: &'static str,
        from: &str,
        (bytes, moment): (&str, &str),
        held: &str,
        before: i64,
    ) -> Result<Kept, StoreError> {
        let sql = format!(
            "SELECT count(*), coalesce(sum({bytes}), 0), min({moment}), count(*) FILTER (WHERE {moment} < ?1 AND ({held})),
             count(*) FILTER (WHERE {moment} < ?1 AND NOT ({held})) FROM {from}"
        );
        Ok(self.connection().query_row(&sql, [before], |row| {
            let oldest = row.get::<_, Option<i64>>(2)?.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            Ok(Kept { what, count: row.get(0)?, bytes: row.get(1)?, oldest, held: row.get(3)?, overdue: row.get(4)? })
        })?)
    }

    fn files(&self) -> Result<Files, StoreError> {
        let ids = |sql: &str| -> Result<BTreeSet<i64>, StoreError> {
            let mut statement = self.connection().prepare(sql)?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        let kept = ids("SELECT id FROM picture WHERE present")?;
        let garbage = ids("SELECT picture FROM garbage")?;
        let last: i64 = self.connection().query_row(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'picture'",
            [],
            |row| row.get(0),
        )?;
        let folder = pictures::folder(self.directory());
        let names = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let found: BTreeSet<i64> = names.filter_map(|name| name.to_str()?.strip_suffix(".jpg")?.parse().ok()).collect();
        Ok(Files {
            present: found.len() as u64,
            // A number that was not given yet is a picture that is being written just now.
            unknown: found.iter().filter(|id| **id <= last && !kept.contains(id) && !garbage.contains(id)).count()
                as u64,
            to_be_deleted: found.intersection(&garbage).count() as u64,
            missing: kept.difference(&found).count() as u64,
        })
    }

    fn deletions(&self) -> Result<Vec<Deleted>, StoreError> {
        let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        if !self.connection().query_row(sql, params!["deleted"], |row| row.get::<_, bool>(0))? {
            return Ok(Vec::new());
        }
        let sql = "SELECT day, what, why, n, bytes, oldest_ms FROM deleted ORDER BY day DESC, what, why";
        let mut statement = self.connection().prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let oldest = Timestamp::from_millisecond(row.get(5)?).ok();
            let (day, what, why) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Deleted { day, what, why, count: row.get(3)?, bytes: row.get(4)?, oldest })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
