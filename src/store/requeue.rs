//! Messages that are sent again because a person at the box says so.

use std::path::Path;

use rusqlite::{Connection, ToSql, TransactionBehavior, params};

use super::again::{LARGEST, send_again};
use super::pick::Pick;
use super::{StoreError, beside};

/// What was done about one [`Pick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeued {
    /// Messages that are sent again.
    pub again: u64,
    /// Messages that wait to be sent anyway.
    pub waiting: u64,
}

/// Makes messages pending again, in one transaction, from outside the program that works with this store; it may be
/// running, and finds them at its next look into the outbox. Neither creates a store nor repairs one.
pub(super) fn requeue_beside(directory: &Path, picks: &[Pick]) -> Result<Vec<Requeued>, StoreError> {
    let mut connection = beside::connect_to_write(directory)?;
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(|error| beside::busy_or(directory, error))?;
    let done = picks.iter().map(|pick| requeue(&transaction, pick)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(done)
}

fn requeue(tx: &Connection, pick: &Pick) -> Result<Requeued, StoreError> {
    match pick {
        Pick::Number(seq) => requeue_where(tx, "seq = ?1", params![seq.min(&LARGEST)]),
        Pick::Event(event_id) => requeue_where(tx, "event_id = ?1", params![event_id]),
        Pick::Picture(event_id, name) => {
            let which = "evidence = (SELECT id FROM evidence WHERE event_id = ?1 AND name = ?2)";
            requeue_where(tx, which, params![event_id, name])
        }
        Pick::Quarantined => requeue_where(tx, "state = 3", &[]),
    }
}

fn requeue_where(tx: &Connection, which: &str, parameters: &[&dyn ToSql]) -> Result<Requeued, StoreError> {
    let sql = format!("SELECT count(*) FROM outbox WHERE state = 0 AND {which}");
    let waiting = tx.query_row(&sql, parameters, |row| row.get(0))?;
    Ok(Requeued { again: send_again(tx, which, parameters)?, waiting })
}
