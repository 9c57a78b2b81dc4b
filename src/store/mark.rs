//! How far the store had come, written beside it: what a database that was cut short cannot know of itself.
//!
//! A log that loses its end is a sound log of an earlier moment. The mark is overwritten in place after each commit, when
//! that is already durable, and never synced: it is never ahead of what the disk has acknowledged, and costs no flush.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::database::{count, counter};
use super::gone::record_gone;
use super::outbox::hexadecimal;
use super::schema::read_epoch;
use crate::contract::sequence::Epoch;

const FILE_NAME: &str = "mark";
/// Bytes of the checksum, in hexadecimal digits.
const SUM: usize = 16;
/// Numbers that are told one by one; a mark that is further ahead than this is not believed.
const MOST_LOST: u64 = 1 << 20;
/// In the ledger of losses.
const DAMAGED: &str = "store_damaged";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    epoch: Epoch,
    seq: u64,
    produced: u64,
    unsent: u64,
}

/// The open file, and the last mark of the run before.
#[derive(Debug)]
pub(super) struct Witness {
    file: Option<File>,
    before: Option<Mark>,
}

impl Witness {
    /// Opens or makes the file. Without it the store works all the same.
    pub(super) fn open(directory: &Path) -> Self {
        let path = directory.join(FILE_NAME);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.inspect_err(|error| tracing::warn!(file = %path.display(), %error, "no mark is kept")).ok();
        let mut text = String::new();
        let read = file.as_ref().and_then(|mut file| file.read_to_string(&mut text).ok());
        Self { before: read.and_then(|_| parse(&text)), file }
    }

    /// Whether there was a database before.
    pub(super) fn knows_of_a_run(&self) -> bool {
        self.before.is_some()
    }

    /// Compares the database with the mark of the run before, and puts into its ledger what is missing. `is_new`: what was
    /// there before has been set aside. Returns how many messages may be lost.
    pub(super) fn reconcile(&self, connection: &Connection, is_new: bool, now: i64) -> Result<u64, StoreError> {
        let Some(mark) = self.before else { return Ok(0) };
        let known = read(connection)?;
        let lost = if is_new {
            mark.unsent
        } else if mark.epoch == known.epoch {
            mark.produced.saturating_sub(known.produced)
        } else {
            0
        };
        if lost == 0 || lost > MOST_LOST || mark.seq.saturating_sub(known.seq) > MOST_LOST {
            return Ok(0);
        }
        count(connection, "produced", lost)?;
        let sql = "INSERT INTO loss VALUES(?1, 0, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET n = n + ?2, last_ms = ?3";
        connection.execute(sql, rusqlite::params![DAMAGED, lost, now])?;
        if !is_new {
            for seq in known.seq + 1..=mark.seq {
                count(connection, "seq", 1)?;
                record_gone(connection, i64::try_from(seq).unwrap_or(i64::MAX), "lost")?;
            }
        }
        Ok(lost)
    }

    /// Writes how far the database has come.
    pub(super) fn note(&self, connection: &Connection) {
        let Some(file) = &self.file else { return };
        let written = read(connection).map(|mark| file.write_all_at(text(&mark).as_bytes(), 0));
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the store's mark cannot be written");
        }
    }
}

fn read(connection: &Connection) -> Result<Mark, StoreError> {
    let epoch = read_epoch(connection)?.unwrap_or(Epoch(uuid::Uuid::nil()));
    let sql = "SELECT count(*) FROM outbox WHERE state < 2";
    let unsent = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(Mark { epoch, seq: counter(connection, "seq")?, produced: counter(connection, "produced")?, unsent })
}

/// Always of the same length, so that the file never grows.
fn text(mark: &Mark) -> String {
    let Mark { epoch, seq, produced, unsent } = mark;
    let said = format!("{epoch} {seq:020} {produced:020} {unsent:020}");
    let sum = hexadecimal(&Sha256::digest(said.as_bytes()));
    format!("{said} {}\n", sum.get(..SUM).unwrap_or_default())
}

fn parse(line: &str) -> Option<Mark> {
    let mut words = line.split_whitespace();
    let mut next = || words.next();
    let epoch = Epoch(next()?.parse().ok()?);
    let mut number = || next()?.parse().ok();
    let mark = Mark { epoch, seq: number()?, produced: number()?, unsent: number()? };
    (text(&mark) == line).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_or_not_at_all() {
        let mark = Mark { epoch: Epoch(uuid::Uuid::from_u128(7)), seq: 12, produced: 30, unsent: 4 };
        let line = text(&mark);
        assert_eq!(parse(&line), Some(mark));
        for at in 0..line.len() {
            let mut torn = line.clone().into_bytes();
            torn[at] ^= 1;
            assert_eq!(parse(&String::from_utf8_lossy(&torn)), None, "flipped at {at}");
            assert_eq!(parse(&line[..at]), None, "cut at {at}");
        }
    }
}
