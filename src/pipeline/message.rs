//! Turns an incident's step into the message that leaves the box: the same for live, replay and a test.

use std::sync::Arc;

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::clock::ClockQuality;
use crate::config::{Camera, Config, Delivery};
use crate::contract::catalogue::Catalogue;
use crate::contract::grid_event::{
    ClockNote, EventContext, EvidenceEntry, GridEvent, ModelNote, PlaceNote, Redaction, Transport,
};
use crate::contract::signature::{Signer, SigningNote};
use crate::contract::time::SiteTime;
use crate::contract::topics::Topics;
use crate::domain::Timestamp;
use crate::domain::incident::{EvidenceRef, IncidentTransition};
use crate::domain::rules::params::Rule;
use crate::evidence::Picture;
use crate::inference::ModelInfo;
use crate::pipeline::picture::redaction;
use crate::signing::SigningKeys;

/// Root of the topics when no broker names another.
const DEFAULT_ROOT: &str = "grid/v1";

/// What all events of a gateway share.
#[derive(Debug)]
pub struct EventWriter {
    topics: Topics,
    time_zone: TimeZone,
    catalogue: Catalogue,
    village_code: String,
    config_sha256: String,
    transport: Transport,
    keys: Option<Arc<SigningKeys>>,
}

impl EventWriter {
    /// Reads the site's catalogue, where it has one of its own.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let gateway = &config.gateway;
        let (root, transport) = match &config.delivery {
            Delivery::Mqtt(mqtt) => (mqtt.root_topic.as_str(), Transport::Mqtt),
            Delivery::Spool { .. } => (DEFAULT_ROOT, Transport::Spool),
        };
        let catalogue = match &gateway.catalogue {
            None => Catalogue::built_in(),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Catalogue::parse(&text).with_context(|| path.display().to_string())?
            }
        };
        Ok(Self {
            topics: Topics::new(root, &gateway.county_code, &gateway.town_code, &gateway.id)?,
            time_zone: gateway.time_zone.clone(),
            catalogue,
            village_code: gateway.village_code.clone(),
            config_sha256: config.sha256.clone(),
            transport,
            keys: None,
        })
    }

    /// The same, with events signed by the gateway's key, which is made if this is the first start.
    pub fn signing(mut self, config: &Config, now: Timestamp) -> anyhow::Result<Self> {
        let now = SiteTime::new(now, &self.time_zone);
        let keys = SigningKeys::open_or_make(&config.storage.state_dir, self.topics.source(), now.as_str());
        self.keys = Some(Arc::new(keys.context("the key that events are signed with")?));
        Ok(self)
    }

    /// The same, with events signed if there is a key that this process may read: for a process beside the gateway.
    #[must_use]
    pub fn signing_if_possible(mut self, config: &Config) -> Self {
        match SigningKeys::open(&config.storage.state_dir) {
            Ok(keys) => self.keys = Some(Arc::new(keys)),
            Err(error) => tracing::warn!(%error, "the event is not signed"),
        }
        self
    }

    /// Keys that its events are signed with.
    #[must_use]
    pub fn signing_note(&self) -> Option<SigningNote> {
        self.keys.as_ref().map(|keys| keys.note())
    }

    /// Topics of this gateway.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// How pictures arrive.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The site's time zone.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// Version of the event codes.
    #[must_use]
    pub fn catalogue_version(&self) -> &str {
        &self.catalogue.version
    }

    /// The message of one step; `evidence` is every picture of the incident so far.
    #[must_use]
    pub fn event(
        &self,
        camera: &Camera,
        model: &ModelInfo,
        step: &IncidentTransition,
        clock: ClockQuality,
        evidence: &[EvidenceEntry],
        test: bool,
    ) -> GridEvent {
        let rule = camera.rules.iter().find(|rule| rule.common().id == step.rule);
        let zone = camera.zones.iter().find(|zone| zone.id == step.zone);
        let place = PlaceNote {
            village_code: camera.place.village_code.clone().unwrap_or_else(|| self.village_code.clone()),
            grid_code: camera.place.grid_code.clone(),
            address: camera.place.address.clone(),
            point: camera.place.point,
        };
        let bands = match rule {
            Some(Rule::Crowding(rule)) => rule.bands.as_slice(),
            Some(Rule::Encroachment(_) | Rule::Dumping(_)) | None => &[],
        };
        let context = EventContext {
            topics: &self.topics,
            time_zone: &self.time_zone,
            catalogue: &self.catalogue,
            camera: (camera.id.as_str(), camera.name.as_deref(), camera.gb_device_id.as_deref()),
            place: &place,
            zone_name: zone.and_then(|zone| zone.name.as_deref()),
            // Rules have no version of their own: another configuration is another version.
            rule_version: self.config_sha256.get(..8).unwrap_or(&self.config_sha256),
            dwell_s: rule.map_or(0, |rule| rule.common().dwell.as_secs()),
            bands,
            model: model_note(model),
            clock: clock_note(clock),
            config_sha256: &self.config_sha256,
            evidence,
            test,
        };
        let event = GridEvent::new(step, &context);
        match &self.keys {
            Some(keys) => event.signed_by(Arc::clone(keys) as Arc<dyn Signer>),
            None => event,
        }
    }

    /// How a kept picture appears in its event; `number` counts the incident's pictures from 1.
    #[must_use]
    pub fn evidence_entry(&self, number: usize, shown: &EvidenceRef, picture: &PictureFacts) -> EvidenceEntry {
        EvidenceEntry {
            id: format!("e{number}"),
            role: shown.role,
            bytes: picture.bytes,
            width: picture.width,
            height: picture.height,
            sha256: picture.sha256.clone(),
            captured_at: shown.captured_at,
            redaction: picture.redaction,
            transport: self.transport,
        }
    }
}

/// A kept picture without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFacts {
    /// Size of the JPEG.
    pub bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the JPEG, hexadecimal.
    pub sha256: String,
    /// What was blurred.
    pub redaction: Redaction,
}

impl PictureFacts {
    /// Of a picture that was redacted by what `model` saw.
    #[must_use]
    pub fn of(picture: &Picture, model: &ModelInfo) -> Self {
        Self {
            bytes: picture.jpeg.len() as u64,
            width: picture.width,
            height: picture.height,
            sha256: picture.sha256.clone(),
            redaction: redaction(&picture.redaction, model),
        }
    }
}

/// A model, in the contract's words.
#[must_use]
pub fn model_note(model: &ModelInfo) -> ModelNote {
    ModelNote { name: model.name.clone(), version: model.version.clone(), sha256: model.sha256.clone() }
}

fn clock_note(clock: ClockQuality) -> ClockNote {
    ClockNote { synced: clock.synced, offset_ms: clock.offset_ms, boot_id: clock.boot_id, uptime_ms: clock.uptime_ms }
}
