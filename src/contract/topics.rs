//! Topic names, and how each is published.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::camera::CameraId;
use crate::domain::gateway::{GatewayIdError, check_gateway_id, is_topic_level, is_topic_root};
use crate::domain::incident::Kind;

/// Root of every topic unless configured otherwise.
pub const DEFAULT_ROOT: &str = "grid/v1";

/// Why topics cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The root is empty or holds what a topic name must not.
    #[error("topic root `{0}`: levels of letters, digits, `-`, `_` and `.`, separated by `/`")]
    Root(String),
    /// Not six digits.
    #[error("county code `{0}`: six digits expected")]
    County(String),
    /// Not three digits.
    #[error("town code `{0}`: three digits expected")]
    Town(String),
    /// Cannot be a topic level and an MQTT user name.
    #[error("gateway id `{0}`: 2 to 63 lower-case letters, digits and `-`, beginning with a letter")]
    Gateway(String),
    /// Would collide with somebody else's name.
    #[error("gateway id `{0}` is reserved")]
    Reserved(String),
}

/// How a channel is published or subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// 0 or 1.
    pub qos: u8,
    /// The broker keeps the latest.
    pub retain: bool,
    /// Message Expiry Interval.
    pub expiry: Option<Duration>,
}

/// What a topic of this gateway carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The gateway's presence.
    State,
    /// Versions, models, cameras.
    Info,
    /// One camera's state.
    CameraState(CameraId),
    /// Counters.
    Metrics,
    /// Grid events.
    Event(Kind),
    /// Pictures.
    Evidence {
        /// The event.
        event_id: Uuid,
        /// Its picture, such as `e1`.
        id: String,
    },
    /// Replies, with what follows `rsp/`.
    Response(String),
    /// The platform's word on events.
    Feedback,
    /// Requests, by name.
    Command(String),
}

impl Channel {
    /// Quality of service, retention and expiry.
    #[must_use]
    pub fn publication(&self) -> Publication {
        let (qos, retain, seconds) = match self {
            Self::State | Self::Info | Self::CameraState(_) => (1, true, None),
            Self::Metrics => (0, false, Some(600)),
            Self::Event(_) | Self::Feedback => (1, false, Some(7 * 86_400)),
            Self::Evidence { .. } => (1, false, Some(86_400)),
            Self::Response(_) | Self::Command(_) => (1, false, Some(60)),
        };
        Publication { qos, retain, expiry: seconds.map(Duration::from_secs) }
    }

    /// Media type of the payload.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::Feedback => "application/cloudevents+json",
            Self::Evidence { .. } => "image/jpeg",
            Self::State | Self::Info | Self::CameraState(_) | Self::Metrics | Self::Response(_) | Self::Command(_) => {
                "application/json"
            }
        }
    }
}

/// The topics of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
    source: String,
}

impl Topics {
    /// Topics under `{root}/{county}/{town}/{gateway}/`.
    pub fn new(root: &str, county: &str, town: &str, gateway: &str) -> Result<Self, TopicError> {
        if !is_topic_root(root) {
            return Err(TopicError::Root(root.to_owned()));
        }
        if !is_digits(county, 6) {
            return Err(TopicError::County(county.to_owned()));
        }
        if !is_digits(town, 3) {
            return Err(TopicError::Town(town.to_owned()));
        }
        check_gateway_id(gateway).map_err(|error| match error {
            GatewayIdError::Form => TopicError::Gateway(gateway.to_owned()),
            GatewayIdError::Reserved => TopicError::Reserved(gateway.to_owned()),
        })?;
        Ok(Self {
            base: format!("{root}/{county}/{town}/{gateway}"),
            source: format!("urn:gridwatch:{county}{town}:{gateway}"),
        })
    }

    /// `CloudEvents` source of this gateway.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The topic of a channel.
    #[must_use]
    pub fn of(&self, channel: &Channel) -> String {
        let base = &self.base;
        match channel {
            Channel::State => format!("{base}/state"),
            Channel::Info => format!("{base}/info"),
            Channel::CameraState(camera) => format!("{base}/cam/{camera}/state"),
            Channel::Metrics => format!("{base}/metrics"),
            Channel::Event(kind) => format!("{base}/event/{}", kind.name()),
            Channel::Evidence { event_id, id } => format!("{base}/evidence/{event_id}/{id}"),
            Channel::Response(rest) => format!("{base}/rsp/{rest}"),
            Channel::Feedback => format!("{base}/feedback"),
            Channel::Command(name) => format!("{base}/cmd/{name}"),
        }
    }

    /// What the downlink subscribes to.
    #[must_use]
    pub fn subscriptions(&self) -> [String; 2] {
        [format!("{}/feedback", self.base), format!("{}/cmd/+", self.base)]
    }

    /// The channel of one of this gateway's topics; `None` for anybody else's.
    #[must_use]
    pub fn parse(&self, topic: &str) -> Option<Channel> {
        let rest = topic.strip_prefix(self.base.as_str())?.strip_prefix('/')?;
        let levels: Vec<&str> = rest.split('/').collect();
        match levels.as_slice() {
            ["state"] => Some(Channel::State),
            ["info"] => Some(Channel::Info),
            ["metrics"] => Some(Channel::Metrics),
            ["feedback"] => Some(Channel::Feedback),
            ["cam", camera, "state"] => CameraId::new(camera).map(Channel::CameraState),
            ["event", kind] => Kind::ALL.into_iter().find(|known| known.name() == *kind).map(Channel::Event),
            ["evidence", event, id] if is_evidence_id(id) => {
                Some(Channel::Evidence { event_id: event.parse().ok()?, id: (*id).to_owned() })
            }
            ["cmd", name] if is_topic_level(name) => Some(Channel::Command((*name).to_owned())),
            ["rsp", rest @ ..] if !rest.is_empty() && rest.iter().all(|level| is_topic_level(level)) => {
                Some(Channel::Response(rest.join("/")))
            }
            _ => None,
        }
    }

    /// Whether a command's Response Topic lies under this gateway's own `rsp/`.
    #[must_use]
    pub fn owns_response(&self, topic: &str) -> bool {
        topic.len() <= 256 && matches!(self.parse(topic), Some(Channel::Response(_)))
    }
}

/// Whether `id` can name a picture of an event.
#[must_use]
pub fn is_evidence_id(id: &str) -> bool {
    (1..=16).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}
