//! Requests that change what a gateway does for a while: `mute` and `profile`. Both end by themselves.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::contract::inbound::{self, Refused};
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
use crate::domain::incident::Kind;
use crate::domain::rules::params::NO_PROFILE;
use crate::domain::time::after;

/// The longest silence that one request may order.
pub const LONGEST_MUTE: Duration = Duration::from_secs(7 * 86_400);
/// The longest time that a profile may be in force by one request.
pub const LONGEST_PROFILE: Duration = Duration::from_secs(31 * 86_400);
/// Characters of a reason.
const MAX_REASON: usize = 200;

/// No new incidents of a kind at a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// Where.
    pub camera: CameraId,
    /// Of what; `None`: of anything.
    pub kind: Option<Kind>,
    /// How long; `None` or a moment that has passed lifts it.
    pub until: Option<Timestamp>,
    /// Why, in the platform's words.
    pub reason: Option<String>,
}

/// Which of the configuration's profiles is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileOrder {
    /// The profile; `None`: the rules as they are written.
    pub name: Option<String>,
    /// Until when; always there with a name.
    pub until: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMute {
    cam: String,
    kind: Option<Kind>,
    // Whoever forgets it must not lift what stands.
    #[serde(deserialize_with = "given")]
    until: Option<Timestamp>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: String,
    until: Option<Timestamp>,
}

/// `null` is a value, absence is none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer)
}

pub(super) fn camera_of(id: &str) -> Result<CameraId, Refused> {
    CameraId::new(id).ok_or(Refused::Field { field: "cam", problem: "is not a camera id" })
}

impl Mute {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Refused> {
        let RawMute { cam, kind, until, reason } = inbound::parse(payload)?;
        if let Some(reason) = &reason {
            inbound::check_text("reason", reason, MAX_REASON)?;
        }
        Ok(Self { camera: camera_of(&cam)?, kind, until, reason })
    }

    /// Refuses what would last too long.
    pub fn check(&self, now: Timestamp) -> Result<(), Refused> {
        match self.until {
            Some(until) if until > after(now, LONGEST_MUTE) => {
                Err(Refused::Field { field: "until", problem: "is more than 7 days away by the gateway's clock" })
            }
            _ => Ok(()),
        }
    }
}

impl ProfileOrder {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Refused> {
        let RawProfile { name, until } = inbound::parse(payload)?;
        let refused = |field, problem| Err(Refused::Field { field, problem });
        inbound::check_text("name", &name, 64)?;
        match (name == NO_PROFILE, until) {
            (true, None) => Ok(Self { name: None, until: None }),
            (true, Some(_)) => refused("until", "goes with a profile, and `default` is none"),
            (false, None) => refused("until", "is missing: a profile ends by itself"),
            (false, Some(_)) => Ok(Self { name: Some(name), until }),
        }
    }

    /// Refuses what is over already or would last too long.
    pub fn check(&self, now: Timestamp) -> Result<(), Refused> {
        match self.until {
            Some(until) if until <= now => Err(Refused::Over),
            Some(until) if until > after(now, LONGEST_PROFILE) => {
                Err(Refused::Field { field: "until", problem: "is more than 31 days away by the gateway's clock" })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::command::Command;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_mute_says_where_what_and_how_long() {
        let parse = |text: &str| Command::parse("mute", text.as_bytes());
        let whole = r#"{"cam":"c1","kind":"dumping","until":"2027-01-15T16:00:00+08:00","reason":"道路施工"}"#;
        let Ok(Command::Mute(mute)) = parse(whole) else { panic!("{:?}", parse(whole)) };
        assert_eq!((mute.camera.as_str(), mute.kind), ("c1", Some(Kind::Dumping)));
        assert_eq!(mute.until, Some(at(0)));
        assert!(mute.check(at(-7 * 86_400)).is_ok() && mute.check(at(9)).is_ok());
        assert!(mute.check(at(-7 * 86_400 - 1)).is_err());
        let lift = parse(r#"{"cam":"c1","until":null}"#);
        assert!(matches!(lift, Ok(Command::Mute(Mute { kind: None, until: None, reason: None, .. }))));
        for wrong in [
            r#"{"cam":"c1"}"#,
            r#"{"cam":"c 1","until":null}"#,
            r#"{"until":null}"#,
            r#"{"cam":"c1","kind":"fire","until":null}"#,
            r#"{"cam":"c1","until":1800000000}"#,
            r#"{"cam":"c1","until":null,"reason":""}"#,
            r#"{"cam":"c1","until":null,"reason":"a\u0007b"}"#,
            r#"{"cam":"c1","until":null,"rules":[]}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_profile_has_a_name_and_an_end() {
        let parse = |text: &str| Command::parse("profile", text.as_bytes());
        let Ok(Command::Profile(order)) = parse(r#"{"name":"market-day","until":"2027-01-15T08:00:00Z"}"#) else {
            panic!("not understood")
        };
        assert_eq!(order, ProfileOrder { name: Some("market-day".to_owned()), until: Some(at(0)) });
        assert_eq!(order.check(at(0)), Err(Refused::Over));
        assert!(order.check(at(-1)).is_ok() && order.check(at(-31 * 86_400)).is_ok());
        assert!(order.check(at(-31 * 86_400 - 1)).is_err());
        let none = ProfileOrder { name: None, until: None };
        assert_eq!(parse(r#"{"name":"default"}"#), Ok(Command::Profile(none)));
        for wrong in [
            r#"{"name":"market-day"}"#,
            r#"{"name":"default","until":"2027-01-15T08:00:00Z"}"#,
            r#"{"name":""}"#,
            r#"{"name":"x","until":"2027-01-15T08:00:00Z","dwell_s":1}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
