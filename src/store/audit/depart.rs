//! Pictures are written down before they are handed to whatever carries them away.

use rusqlite::params;

use super::{Actor, AuditEntry, Deed, append};
use crate::store::database::Database;
use crate::store::{OutboxMessage, StoreError};

/// What carries pictures out of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// The broker.
    #[default]
    Broker,
    /// The spool directory.
    Spool,
}

impl Database {
    /// Writes a row for every picture of the batch that was not written down since it became pending: sending it again
    /// for want of an answer is still the same departure. A picture that cannot be written down stays here; the other
    /// messages go.
    pub(in crate::store) fn note_departures(&mut self, batch: &mut Vec<OutboxMessage>) -> Result<(), StoreError> {
        if batch.iter().all(|message| message.evidence.is_none()) {
            return Ok(());
        }
        let noted = match self.try_note(batch) {
            Err(StoreError::Database(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                self.release_ballast()?;
                self.try_note(batch)
            }
            result => result,
        };
        if let Err(error) = noted {
            tracing::error!(%error, "pictures cannot be written into the audit, and wait");
            batch.retain(|message| message.evidence.is_none());
        }
        Ok(())
    }

    fn try_note(&mut self, batch: &[OutboxMessage]) -> Result<(), StoreError> {
        let now = self.now_ms();
        let what = match self.carrier {
            Carrier::Broker => Deed::Published,
            Carrier::Spool => Deed::Spooled,
        };
        self.transact(|tx| {
            for message in batch {
                let Some(name) = &message.evidence else { continue };
                let fresh = "UPDATE outbox SET audited = 1 WHERE id = ?1 AND NOT audited";
                if tx.prepare_cached(fresh)?.execute(params![message.id.0])? == 0 {
                    continue;
                }
                let sql = "SELECT sha256 FROM evidence JOIN picture ON picture.id = picture
                           WHERE event_id = ?1 AND name = ?2";
                let sha256: String =
                    tx.prepare_cached(sql)?.query_row(params![message.event.0, name], |row| row.get(0))?;
                let subject = format!("{}/{name}", message.event.0);
                append(tx, &AuditEntry::new(Actor::Gateway, what, subject).of(sha256), now)?;
            }
            Ok(())
        })
    }
}
