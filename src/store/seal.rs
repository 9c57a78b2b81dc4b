//! Checksums of messages: the pages of a database have none, and a message that the disk has changed must not go out.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::StoreError;

/// Beside the schema, so that a database of an earlier version only lacks seals. Rows go with their messages.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS seal(
  message INTEGER PRIMARY KEY REFERENCES outbox ON DELETE CASCADE, digest BLOB NOT NULL)";

const FIELDS: &str = "outbox.id, seq, event_id, revision, class, topic, content_type, evidence, body";

/// Seals what an event has written in this transaction.
pub(super) fn seal_new(tx: &Connection, event_id: Uuid) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {FIELDS} FROM outbox LEFT JOIN seal ON seal.message = outbox.id WHERE event_id = ?1 AND digest IS NULL"
    );
    let mut unsealed = tx.prepare_cached(&sql)?;
    let rows = unsealed.query_map([event_id], |row| Ok((row.get(0)?, digest(row)?)))?;
    let rows: Vec<(i64, [u8; 32])> = rows.collect::<Result<_, _>>()?;
    for (id, digest) in rows {
        tx.prepare_cached("INSERT INTO seal VALUES(?1, ?2)")?.execute(params![id, digest.as_slice()])?;
    }
    Ok(())
}

/// Whether a message is as it was written. One without a seal is of an earlier version.
pub(super) fn is_whole(tx: &Connection, id: i64) -> Result<bool, StoreError> {
    let sql = format!("SELECT {FIELDS}, digest FROM outbox JOIN seal ON seal.message = outbox.id WHERE outbox.id = ?1");
    let compare = |row: &Row<'_>| Ok(row.get::<_, Vec<u8>>(9)? == digest(row)?);
    Ok(tx.prepare_cached(&sql)?.query_row([id], compare).optional()?.unwrap_or(true))
}

fn digest(row: &Row<'_>) -> rusqlite::Result<[u8; 32]> {
    let mut sum = Sha256::new();
    for column in 0..9 {
        let value = row.get_ref(column)?;
        let (kind, bytes): (u8, Vec<u8>) = match value {
            rusqlite::types::ValueRef::Null => (0, Vec::new()),
            rusqlite::types::ValueRef::Integer(number) => (1, number.to_be_bytes().to_vec()),
            rusqlite::types::ValueRef::Real(number) => (2, number.to_be_bytes().to_vec()),
            rusqlite::types::ValueRef::Text(text) => (3, text.to_vec()),
            rusqlite::types::ValueRef::Blob(blob) => (4, blob.to_vec()),
        };
        sum.update([kind]);
        sum.update((bytes.len() as u64).to_be_bytes());
        sum.update(&bytes);
    }
    Ok(sum.finalize().into())
}
