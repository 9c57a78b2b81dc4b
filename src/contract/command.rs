//! Requests from the platform. Unknown fields are refused: a request that is half understood must not act.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::inbound::{self, Refused};
use super::sequence::{Epoch, Seq};
use super::time::SiteTime;
use super::topics::is_evidence_id;
use crate::domain::Timestamp;

/// A request that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Are you there?
    Ping,
    /// Send again what was written.
    Resync(Resync),
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

/// What `resync` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resync {
    /// Where it starts.
    pub since: Since,
    /// The last number that is asked for; only where the first one is a number.
    pub until: Option<u64>,
    /// Whose numbers are meant; only where there are numbers.
    pub epoch: Option<Epoch>,
}

impl Resync {
    /// Whether the answer names the numbers that are not kept any more. A platform that asks as it did before this
    /// was in the contract is answered as it was then.
    #[must_use]
    pub fn wants_account(&self) -> bool {
        self.until.is_some() || self.epoch.is_some()
    }
}

impl From<Since> for Resync {
    fn from(since: Since) -> Self {
        Self { since, until: None, epoch: None }
    }
}

/// From where `resync` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Written at or after this moment.
    Time(Timestamp),
    /// This number and later ones of the current epoch.
    Seq(u64),
}

/// Ranges named in one answer at most; whoever gets that many asks again for the rest.
pub const MAX_NOT_KEPT: usize = 64;

/// What became of a [`Resync`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Resent {
    /// Messages that are sent again.
    pub messages: u64,
    /// Numbers that were asked for and are not kept any more, the lowest first, at most [`MAX_NOT_KEPT`] ranges;
    /// `None` if the question did not [want it](Resync::wants_account).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<Vec<NotKept>>,
    /// There are more ranges than are named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Numbers that cannot be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NotKept {
    /// First number.
    pub from: Seq,
    /// Last number.
    pub to: Seq,
    /// Why.
    pub reason: NotKeptReason,
}

/// Why a number cannot be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotKeptReason {
    /// A newer revision of the same event was written before it was sent.
    Superseded,
    /// Given up for want of space before it was handed over.
    Lost,
    /// It was handed over, and deleted since for its age or for want of space.
    Expired,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResync {
    since: Option<Timestamp>,
    since_seq: Option<u64>,
    until_seq: Option<u64>,
    epoch: Option<Epoch>,
}

impl RawResync {
    fn checked(self) -> Result<Resync, Refused> {
        let refused = |field, problem| Err(Refused::Field { field, problem });
        for (field, number) in [("since_seq", self.since_seq), ("until_seq", self.until_seq)] {
            if number.is_some_and(|number| number >= 1 << 53) {
                return refused(field, "is larger than any number of an event");
            }
        }
        let since = match (self.since, self.since_seq) {
            (Some(at), None) => Since::Time(at),
            (None, Some(seq)) => Since::Seq(seq),
            _ => return refused("since", "give either `since` or `since_seq`"),
        };
        match (since, self.until_seq) {
            (Since::Seq(first), Some(last)) if last < first => refused("until_seq", "is before `since_seq`"),
            (Since::Time(_), _) if self.until_seq.is_some() || self.epoch.is_some() => {
                refused("since", "`until_seq` and `epoch` go with `since_seq`")
            }
            _ => Ok(Resync { since, until: self.until_seq, epoch: self.epoch }),
        }
    }
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
            "resync" => inbound::parse::<RawResync>(payload)?.checked().map(Self::Resync),
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
        let range = |from, to, reason| NotKept { from: Seq(from), to: Seq(to), reason };
        let not_kept = vec![
            range(4, 4, NotKeptReason::Superseded),
            range(5, 9, NotKeptReason::Expired),
            range(12, 12, NotKeptReason::Lost),
        ];
        let resent = Resent { messages: 7, not_kept: Some(not_kept), more: true };
        check("response", &answer("resync", Status::Ok, None, Some(json!(resent))));
        let resent = json!(Resent { messages: 7, ..Resent::default() });
        assert_eq!(resent, json!({"messages": 7}), "what was answered before there was more to say");
        check("response", &answer("resync", Status::Refused, Some("give either `since` or `since_seq`"), None));
        check("response", &answer("mute", Status::Unsupported, Some("not in this version"), None));
        let wrong = [
            answer("resync", Status::Ok, None, None),
            answer("ping", Status::Ok, None, Some(json!({"messages": 7}))),
            answer("verify", Status::Failed, None, None),
            answer("resync", Status::Ok, None, Some(json!({"messages": 7, "more": true}))),
            answer("resync", Status::Ok, None, Some(json!({"messages": 7, "not_kept": [{"from": 1, "to": 2}]}))),
            answer("mute", Status::Ok, None, None),
        ];
        let validator = validator("response");
        for answer in wrong {
            assert!(!validator.is_valid(&answer), "{answer:#}");
        }
    }

    #[test]
    fn commands_are_read_and_half_understood_ones_refused() {
        assert_eq!(Command::parse("ping", b""), Ok(Command::Ping));
        assert_eq!(Command::parse("resync", br#"{"since_seq":4}"#), Ok(Command::Resync(Since::Seq(4).into())));
        assert_eq!(Command::parse("mute", b"{}"), Ok(Command::Unsupported("mute".to_owned())));
        for (name, payload) in [
            ("ping", r#"{"shell":"x"}"#),
            ("resync", "{}"),
            ("resync", r#"{"since":"yesterday"}"#),
            ("resync", r#"{"since_seq":1,"since":"2026-11-22T00:00:00Z"}"#),
            ("resync", r#"{"since_seq":4,"until_seq":3}"#),
            ("resync", r#"{"since_seq":4,"until_seq":9007199254740992}"#),
            ("resync", r#"{"since_seq":4,"epoch":"mine"}"#),
            ("resync", r#"{"since":"2026-11-22T00:00:00Z","until_seq":3}"#),
            ("resync", r#"{"until_seq":3}"#),
            ("verify", r#"{"event_id":"../../etc"}"#),
            ("get-evidence", r#"{"event_id":"019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41","id":"../e1"}"#),
            ("reboot", "{}"),
        ] {
            assert!(Command::parse(name, payload.as_bytes()).is_err(), "{name} {payload}");
        }
    }
}
