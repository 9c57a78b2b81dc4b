//! Timelines, feedback, analyzer state, authentication stops.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::audit::{self, Actor, AuditEntry, Deed};
use super::database::Database;
use super::{AuthKey, EventRecord, FeedbackOutcome, Store, StoreError, beside};
use crate::config::model::Storage;
use crate::contract::feedback::{CaseState, Feedback};
use crate::domain::camera::CameraId;
use crate::domain::incident::{IncidentTransition, Phase};

/// Adds a step to its incident's timeline; the highest revision is the incident's state. False if that
/// revision is there already.
pub(super) fn record(tx: &Connection, camera: &CameraId, step: &IncidentTransition) -> Result<bool, StoreError> {
    let closed = matches!(step.phase, Phase::Closed(_));
    tx.prepare_cached(
        "INSERT INTO event(event_id, camera, revision, closed, touched_ms) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(event_id) DO UPDATE SET revision = ?3, closed = ?4, touched_ms = ?5 WHERE revision < ?3",
    )?
    .execute(params![step.event_id, camera.as_str(), step.revision, closed, step.at.as_millisecond()])?;
    let body = serde_json::to_string(step)?;
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO transition VALUES(?1, ?2, ?3)")?;
    let is_new = insert.execute(params![step.event_id, step.revision, body])? > 0;
    if !is_new {
        // What was written first was sent or will be; another step of the same number can only be dropped.
        tracing::warn!(%camera, event_id = %step.event_id, revision = step.revision, "the step is there already");
    }
    Ok(is_new)
}

/// Every step of an incident, the first one first.
pub(super) fn timeline(connection: &Connection, event_id: Uuid) -> Result<Vec<IncidentTransition>, StoreError> {
    let sql = "SELECT body FROM transition WHERE event_id = ?1 ORDER BY revision";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([event_id], |row| row.get::<_, String>(0))?;
    rows.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
}

/// Forgets that a verdict, or one before it, has not taken effect.
pub(super) fn applied(tx: &Connection, event_id: Uuid, seq: u64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM unapplied WHERE event_id = ?1 AND seq <= ?2", params![event_id, seq])?;
    Ok(())
}

/// What the disk has made unreadable is left out: an error would come back at every start, and with every step.
pub(super) fn readable<T, E: std::fmt::Display>(kept: Result<T, E>) -> Option<T> {
    kept.inspect_err(|error| tracing::error!(%error, "something that was kept is damaged and is left out")).ok()
}

/// Whether the analyzer has to act on it.
fn is_verdict(state: CaseState) -> bool {
    match state {
        CaseState::Rejected | CaseState::FalseAlarm | CaseState::Handled | CaseState::Closed => true,
        CaseState::Received
        | CaseState::Accepted
        | CaseState::Duplicate
        | CaseState::Dispatched
        | CaseState::Handling
        | CaseState::Verified
        | CaseState::Evaluated => false,
    }
}

impl Store {
    /// Refused logins as they were last written, for a process that must not write: neither waits for a
    /// running gateway nor changes anything. Empty if there is no database.
    pub fn read_auth_failures(config: &Storage) -> Result<Vec<(AuthKey, u32)>, StoreError> {
        beside::read_auth_failures(&config.state_dir)
    }

    /// How often this account was refused with these credentials.
    pub async fn auth_failures(&self, key: AuthKey) -> Result<u32, StoreError> {
        self.call(move |db| db.auth_failures(&key)).await
    }

    /// Counts one more refusal, and returns how many that makes.
    pub async fn record_auth_failure(&self, key: AuthKey) -> Result<u32, StoreError> {
        self.call(move |db| db.record_auth_failure(&key)).await
    }

    /// The account works with these credentials: forgets their refusals.
    pub async fn clear_auth(&self, key: AuthKey) -> Result<(), StoreError> {
        self.call(move |db| db.clear_auth(&key)).await
    }
}

impl Database {
    pub(super) fn timeline(&mut self, event_id: Uuid) -> Result<Vec<IncidentTransition>, StoreError> {
        timeline(&self.connection, event_id)
    }

    pub(super) fn latest_event(&mut self, event_id: Uuid) -> Result<Option<EventRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT camera, body, feedback, published FROM event JOIN transition USING(event_id, revision) WHERE event_id = ?1",
        )?;
        let row = statement.query_row([event_id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?, row.get(3)?))
        });
        let Some((camera, body, feedback, published)) = row.optional()? else { return Ok(None) };
        let Some(camera) = CameraId::new(&camera) else { return Ok(None) };
        let feedback = feedback.and_then(|text| readable(serde_json::from_str(&text)));
        let latest = readable(serde_json::from_str(&body));
        Ok(latest.map(|latest| EventRecord { camera, latest, feedback, published }))
    }

    pub(super) fn open_events(&mut self, camera: &CameraId) -> Result<Vec<IncidentTransition>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT body FROM event JOIN transition USING(event_id, revision) WHERE camera = ?1 AND NOT closed
             ORDER BY event_id",
        )?;
        let rows = statement.query_map([camera.as_str()], |row| row.get::<_, String>(0))?;
        rows.filter_map(|row| row.map(|text| readable(serde_json::from_str(&text))).transpose())
            .map(|step| Ok(step?))
            .collect()
    }

    pub(super) fn record_feedback(&mut self, feedback: &Feedback) -> Result<FeedbackOutcome, StoreError> {
        let (body, now) = (serde_json::to_string(feedback)?, self.now_ms());
        self.transact(|tx| {
            let changed = tx.execute(
                "UPDATE event SET feedback_seq = ?2, feedback = ?3
                 WHERE event_id = ?1 AND (feedback_seq IS NULL OR feedback_seq < ?2)",
                params![feedback.event_id, feedback.seq, body],
            )?;
            if changed == 0 {
                let sql = "SELECT EXISTS(SELECT 1 FROM event WHERE event_id = ?1)";
                let known: bool = tx.query_row(sql, [feedback.event_id], |row| row.get(0))?;
                return Ok(if known { FeedbackOutcome::Stale } else { FeedbackOutcome::UnknownEvent });
            }
            if is_verdict(feedback.state) {
                let sql = "INSERT OR REPLACE INTO unapplied VALUES(?1, ?2, ?3)";
                tx.execute(sql, params![feedback.event_id, feedback.seq, body])?;
                let state = serde_json::to_value(feedback.state)?;
                let state = state.as_str().unwrap_or_default();
                let subject = format!("{} {state} seq {}", feedback.event_id, feedback.seq);
                audit::append(tx, &AuditEntry::new(Actor::Feedback, Deed::Verdict, subject), now)?;
            }
            Ok(FeedbackOutcome::Applied)
        })
    }

    pub(super) fn unapplied_feedback(&mut self, camera: &CameraId) -> Result<Vec<Feedback>, StoreError> {
        let sql = "SELECT body FROM unapplied JOIN event USING(event_id) WHERE camera = ?1 ORDER BY event_id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([camera.as_str()], |row| row.get::<_, String>(0))?;
        rows.filter_map(|row| row.map(|text| readable(serde_json::from_str(&text))).transpose())
            .map(|word| Ok(word?))
            .collect()
    }

    pub(super) fn mark_applied(&mut self, event_id: Uuid, seq: u64) -> Result<(), StoreError> {
        applied(&self.connection, event_id, seq)
    }

    pub(super) fn load_analyzer(&mut self, camera: &CameraId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT state FROM analyzer WHERE camera = ?1";
        Ok(self.connection.query_row(sql, [camera.as_str()], |row| row.get(0)).optional()?)
    }

    pub(super) fn auth_failures(&mut self, key: &AuthKey) -> Result<u32, StoreError> {
        let sql = "SELECT failures FROM auth_stop WHERE host = ?1 AND account = ?2 AND fingerprint = ?3";
        let values = params![key.host, key.account, key.fingerprint];
        Ok(self.connection.query_row(sql, values, |row| row.get(0)).optional()?.unwrap_or(0))
    }

    pub(super) fn record_auth_failure(&mut self, key: &AuthKey) -> Result<u32, StoreError> {
        let at = self.now_ms();
        Ok(self.connection.query_row(
            "INSERT INTO auth_stop VALUES(?1, ?2, ?3, 1, ?4) ON CONFLICT DO UPDATE SET
             failures = failures + 1, at_ms = ?4 RETURNING failures",
            params![key.host, key.account, key.fingerprint, at],
            |row| row.get(0),
        )?)
    }

    pub(super) fn clear_auth(&mut self, key: &AuthKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM auth_stop WHERE host = ?1 AND account = ?2 AND fingerprint = ?3";
        self.connection.execute(sql, params![key.host, key.account, key.fingerprint])?;
        Ok(())
    }
}
