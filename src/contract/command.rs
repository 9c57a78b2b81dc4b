//! Requests from the platform. Unknown fields are refused: a request that is half understood must not act.

mod orders;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::inbound::{self, Refused};
use super::sequence::{Epoch, Seq};
use super::time::SiteTime;
use super::topics::is_evidence_id;
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
pub use orders::{LONGEST_MUTE, LONGEST_PROFILE, Mute, ProfileOrder};

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
    /// A picture of now.
    Snapshot {
        /// Of this camera.
        camera: CameraId,
    },
    /// No new incidents for a while.
    Mute(Mute),
    /// Another profile of rules for a while.
    Profile(ProfileOrder),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    cam: String,
}

impl Command {
    /// Every name that there is.
    pub const NAMES: [&'static str; 7] = ["ping", "resync", "verify", "get-evidence", "snapshot", "mute", "profile"];

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
            "snapshot" => {
                let Snapshot { cam } = inbound::parse(payload)?;
                Ok(Self::Snapshot { camera: orders::camera_of(&cam)? })
            }
            "mute" => Mute::parse(payload).map(Self::Mute),
            "profile" => ProfileOrder::parse(payload).map(Self::Profile),
            _ => Err(Refused::Unknown { what: "command", known: Self::NAMES.join(", ") }),
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
    /// Not in this version: said by gateways of before to what they did not know yet.
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
