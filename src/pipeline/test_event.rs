//! A simulated event, by the way that real ones take, for `gridwatch emit-test`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Camera, Config, Delivery};
use crate::contract::sequence::{Epoch, Seq, Stamp};
use crate::contract::topics::Channel;
use crate::domain::ids::{DerivedIds, IdGenerator};
use crate::domain::incident::{IncidentTransition, Kind, Measure, Phase};
use crate::mqtt::{Publication, Uplink, UplinkEvent};
use crate::pipeline::link;
use crate::pipeline::message::EventWriter;
use crate::pipeline::models::no_model;
use crate::spool::{Item, Spool};

/// Until the broker has it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends one opened event of `kind` that seems to come from `camera`, marked as a test, and says where it
/// went. It does not pass through the outbox, so that it works beside a running gateway.
pub async fn emit(config: &Config, camera: &Camera, kind: Kind, clock: &dyn Clock) -> anyhow::Result<String> {
    let writer = EventWriter::new(config)?.signing_if_possible(config);
    let step = simulated(camera, kind, clock.now());
    let model = no_model();
    let event = writer.event(camera, &model, &step, clock.quality(), &[], true);
    // An epoch of zeros belongs to no outbox, so that nobody asks for its other numbers.
    let body = event.to_bytes(&Stamp { epoch: Epoch(Uuid::nil()), seq: Seq(1), gone: Vec::new() });
    match &config.delivery {
        Delivery::Spool { directory } => {
            let path = Spool::new(directory.clone())?.write(step.event_id, Item::Event { revision: 1 }, &body)?;
            Ok(path.display().to_string())
        }
        Delivery::Mqtt(mqtt) => {
            let gateway = &config.gateway.id;
            let channel = Channel::Event(kind);
            let topic = writer.topics().of(&channel);
            let mut message = Publication::new(1, &topic, body).with_content_type(channel.content_type());
            message.expiry = channel.publication().expiry;
            let options = link::link_options(mqtt, gateway, &format!("{gateway}-test"))?;
            let uplink = Uplink::start(options, Arc::new(Vec::new));
            tokio::time::timeout(PATIENCE, send(uplink, message))
                .await
                .context("the broker did not answer in time")??;
            Ok(topic)
        }
    }
}

async fn send(mut uplink: Uplink, message: Publication) -> anyhow::Result<()> {
    loop {
        match uplink.next_event().await.context("the connection ended")? {
            UplinkEvent::Connected(_) => uplink.try_send(message.clone())?,
            UplinkEvent::Acknowledged { .. } => break,
            UplinkEvent::Refused { refusal, .. } => anyhow::bail!("the broker refuses it: {}", refusal.text),
            UplinkEvent::Disconnected { fault, .. } => return Err(fault.into()),
            UplinkEvent::Unsent { .. } => {}
        }
    }
    uplink.stop(Duration::from_secs(2)).await;
    Ok(())
}

fn simulated(camera: &Camera, kind: Kind, now: Timestamp) -> IncidentTransition {
    let rule = camera.rules.iter().find(|rule| rule.kind() == kind);
    let zone = rule
        .map_or_else(|| camera.zones.first().map(|zone| zone.id.as_str()), |rule| Some(rule.common().zone.as_str()));
    let rule_id = rule.map_or("test", |rule| rule.common().id.as_str());
    let (subkind, measure) = match kind {
        Kind::Encroachment => {
            ("street_occupation", Measure::Occupation { objects: 1, attendants: 1, occupied_ratio: 0.1 })
        }
        Kind::Dumping => ("muck_pile", Measure::GroundChange { changed_ratio: 0.1, act_seen: true }),
        Kind::Crowding => ("crowd", Measure::Crowd { standing: 10, present: 12, density: None }),
    };
    IncidentTransition {
        event_id: DerivedIds.next_id(&camera.id, rule_id, now),
        revision: 1,
        phase: Phase::Opened,
        kind,
        subkind: subkind.to_owned(),
        zone: zone.unwrap_or("test").to_owned(),
        rule: rule_id.to_owned(),
        at: now,
        first_seen: now,
        confirmed: now,
        last_seen: now,
        cleared: None,
        measure,
        score: 1.0,
        frames_hit: 1,
        frames_seen: 1,
        boxes: Vec::new(),
        evidence: Vec::new(),
        exceptions_checked: Vec::new(),
        related: None,
        verification: None,
    }
}
