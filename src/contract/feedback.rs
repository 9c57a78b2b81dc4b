//! The platform's word on an event. Fields that this version does not know are ignored: a platform may
//! add its own without breaking the gateways in the field.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbound::{self, Refused};
use crate::domain::Timestamp;

/// Where the platform's case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the contract's own words")]
pub enum CaseState {
    Received,
    Accepted,
    Rejected,
    FalseAlarm,
    Duplicate,
    Dispatched,
    Handling,
    Handled,
    Verified,
    Closed,
    Evaluated,
}

/// A feedback message, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The event.
    pub event_id: Uuid,
    /// Latest revision that the platform had.
    pub revision_seen: Option<u32>,
    /// Highest wins, for each event.
    pub seq: u64,
    /// The case.
    pub state: CaseState,
    /// Number of the case.
    pub case_no: Option<String>,
    /// Why rejected or a false alarm.
    pub reason_code: Option<String>,
    /// Who handles it.
    pub handler_org: Option<String>,
    /// By when.
    pub due_at: Option<Timestamp>,
    /// Look again once it is handled.
    #[serde(default)]
    pub verify_on_handled: bool,
}

#[derive(Deserialize)]
struct Envelope {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Uuid,
    data: Feedback,
}

impl Feedback {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, Refused> {
        let envelope: Envelope = inbound::parse(payload)?;
        let data = envelope.data;
        let wrong = |field, problem| Err(Refused::Field { field, problem });
        if envelope.specversion != "1.0" {
            return wrong("specversion", "must be 1.0");
        }
        if envelope.kind != "gridwatch.feedback.v1" {
            return wrong("type", "must be gridwatch.feedback.v1");
        }
        if envelope.subject != data.event_id {
            return wrong("subject", "differs from data.event_id");
        }
        if data.revision_seen == Some(0) {
            return wrong("data.revision_seen", "starts at 1");
        }
        // SQLite and most JSON parsers count no further.
        if data.seq >= 1 << 53 {
            return wrong("data.seq", "is too large");
        }
        inbound::check_text("id", &envelope.id, 128)?;
        inbound::check_text("source", &envelope.source, 256)?;
        let texts = [("data.case_no", &data.case_no), ("data.reason_code", &data.reason_code)];
        for (field, text) in texts.into_iter().chain([("data.handler_org", &data.handler_org)]) {
            if let Some(text) = text {
                inbound::check_text(field, text, 64)?;
            }
        }
        Ok(data)
    }
}
