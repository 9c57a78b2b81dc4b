//! Whose turn it is on a line that carries one message after another.
//!
//! Every question is answered from the index of states and classes, so that it costs the same with ten messages
//! waiting as with ten thousand.

use std::collections::HashSet;

use rusqlite::params;

use super::database::Database;
use super::{Class, MessageId, OutboxMessage, Store, StoreError};

/// An event message younger than this is live: it goes before everything that has piled up.
const LIVE_MS: i64 = 60_000;

/// Candidates beyond those asked for: a picture that cannot be read now must not hold up the others.
const SPARE: usize = 4;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Event messages: live ones in their order, then opened and closed ones, the newest first, then updates.
    Urgent,
    /// Event messages that have waited longest, and those whose receipt is overdue.
    Oldest,
    /// Pictures, the newest first.
    NewestPicture,
    /// Pictures, the oldest first.
    OldestPicture,
}

impl Store {
    /// Up to `limit` messages to send in this turn, without those in `in_flight`.
    pub async fn next_of(
        &self,
        turn: Turn,
        limit: usize,
        in_flight: Vec<MessageId>,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        self.call(move |db| db.next_of(turn, limit, &in_flight)).await
    }
}

impl Database {
    fn next_of(&mut self, turn: Turn, limit: usize, busy: &[MessageId]) -> Result<Vec<OutboxMessage>, StoreError> {
        let now = self.now_ms();
        let busy: HashSet<i64> = busy.iter().map(|id| id.0).collect();
        let wanted = limit + busy.len() + SPARE;
        let chosen = match turn {
            Turn::Urgent => self.urgent(wanted, now)?,
            Turn::Oldest => self.longest_waiting(wanted, now)?,
            Turn::NewestPicture => ids(self.waiting(Class::Evidence, "DESC", wanted)?),
            Turn::OldestPicture => ids(self.waiting(Class::Evidence, "ASC", wanted)?),
        };
        self.load_batch(chosen.into_iter().filter(|id| !busy.contains(id)), limit, now)
    }

    fn urgent(&mut self, wanted: usize, now: i64) -> Result<Vec<i64>, StoreError> {
        let mut live = Vec::new();
        let mut backlog = Vec::new();
        for (class, order) in [(Class::Opened, "DESC"), (Class::Closed, "DESC"), (Class::Update, "DESC")] {
            let newest = self.waiting(class, order, wanted)?;
            let (fresh, stale): (Vec<_>, Vec<_>) = newest.into_iter().partition(|(_, created)| now - created < LIVE_MS);
            live.extend(ids(fresh));
            if class != Class::Update {
                backlog.extend(ids(stale));
            }
        }
        live.sort_unstable();
        if live.len() + backlog.len() < wanted {
            let updates = ids(self.waiting(Class::Update, "ASC", wanted)?);
            backlog.extend(updates.into_iter().filter(|id| !live.contains(id)));
        }
        live.extend(backlog);
        Ok(live)
    }

    fn longest_waiting(&mut self, wanted: usize, now: i64) -> Result<Vec<i64>, StoreError> {
        let mut found = Vec::new();
        for class in [Class::Opened, Class::Closed, Class::Update] {
            found.extend(ids(self.waiting(class, "ASC", wanted)?));
            let sql = "SELECT id FROM outbox WHERE state = 1 AND class = ?1 AND coalesce(due_ms, 0) <= ?2 ORDER BY id LIMIT ?3";
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![class as i64, now, wanted], |row| row.get::<_, i64>(0))?;
            found.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Ids, and when the messages were written.
    fn waiting(&mut self, class: Class, order: &str, wanted: usize) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql =
            format!("SELECT id, created_ms FROM outbox WHERE state = 0 AND class = ?1 ORDER BY id {order} LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![class as i64, wanted], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn ids(rows: Vec<(i64, i64)>) -> Vec<i64> {
    rows.into_iter().map(|(id, _)| id).collect()
}
