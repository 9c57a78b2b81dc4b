//! Requests from the platform. Unknown fields are refused: a request that is half understood must not act.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::inbound::{self, Refused};
use super::time::SiteTime;
use super::topics::is_evidence_id;
use crate::domain::Timestamp;

/// A request that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Are you there?
    Ping,
    /// Send again everything touched since.
    Resync(Since),
    /// Look at an incident's place again.
    Verify {
        /// The event.
        event_id: Uuid,
    },
    /// Send a picture again.
    GetEvidence {
        /// The event.
        event_id: Uuid,
        /// Its picture.
        id: String,
    },
    /// `snapshot`, `mute` or `profile`: in the contract, answered `unsupported` by this version.
    Unsupported(String),
}

/// From where `resync` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Written at or after this moment.
    Time(Timestamp),
    /// This number and later ones of the current epoch.
    Seq(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resync {
    since: Option<Timestamp>,
    since_seq: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    event_id: Uuid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GetEvidence {
    event_id: Uuid,
    id: String,
}

impl Command {
    /// Parses the payload of `cmd/{name}`; an empty payload is an empty object.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, Refused> {
        let payload = if payload.is_empty() { b"{}" } else { payload };
        match name {
            "ping" => inbound::parse::<Empty>(payload).map(|Empty {}| Self::Ping),
            "resync" => match inbound::parse::<Resync>(payload)? {
                Resync { since: Some(at), since_seq: None } => Ok(Self::Resync(Since::Time(at))),
                Resync { since: None, since_seq: Some(seq) } if seq < 1 << 53 => Ok(Self::Resync(Since::Seq(seq))),
                _ => Err(Refused::Field { field: "since", problem: "give either `since` or `since_seq`" }),
            },
            "verify" => inbound::parse::<Verify>(payload).map(|asked| Self::Verify { event_id: asked.event_id }),
            "get-evidence" => {
                let GetEvidence { event_id, id } = inbound::parse(payload)?;
                if !is_evidence_id(&id) {
                    return Err(Refused::Field { field: "id", problem: "is not a picture id" });
                }
                Ok(Self::GetEvidence { event_id, id })
            }
            "snapshot" | "mute" | "profile" => Ok(Self::Unsupported(name.to_owned())),
            _ => Err(Refused::Field { field: "command", problem: "is not in the contract" }),
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Done, or begun.
    Ok,
    /// Not understood or not allowed.
    Refused,
    /// Understood, but could not be done.
    Failed,
    /// Not in this version.
    Unsupported,
}

/// Answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// Name of the request.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// When.
    pub at: SiteTime,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{at, check, validator, zone};
    use super::*;

    #[test]
    fn answers_say_what_they_have_to() {
        let answer = |command: &str, status, detail: Option<&str>, result| {
            let (command, detail) = (command.to_owned(), detail.map(str::to_owned));
            json!(Response { command, status, at: SiteTime::new(at(0), &zone()), detail, result })
        };
        check("response", &answer("ping", Status::Ok, None, None));
        check("response", &answer("resync", Status::Ok, None, Some(json!({"messages": 7}))));
        check("response", &answer("resync", Status::Refused, Some("give either `since` or `since_seq`"), None));
        check("response", &answer("mute", Status::Unsupported, Some("not in this version"), None));
        let wrong = [
            answer("resync", Status::Ok, None, None),
            answer("ping", Status::Ok, None, Some(json!({"messages": 7}))),
            answer("verify", Status::Failed, None, None),
            answer("mute", Status::Ok, None, None),
        ];
        let validator = validator("response");
        for answer in wrong {
            assert!(!validator.is_valid(&answer), "{answer:#}");
        }
    }
}
