//! Messages that describe rather than report: presence, info, camera states, metrics. Never queued:
//! only the newest is of use.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Clock;
use crate::contract::camera_state::{CameraCondition, CameraState, MutedKind};
use crate::contract::info::{CameraNote, InferenceNote, Info};
use crate::contract::sequence::Epoch;
use crate::contract::state::{GatewayState, SafeModeNote};
use crate::contract::time::SiteTime;
use crate::contract::topics::Channel;
use crate::domain::camera::{CameraId, StreamState};
use crate::domain::rules::params::NO_PROFILE;
use crate::domain::scene::ViewState;
use crate::mqtt::Publication;
use crate::pipeline::board::{Board, CameraFacts};
use crate::pipeline::message::EventWriter;

/// Describes the gateway.
#[derive(Debug, Clone)]
pub struct Descriptions {
    /// Topics and times.
    pub writer: Arc<EventWriter>,
    /// Cameras as they are.
    pub board: Board,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Cameras as they are configured.
    pub cameras: Arc<[CameraNote]>,
    /// Models in use.
    pub models: Arc<[crate::contract::grid_event::ModelNote]>,
    /// Inference as it runs.
    pub inference: InferenceNote,
    /// Of the configuration text.
    pub config_sha256: Arc<str>,
    /// Profiles that there are.
    pub profiles: Arc<[String]>,
    /// Cameras that an earlier configuration had: their retained state is removed.
    pub removed: Arc<[CameraId]>,
    /// Names this run of the program.
    pub session: Arc<str>,
    /// When this run began.
    pub started_at: Timestamp,
    /// Life of the outbox.
    pub epoch: Epoch,
    /// Why nothing is watched in this run, if that is so.
    pub safe_mode: Option<Arc<str>>,
}

impl Descriptions {
    /// Presence.
    #[must_use]
    pub fn state(&self, online: bool) -> Publication {
        self.message(&Channel::State, &self.gateway_state(online))
    }

    /// Presence as the broker is to publish it when we are gone.
    #[must_use]
    pub fn gateway_state(&self, online: bool) -> GatewayState {
        GatewayState {
            online,
            session: self.session.to_string(),
            boot_id: self.clock.quality().boot_id,
            at: self.time(self.clock.now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            safe_mode: self
                .safe_mode
                .as_ref()
                .map(|reason| SafeModeNote { since: self.time(self.started_at), reason: reason.to_string() }),
        }
    }

    /// What runs here.
    #[must_use]
    pub fn info(&self) -> Publication {
        let (rule_profile, until) = self.board.profile_in_force().unzip();
        let info = Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: self.time(self.clock.now()),
            inference: self.inference.clone(),
            models: self.models.to_vec(),
            cameras: self.cameras.to_vec(),
            rule_profile: rule_profile.unwrap_or_else(|| NO_PROFILE.to_owned()),
            rule_profile_until: until.map(|until| SiteTime::new(until, self.writer.time_zone())),
            profiles: self.profiles.to_vec(),
            catalogue_version: self.writer.catalogue_version().to_owned(),
            config_sha256: self.config_sha256.to_string(),
            signing: self.writer.signing_note(),
        };
        self.message(&Channel::Info, &info)
    }

    /// What opens a connection: info and every camera's state.
    #[must_use]
    pub fn births(&self) -> Vec<Publication> {
        let removed = self.removed.iter().map(|id| {
            let topic = self.writer.topics().of(&Channel::CameraState(id.clone()));
            Publication::new(0, topic, Vec::new()).retained()
        });
        let cameras = self.camera_states();
        std::iter::once(self.info()).chain(removed).chain(cameras.into_values()).collect()
    }

    /// Every camera's state.
    #[must_use]
    pub fn camera_states(&self) -> BTreeMap<CameraId, Publication> {
        let now = self.clock.now();
        let states = self.board.read().into_iter().map(|(id, facts)| {
            let message = self.message(&Channel::CameraState(id.clone()), &self.camera_state(&facts, now));
            (id, message)
        });
        states.collect()
    }

    /// Any message of the contract as a publication without a token.
    #[must_use]
    pub fn message(&self, channel: &Channel, body: &impl Serialize) -> Publication {
        let how = channel.publication();
        // Every type of the contract can be written as JSON.
        let body = serde_json::to_vec(body).unwrap_or_default();
        let mut message =
            Publication::new(0, self.writer.topics().of(channel), body).with_content_type(channel.content_type());
        if how.qos == 0 {
            message = message.at_most_once();
        }
        message.retain = how.retain;
        message.expiry = how.expiry;
        message
    }

    /// A moment of the box's own time in the site's form.
    #[must_use]
    pub fn time(&self, at: Timestamp) -> SiteTime {
        SiteTime::new(self.clock.outside(at), self.writer.time_zone())
    }

    fn muted(&self, facts: &CameraFacts, now: Timestamp) -> Vec<MutedKind> {
        let standing = facts.mutes.iter().filter(|(_, until)| **until > now);
        standing.map(|(kind, until)| MutedKind { kind: *kind, until: self.time(*until) }).collect()
    }

    #[allow(clippy::cast_possible_truncation, reason = "a percentage")]
    fn camera_state(&self, facts: &CameraFacts, now: Timestamp) -> CameraState {
        CameraState {
            state: condition(facts.stream, facts.view),
            since: self.time(facts.since),
            last_frame_at: facts.last_frame_at.map(|at| self.time(at)),
            codec: facts.info.as_ref().map(|info| info.codec.clone()),
            size: facts.info.as_ref().map(|info| [info.width, info.height]),
            keyframe_s: facts.info.as_ref().and_then(|info| info.keyframe_s),
            muted: self.muted(facts, now),
            analysed_pct_1h: Some((facts.coverage.percent(now) * 10.0).round() as f32 / 10.0),
        }
    }
}

/// The stream's trouble comes first: without pictures nothing is known of the view.
#[must_use]
pub fn condition(stream: StreamState, view: ViewState) -> CameraCondition {
    match (stream, view) {
        (StreamState::Ok | StreamState::Degraded, ViewState::Occluded) => CameraCondition::Occluded,
        (StreamState::Ok | StreamState::Degraded, ViewState::TooDark) => CameraCondition::TooDark,
        (StreamState::Ok | StreamState::Degraded, ViewState::ViewChanged) => CameraCondition::ViewChanged,
        (stream, _) => stream.into(),
    }
}
