//! What a command must bring before anybody reads it. Plain bookkeeping: time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::contract::inbound::Reason;
use crate::contract::topics::{Channel, Topics};
use crate::domain::camera::CameraId;
use crate::domain::time::elapsed;

/// Commands that are read in any minute; each costs a look into the store.
const COMMANDS_A_MINUTE: usize = 120;
/// Answers in any minute that say no more than that; a flood is not answered by another.
const COMPLAINTS_A_MINUTE: usize = 10;
/// Snapshots of one camera: one in this time.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
/// Snapshots of all cameras in any minute: each is a look, and 250 KiB on a thin line.
const SNAPSHOTS_A_MINUTE: usize = 12;
/// Bytes of Correlation Data.
const MAX_CORRELATION: usize = 256;
/// Life of a command: of the contract, and where its sender set none.
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// For so long, and of so many, it is known what was asked before: commands live a minute.
const REMEMBERED: Duration = Duration::from_secs(600);
const MOST_REMEMBERED: usize = 2048;

/// A command as it came, without its payload.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the answer is wanted.
    pub reply_to: Option<&'a str>,
    /// To be copied into the answer.
    pub correlation: Option<&'a [u8]>,
    /// Kept by the broker from before.
    pub retained: bool,
    /// What was left of its life when it came.
    pub expiry: Option<Duration>,
    /// Since it came.
    pub waited: Duration,
    /// The broker may have kept it while we were away.
    pub was_kept: bool,
}

/// Lets commands in.
#[derive(Debug, Default)]
pub struct Gate {
    seen: VecDeque<(Timestamp, [u8; 32])>,
    commands: Window,
    snapshots: Window,
    /// Answers that say that it was too much.
    complaints: Window,
    pictured: BTreeMap<CameraId, Timestamp>,
}

/// What was let in lately.
#[derive(Debug, Default)]
struct Window(VecDeque<Timestamp>);

impl Window {
    fn admits(&mut self, most: usize, at: Timestamp) -> bool {
        while self.0.front().is_some_and(|&first| elapsed(first, at) >= Duration::from_secs(60)) {
            self.0.pop_front();
        }
        let room = self.0.len() < most;
        if room {
            self.0.push_back(at);
        }
        room
    }
}

/// The part of a response topic after `rsp/`, if it is one of this gateway's.
#[must_use]
pub fn reply_path(topics: &Topics, topic: Option<&str>) -> Option<String> {
    let topic = topic.filter(|topic| topics.owns_response(topic))?;
    if let Channel::Response(path) = topics.parse(topic)? { Some(path) } else { None }
}

impl Gate {
    /// Whether the command may be read.
    pub fn admit(&mut self, asked: &Asked<'_>, topics: &Topics, at: Timestamp) -> Result<(), Reason> {
        if asked.retained {
            return Err(Reason::Retained);
        }
        if reply_path(topics, asked.reply_to).is_none() {
            return Err(Reason::ForeignResponseTopic);
        }
        let correlation = asked.correlation.filter(|data| (1..=MAX_CORRELATION).contains(&data.len()));
        let correlation = correlation.ok_or(Reason::NoCorrelation)?;
        // MQTT does not say when it was sent: of what was kept, only a short life vouches for its age.
        let may_be_old = asked.was_kept && asked.expiry.is_none_or(|left| left > USUAL_LIFE);
        if may_be_old || asked.waited >= asked.expiry.unwrap_or(USUAL_LIFE) {
            return Err(Reason::Expired);
        }
        if !self.commands.admits(COMMANDS_A_MINUTE, at) {
            return Err(Reason::RateLimited);
        }
        if self.is_known(asked, correlation, at) { Err(Reason::Replayed) } else { Ok(()) }
    }

    /// Whether this refusal is worth an answer: a replay was answered before, what is retained has nobody who waits.
    pub fn answers(&mut self, reason: Reason, at: Timestamp) -> bool {
        match reason {
            Reason::Replayed | Reason::Retained | Reason::ForeignResponseTopic | Reason::ForeignTopic => false,
            Reason::RateLimited => self.complaints.admits(COMPLAINTS_A_MINUTE, at),
            Reason::TooLarge
            | Reason::TooDeep
            | Reason::Malformed
            | Reason::InvalidValue
            | Reason::UnknownName
            | Reason::NoCorrelation
            | Reason::Expired
            | Reason::UnknownEvent
            | Reason::NotPossible => true,
        }
    }

    fn is_known(&mut self, asked: &Asked<'_>, correlation: &[u8], at: Timestamp) -> bool {
        let mut hash = Sha256::new();
        for part in [asked.name.as_bytes(), asked.reply_to.unwrap_or_default().as_bytes(), correlation] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let key: [u8; 32] = hash.finalize().into();
        while self.seen.front().is_some_and(|(seen, _)| elapsed(*seen, at) >= REMEMBERED) {
            self.seen.pop_front();
        }
        if self.seen.iter().any(|(_, known)| *known == key) {
            return true;
        }
        if self.seen.len() == MOST_REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back((at, key));
        false
    }

    /// Whether a camera that there is may be pictured again.
    pub fn admit_snapshot(&mut self, camera: &CameraId, at: Timestamp) -> Result<(), Reason> {
        let too_soon = self.pictured.get(camera).is_some_and(|last| elapsed(*last, at) < SNAPSHOT_EVERY);
        if too_soon || !self.snapshots.admits(SNAPSHOTS_A_MINUTE, at) {
            return Err(Reason::RateLimited);
        }
        self.pictured.insert(camera.clone(), at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "grid/v1/330902/101/gw-0007/rsp/judge-1";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn topics() -> Topics {
        Topics::new("grid/v1", "330902", "101", "gw-0007").expect("right")
    }

    fn good() -> Asked<'static> {
        let (reply_to, correlation) = (Some(TOPIC), Some(&b"1"[..]));
        Asked {
            name: "ping",
            reply_to,
            correlation,
            retained: false,
            expiry: None,
            waited: Duration::ZERO,
            was_kept: false,
        }
    }

    #[test]
    fn what_lacks_an_address_or_comes_late_is_not_read() {
        let long = [b'x'; MAX_CORRELATION + 1];
        let second = Duration::from_secs(1);
        for (asked, reason) in [
            (Asked { retained: true, ..good() }, Reason::Retained),
            (Asked { reply_to: None, ..good() }, Reason::ForeignResponseTopic),
            (Asked { reply_to: Some("grid/v1/330902/101/gw-0008/rsp/x"), ..good() }, Reason::ForeignResponseTopic),
            (Asked { reply_to: Some("grid/v1/330902/101/gw-0007/event/x"), ..good() }, Reason::ForeignResponseTopic),
            (Asked { reply_to: Some("grid/v1/330902/101/gw-0007/rsp/#"), ..good() }, Reason::ForeignResponseTopic),
            (Asked { correlation: None, ..good() }, Reason::NoCorrelation),
            (Asked { correlation: Some(b""), ..good() }, Reason::NoCorrelation),
            (Asked { correlation: Some(&long), ..good() }, Reason::NoCorrelation),
            (Asked { expiry: Some(Duration::ZERO), ..good() }, Reason::Expired),
            (Asked { was_kept: true, ..good() }, Reason::Expired),
            (Asked { was_kept: true, expiry: Some(Duration::from_secs(86_400)), ..good() }, Reason::Expired),
            (Asked { expiry: Some(second), waited: second, ..good() }, Reason::Expired),
            (Asked { waited: USUAL_LIFE, ..good() }, Reason::Expired),
        ] {
            assert_eq!(Gate::default().admit(&asked, &topics(), at(0)), Err(reason), "{asked:?}");
        }
        assert_eq!(Gate::default().admit(&good(), &topics(), at(0)), Ok(()));
    }

    #[test]
    fn a_replay_is_known_for_ten_minutes() {
        let mut gate = Gate::default();
        assert_eq!(gate.admit(&good(), &topics(), at(0)), Ok(()));
        assert_eq!(gate.admit(&good(), &topics(), at(599)), Err(Reason::Replayed));
        assert_eq!(gate.admit(&Asked { correlation: Some(b"2"), ..good() }, &topics(), at(599)), Ok(()));
        assert_eq!(gate.admit(&Asked { name: "resync", ..good() }, &topics(), at(599)), Ok(()));
        assert_eq!(gate.admit(&good(), &topics(), at(601)), Ok(()));
    }

    #[test]
    fn a_flood_is_cut_and_forgotten() {
        let mut gate = Gate::default();
        let mut admitted = 0;
        for n in 0..10_000_u32 {
            let correlation = n.to_be_bytes();
            let asked = Asked { correlation: Some(&correlation), ..good() };
            match gate.admit(&asked, &topics(), at(i64::from(n) / 100)) {
                Ok(()) => admitted += 1,
                Err(reason) => assert_eq!(reason, Reason::RateLimited),
            }
        }
        assert_eq!(admitted, 2 * COMMANDS_A_MINUTE, "a hundred seconds");
        assert!(gate.seen.len() <= MOST_REMEMBERED && gate.commands.0.len() <= COMMANDS_A_MINUTE);
        assert_eq!(gate.admit(&good(), &topics(), at(200)), Ok(()));
        let answered = (0..500).filter(|_| gate.answers(Reason::RateLimited, at(200))).count();
        assert_eq!((answered, gate.answers(Reason::Replayed, at(300))), (COMPLAINTS_A_MINUTE, false));
    }

    #[test]
    fn a_camera_is_pictured_every_ten_seconds_at_most() {
        let mut gate = Gate::default();
        let camera = |n: usize| CameraId::new(&format!("cam-{n}")).expect("legal");
        assert_eq!(gate.admit_snapshot(&camera(0), at(0)), Ok(()));
        assert_eq!(gate.admit_snapshot(&camera(0), at(9)), Err(Reason::RateLimited));
        assert_eq!(gate.admit_snapshot(&camera(0), at(10)), Ok(()));
        let more = (1..40).filter(|n| gate.admit_snapshot(&camera(*n), at(11)).is_ok()).count();
        assert_eq!(more, SNAPSHOTS_A_MINUTE - 2);
    }
}
