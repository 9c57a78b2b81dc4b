//! Timelines, feedback, analyzer state, authentication stops.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::database::Database;
use super::{AuthKey, EventRecord, FeedbackOutcome, StoreError};
use crate::contract::feedback::Feedback;
use crate::domain::camera::CameraId;
use crate::domain::incident::{IncidentTransition, Phase};

/// Adds a step to its incident's timeline; the highest revision is the incident's state.
pub(super) fn record(tx: &Connection, camera: &CameraId, step: &IncidentTransition) -> Result<(), StoreError> {
    let closed = matches!(step.phase, Phase::Closed(_));
    tx.prepare_cached(
        "INSERT INTO event(event_id, camera, revision, closed, touched_ms) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(event_id) DO UPDATE SET revision = ?3, closed = ?4, touched_ms = ?5 WHERE revision < ?3",
    )?
    .execute(params![step.event_id, camera.as_str(), step.revision, closed, step.at.as_millisecond()])?;
    tx.prepare_cached("INSERT INTO transition VALUES(?1, ?2, ?3)")?.execute(params![
        step.event_id,
        step.revision,
        serde_json::to_string(step)?
    ])?;
    Ok(())
}

impl Database {
    pub(super) fn timeline(&mut self, event_id: Uuid) -> Result<Vec<IncidentTransition>, StoreError> {
        let sql = "SELECT body FROM transition WHERE event_id = ?1 ORDER BY revision";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([event_id], |row| row.get::<_, String>(0))?;
        rows.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }

    pub(super) fn latest_event(&mut self, event_id: Uuid) -> Result<Option<EventRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT camera, body, feedback FROM event JOIN transition USING(event_id, revision) WHERE event_id = ?1",
        )?;
        let row = statement.query_row([event_id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        });
        let Some((camera, body, feedback)) = row.optional()? else { return Ok(None) };
        let Some(camera) = CameraId::new(&camera) else { return Ok(None) };
        let feedback = feedback.map(|text| serde_json::from_str(&text)).transpose()?;
        Ok(Some(EventRecord { camera, latest: serde_json::from_str(&body)?, feedback }))
    }

    pub(super) fn record_feedback(&mut self, feedback: &Feedback) -> Result<FeedbackOutcome, StoreError> {
        let body = serde_json::to_string(feedback)?;
        let changed = self.connection.execute(
            "UPDATE event SET feedback_seq = ?2, feedback = ?3
             WHERE event_id = ?1 AND (feedback_seq IS NULL OR feedback_seq < ?2)",
            params![feedback.event_id, feedback.seq, body],
        )?;
        if changed > 0 {
            return Ok(FeedbackOutcome::Applied);
        }
        let sql = "SELECT EXISTS(SELECT 1 FROM event WHERE event_id = ?1)";
        let known: bool = self.connection.query_row(sql, [feedback.event_id], |row| row.get(0))?;
        Ok(if known { FeedbackOutcome::Stale } else { FeedbackOutcome::UnknownEvent })
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
            "INSERT INTO auth_stop VALUES(?1, ?2, ?3, 1, ?4) ON CONFLICT(host, account) DO UPDATE SET
             failures = CASE WHEN fingerprint = ?3 THEN failures + 1 ELSE 1 END, fingerprint = ?3, at_ms = ?4
             RETURNING failures",
            params![key.host, key.account, key.fingerprint, at],
            |row| row.get(0),
        )?)
    }

    pub(super) fn clear_auth(&mut self, host: &str, account: &str) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM auth_stop WHERE host = ?1 AND account = ?2", [host, account])?;
        Ok(())
    }
}
