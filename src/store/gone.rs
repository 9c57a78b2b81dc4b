//! Numbers that will never be sent: told in the next event, and named when somebody asks for them.
//!
//! What was acknowledged and deleted since is not told by itself: nearly all of it has arrived, and a list of it in
//! every event would say nothing. Whoever misses such a number asks for it, and is answered that it is not kept.

use rusqlite::{Connection, params};

use super::StoreError;
use super::database::counter;
use super::outbox::{QUARANTINED, SUPERSEDED};
use crate::contract::command::{NotKept, NotKeptReason};
use crate::contract::sequence::{GoneRange, GoneReason, MAX_GONE_RANGES, Seq};

/// Notes that a number will not be sent, to be told.
pub(super) fn record_gone(tx: &Connection, seq: i64, reason: &str) -> Result<(), StoreError> {
    // What this message would have told has to be told by another.
    tx.execute("UPDATE gone SET told = NULL WHERE told = ?1", [seq])?;
    // It may stand there for another reason: what is lost may have been in quarantine.
    take_out(tx, seq, true)?;
    let sql = "UPDATE gone SET last = ?1 WHERE last = ?1 - 1 AND reason = ?2 AND told IS NULL";
    if tx.execute(sql, params![seq, reason])? == 0 {
        tx.execute("INSERT INTO gone VALUES(?1, ?1, ?2, NULL)", params![seq, reason])?;
    }
    Ok(())
}

/// Takes a number out of the ranges that are to be told; told ones stand, and the message comes after all.
pub(super) fn is_back(tx: &Connection, seq: i64) -> Result<(), StoreError> {
    take_out(tx, seq, false)
}

/// Splits the ranges that hold a number, also those that were told if `told_too`.
fn take_out(tx: &Connection, seq: i64, told_too: bool) -> Result<(), StoreError> {
    let mut delete = tx.prepare_cached(
        "DELETE FROM gone WHERE ?1 BETWEEN first AND last AND (told IS NULL OR ?2) RETURNING first, last, reason, told",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let ranges: Vec<(i64, i64, String, Option<i64>)> =
        delete.query_map(params![seq, told_too], read)?.collect::<Result<_, _>>()?;
    for (first, last, reason, told) in ranges {
        for (first, last) in [(first, seq - 1), (seq + 1, last)] {
            if first <= last {
                tx.execute("INSERT INTO gone VALUES(?1, ?2, ?3, ?4)", params![first, last, reason, told])?;
            }
        }
    }
    Ok(())
}

/// Ranges that nobody has told yet; from now on `by` tells them.
pub(super) fn tell_gone(tx: &Connection, by: Seq) -> Result<Vec<GoneRange>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT first, last, reason FROM gone WHERE told IS NULL ORDER BY first LIMIT ?1")?;
    let rows =
        statement.query_map([MAX_GONE_RANGES], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
    let mut told = Vec::new();
    for row in rows {
        let (from, to, reason) = row?;
        let reason = match reason.as_str() {
            SUPERSEDED => GoneReason::Superseded,
            QUARANTINED => GoneReason::Quarantined,
            _ => GoneReason::Lost,
        };
        told.push(GoneRange { from: Seq(from), to: Seq(to), reason });
    }
    for range in &told {
        tx.execute("UPDATE gone SET told = ?1 WHERE first = ?2", params![by.0, range.from.0])?;
    }
    Ok(told)
}

/// Numbers from `first` to `last` that were given and cannot be sent again, and whether there are more than `most`
/// ranges of them.
pub(super) fn not_kept(
    connection: &Connection,
    first: u64,
    last: u64,
    most: usize,
) -> Result<(Vec<NotKept>, bool), StoreError> {
    let (first, last) = (first.max(1), last.min(counter(connection, "seq")?));
    if first > last {
        return Ok((Vec::new(), false));
    }
    let mut gone =
        connection.prepare("SELECT first, last, reason FROM gone WHERE last >= ?1 AND first <= ?2 ORDER BY first")?;
    let known: Vec<(u64, u64, String)> =
        gone.query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut named = Ranges::default();
    let mut kept = connection.prepare("SELECT seq FROM outbox WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")?;
    let mut next = first;
    for seq in kept.query_map([first, last], |row| row.get::<_, u64>(0))? {
        let seq = seq?;
        named.hole(next, seq - 1, &known);
        next = seq + 1;
    }
    named.hole(next, last, &known);
    let more = named.0.len() > most;
    named.0.truncate(most);
    Ok((named.0, more))
}

#[derive(Default)]
struct Ranges(Vec<NotKept>);

impl Ranges {
    /// Adds the numbers from `first` to `last`, if any, each with its reason.
    fn hole(&mut self, mut first: u64, last: u64, known: &[(u64, u64, String)]) {
        for (from, to, reason) in known {
            if *to < first || *from > last {
                continue;
            }
            if *from > first {
                self.add(first, from - 1, NotKeptReason::Expired);
            }
            let reason = match reason.as_str() {
                SUPERSEDED => NotKeptReason::Superseded,
                // One that was given up in quarantine is noted as lost: this one was handed over after all.
                QUARANTINED => NotKeptReason::Expired,
                _ => NotKeptReason::Lost,
            };
            self.add(first.max(*from), last.min(*to), reason);
            first = first.max(last.min(*to) + 1);
        }
        if first <= last {
            self.add(first, last, NotKeptReason::Expired);
        }
    }

    fn add(&mut self, from: u64, to: u64, reason: NotKeptReason) {
        match self.0.last_mut() {
            Some(before) if before.reason == reason && before.to.0 + 1 == from => before.to = Seq(to),
            _ if from <= to => self.0.push(NotKept { from: Seq(from), to: Seq(to), reason }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_hole_has_one_reason() {
        let known = [(2, 3, SUPERSEDED), (6, 6, QUARANTINED), (9, 12, "lost"), (20, 20, "lost")];
        let known = known.map(|(from, to, reason)| (from, to, reason.to_owned()));
        let mut ranges = Ranges::default();
        ranges.hole(1, 4, &known);
        ranges.hole(5, 4, &known);
        ranges.hole(6, 10, &known);
        ranges.hole(13, 15, &known);
        let found: Vec<_> = ranges.0.iter().map(|range| (range.from.0, range.to.0, range.reason)).collect();
        let expected = [
            (1, 1, NotKeptReason::Expired),
            (2, 3, NotKeptReason::Superseded),
            (4, 4, NotKeptReason::Expired),
            (6, 8, NotKeptReason::Expired),
            (9, 10, NotKeptReason::Lost),
            (13, 15, NotKeptReason::Expired),
        ];
        assert_eq!(found, expected);
    }
}
