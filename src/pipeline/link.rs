//! From the configuration to the connections with a broker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::config::{Config, Mqtt, ReleaseOn, Tls};
use crate::contract::info::{CameraNote, InferenceNote};
use crate::contract::sequence::Epoch;
use crate::contract::topics::Channel;
use crate::domain::camera::CameraId;
use crate::mqtt::{
    ClientIdentity, Credentials, Downlink, DownlinkOptions, LinkOptions, Renew, ResolvedTls, SurelyOver, Uplink, Will,
};
use crate::pipeline::deliver::Shared;
use crate::pipeline::message::model_note;
use crate::pipeline::models::ModelFacts;
use crate::pipeline::progress::Progress;
use crate::pipeline::publish::commands::Desk;
use crate::pipeline::publish::flight::Flight;
use crate::pipeline::publish::mqtt::{MqttPublisher, Waiting};
use crate::pipeline::publish::retained::Descriptions;

/// A whole village gets its power back at once.
const FIRST_ATTEMPT_WITHIN: Duration = Duration::from_secs(30);

/// A broker that is restarted loses all of its gateways at once: 400 connections of 200 of them come back at four or five a
/// second, and at no more than twenty in the worst one.
const SPREAD_AFTER_END: Duration = Duration::from_secs(90);

/// How long the broker waits before it says that we are gone.
const WILL_DELAY: Duration = Duration::from_secs(30);

/// What the connections are made from.
#[derive(Debug)]
pub struct Context<'a> {
    /// Everything that is set.
    pub config: &'a Config,
    /// What runs.
    pub shared: &'a Shared,
    /// Models in use.
    pub facts: &'a BTreeMap<PathBuf, ModelFacts>,
    /// Of the inference runtime.
    pub runtime_version: &'a str,
    /// Cameras that are not configured any more.
    pub removed: Vec<CameraId>,
    /// When this run began.
    pub started_at: Timestamp,
    /// Life of the outbox.
    pub epoch: Epoch,
    /// The platform has given receipts before.
    pub receipts_seen: bool,
    /// Why nothing is watched in this run, if that is so.
    pub safe_mode: Option<Arc<str>>,
}

/// Both connections before they are made: everything that can be wrong with the configuration of a broker has been found.
#[derive(Debug)]
pub struct Prepared {
    uplink: LinkOptions,
    downlink: DownlinkOptions,
    descriptions: Descriptions,
    release_on: ReleaseOn,
    progress: Progress,
    receipts_seen: bool,
}

/// Reads what the connections need; `times` may change them for others than those for use in the field.
pub fn prepare(
    context: &Context<'_>,
    mqtt: &Mqtt,
    times: impl Fn(LinkOptions) -> LinkOptions,
) -> anyhow::Result<Prepared> {
    let descriptions = descriptions(context);
    let gateway = &context.config.gateway.id;
    let uplink_options = times(spread(link_options(mqtt, gateway, gateway)?, context.shared));
    let downlink_link = times(spread(link_options(mqtt, gateway, &format!("{gateway}-rx"))?, context.shared));
    let topics = context.shared.writer.topics();
    let mut downlink_options = DownlinkOptions::new(downlink_link, topics.subscriptions().to_vec());
    downlink_options.will = Some(Will {
        topic: topics.of(&Channel::State),
        payload: serde_json::to_vec(&descriptions.gateway_state(true).will())?,
        content_type: Some(Channel::State.content_type().to_owned()),
        delay: WILL_DELAY,
    });
    // Presence belongs to the connection that owns the will: a will that was said is taken back here.
    let presence = descriptions.clone();
    downlink_options.hello = Arc::new(move || vec![presence.state(true)]);
    let absence = descriptions.clone();
    downlink_options.farewell = Arc::new(move || vec![absence.state(false)]);
    Ok(Prepared {
        uplink: uplink_options,
        downlink: downlink_options,
        descriptions,
        release_on: mqtt.release_on,
        progress: context.shared.progress.clone(),
        receipts_seen: context.receipts_seen,
    })
}

impl Prepared {
    /// Begins to connect; with the loop that owns both connections.
    #[must_use]
    pub fn start(self, desk: Desk) -> MqttPublisher {
        let births = self.descriptions.clone();
        MqttPublisher {
            uplink: Uplink::start(self.uplink, Arc::new(move || births.births())),
            downlink: Downlink::start(self.downlink),
            desk,
            descriptions: self.descriptions,
            release_on: self.release_on,
            progress: self.progress,
            flight: Flight::new(self.receipts_seen),
            waiting: Waiting::default(),
        }
    }
}

/// How to reach the broker as `client_id`; certificates and the password are read anew before each
/// attempt, so that they can be changed while the program runs.
pub fn link_options(mqtt: &Mqtt, gateway: &str, client_id: &str) -> anyhow::Result<LinkOptions> {
    let mut options = LinkOptions::new(&mqtt.host, mqtt.port, client_id);
    options.keep_alive = mqtt.keep_alive;
    options.username = Some(mqtt.username.clone().unwrap_or_else(|| gateway.to_owned()));
    let first = credentials(mqtt)?;
    options.password = first.password;
    options.tls = first.tls;
    let settings = mqtt.clone();
    options.renew = Some(Renew(Arc::new(move || credentials(&settings).map_err(|error| format!("{error:#}")))));
    Ok(options)
}

/// Certificates are not judged as of a time that the gateway's own clock knows to be over. Only a box that has just been
/// switched on waits: one that is restarted by hand should be quick.
fn spread(mut options: LinkOptions, shared: &Shared) -> LinkOptions {
    let clock = Arc::clone(&shared.clock);
    options.surely_over = Some(SurelyOver(Arc::new(move || clock.utc())));
    if !is_loopback(&options.host) {
        options.spread_after_end = SPREAD_AFTER_END;
    }
    let uptime = Duration::from_millis(shared.clock.quality().uptime_ms);
    if uptime < Duration::from_secs(300) && !is_loopback(&options.host) {
        options.first_attempt_within = FIRST_ATTEMPT_WITHIN;
    }
    options
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials(mqtt: &Mqtt) -> anyhow::Result<Credentials> {
    let password = mqtt.password.as_ref().map(crate::config::SecretRef::resolve).transpose();
    Ok(Credentials {
        password: password.context("password of the broker")?,
        tls: mqtt.tls.as_ref().map(resolved_tls).transpose()?,
    })
}

fn resolved_tls(tls: &Tls) -> anyhow::Result<ResolvedTls> {
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
    let client = match (&tls.client_cert_file, &tls.client_key) {
        (Some(cert), Some(key)) => {
            let key = key.resolve().context("client key of the broker")?;
            Some(ClientIdentity { cert: read(cert)?, key })
        }
        _ => None,
    };
    Ok(ResolvedTls { ca: tls.ca_file.as_ref().map(read).transpose()?, client })
}

fn descriptions(context: &Context<'_>) -> Descriptions {
    let config = context.config;
    let cameras = config.cameras.iter().map(|camera| CameraNote {
        id: camera.id.to_string(),
        name: camera.name.clone(),
        gb_device_id: camera.gb_device_id.clone(),
        kinds: camera.rules.iter().map(crate::domain::rules::params::Rule::kind).collect(),
    });
    let providers = context.facts.values().map(|facts| facts.provider.as_str());
    Descriptions {
        writer: Arc::clone(&context.shared.writer),
        board: context.shared.board.clone(),
        clock: Arc::clone(&context.shared.clock),
        cameras: cameras.collect(),
        models: context.facts.values().map(|facts| model_note(&facts.info)).collect(),
        inference: InferenceNote {
            runtime: "onnxruntime".to_owned(),
            version: context.runtime_version.to_owned(),
            provider: providers.collect::<Vec<_>>().first().copied().unwrap_or("none").to_owned(),
        },
        config_sha256: config.sha256.as_str().into(),
        profiles: config.profiles.iter().map(|profile| profile.id.clone()).collect(),
        removed: context.removed.clone().into(),
        session: format!("{:016x}", rand::random::<u64>()).into(),
        started_at: context.started_at,
        epoch: context.epoch,
        safe_mode: context.safe_mode.clone(),
    }
}
