//! What was ordered for a while, beside the cameras' own states.

use rusqlite::{OptionalExtension, params};

use super::audit::{self, AuditEntry};
use super::{Store, StoreError};

const PROFILE: &str = "profile";

impl Store {
    /// The profile order that stands, as it was written.
    pub async fn standing_profile(&self) -> Result<Option<String>, StoreError> {
        self.call(|db| {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            Ok(db.connection.query_row(sql, [PROFILE], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Replaces the profile order, and writes down who did, in one transaction.
    pub async fn set_standing_profile(&self, order: Option<String>, entry: AuditEntry) -> Result<(), StoreError> {
        self.call(move |db| {
            let now = db.now_ms();
            db.transact(|tx| {
                match &order {
                    Some(order) => {
                        tx.execute("INSERT OR REPLACE INTO meta VALUES(?1, ?2)", params![PROFILE, order])?;
                    }
                    None => {
                        tx.execute("DELETE FROM meta WHERE key = ?1", [PROFILE])?;
                    }
                }
                audit::append(tx, &entry, now)
            })
        })
        .await
    }
}
