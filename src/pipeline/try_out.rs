//! Tries what a configuration names: models, broker, cameras. For `gridwatch check` and `gridwatch doctor`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::config::address::is_loopback;
use crate::config::{Camera, Config, Delivery};
use crate::contract::topics::Channel;
use crate::media::boundary::AuthLedger;
use crate::media::live::MediaOptions;
use crate::media::workers::{Program, probe};
use crate::mqtt::{FaultKind, Grant, LinkFault, Publication, check_broker};
use crate::pipeline::cameras::resolve;
use crate::pipeline::ledger::ReadLedger;
use crate::pipeline::link;
use crate::pipeline::message::EventWriter;
use crate::pipeline::models::{self, ModelFacts};
use crate::store::Store;

/// How long a camera is watched.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thing of this height in the model's input is about the smallest that a detector of this class finds.
const MIN_MODEL_PX: f64 = 12.0;

const EVENT_CODES: &str = "mend the file that `catalogue` of [gateway] names, or take the key out";
const MODELS: &str = "`gridwatch models verify` says which file is wrong, docs/models.md how to get another";
const BROKER: &str = "compare [mqtt] with the broker's settings; is the broker running, and is there a way to it?";
const CERTIFICATES: &str = "compare `host` of [mqtt], the files of [mqtt.tls] and the clock with the broker's certificate: \
                            `openssl s_client -connect HOST:PORT` shows it";
const RIGHTS: &str = "contract/mosquitto.acl shows the rights that a gateway needs";
const AS_THE_GATEWAY: &str = "run this as the user of the gateway";
const CAMERA: &str = "`gridwatch probe` with this camera's URL says more";

/// What became of one thing that was tried.
#[derive(Debug)]
pub struct Tried {
    /// In words: `camera gate-1`.
    pub what: String,
    /// In words.
    pub result: Result<String, String>,
    /// It works, but somebody should know this.
    pub warning: Option<String>,
    /// What to do where it does not work.
    pub remedy: &'static str,
}

impl Tried {
    /// Without a warning.
    pub fn new(what: impl Into<String>, result: Result<String, String>, remedy: &'static str) -> Self {
        Self { what: what.into(), result, warning: None, remedy }
    }

    /// With one, if there is one.
    #[must_use]
    pub fn warn(mut self, warning: Option<String>) -> Self {
        self.warning = warning;
        self
    }
}

/// Loads the runtime and every model.
#[must_use]
pub fn models(config: &Config) -> Vec<Tried> {
    match models::load(config) {
        Err(error) => vec![Tried::new("models", Err(format!("{error:#}")), MODELS)],
        Ok(loaded) => {
            let runtime = config.inference.runtime_library.display();
            let runtime = Ok(format!("version {} ({runtime})", loaded.runtime_version));
            let tried = |(path, facts): (PathBuf, ModelFacts)| {
                let runs = Ok(format!("runs on {}", facts.provider));
                Tried::new(model_name(&facts), runs, MODELS).warn(shortcomings(&path, &facts))
            };
            let runtime = Tried::new("ONNX Runtime", runtime, MODELS);
            std::iter::once(runtime).chain(loaded.facts.into_iter().map(tried)).collect()
        }
    }
}

fn model_name(facts: &ModelFacts) -> String {
    format!("model {} {}", facts.info.name, facts.info.version)
}

fn shortcomings(manifest: &Path, facts: &ModelFacts) -> Option<String> {
    let why = facts.fallback.as_ref().map(|reason| format!("not on the configured provider: {reason}"));
    let gap = facts.redaction_gap().map(|gap| format!("in {}, {gap}", manifest.display()));
    let found: Vec<_> = why.into_iter().chain(gap).collect();
    (!found.is_empty()).then(|| found.join("; "))
}

/// Connects to the broker and asks what we may do there.
pub async fn broker(config: &Config) -> Vec<Tried> {
    let Delivery::Mqtt(mqtt) = &config.delivery else {
        let words = "none is configured, events go into the spool directory".to_owned();
        return vec![Tried::new("broker", Ok(words), BROKER)];
    };
    let what = format!("broker {}:{}", mqtt.host, mqtt.port);
    let asked = async {
        let writer = EventWriter::new(config)?;
        let gateway = &config.gateway.id;
        // A client id of its own: with the one in use it would end a running gateway's connection.
        let options = link::link_options(mqtt, gateway, &format!("{gateway}-check"))?;
        let topics = writer.topics();
        let probe = Publication::new(1, topics.of(&Channel::Response("check".to_owned())), "{}");
        Ok::<_, anyhow::Error>(check_broker(&options, vec![probe], &topics.subscriptions()).await?)
    };
    let report = match asked.await {
        Err(error) => {
            let tls = error.downcast_ref::<LinkFault>().is_some_and(|fault| fault.kind == FaultKind::Tls);
            let remedy = if tls { CERTIFICATES } else { BROKER };
            return vec![Tried::new(what, Err(format!("{error:#}")), remedy)];
        }
        Ok(report) => report,
    };
    let encrypted = if report.encrypted { "with TLS" } else { "without TLS" };
    let limit = report.connected.max_packet_size.map_or("none".to_owned(), |bytes| format!("{bytes} bytes"));
    let grants = report.publish.into_iter().map(|(topic, grant)| granted(format!("publishing to {topic}"), grant));
    let reads = report.subscribe.into_iter().map(|(filter, grant)| granted(format!("reading {filter}"), grant));
    let exposed = !report.encrypted && !is_loopback(&mqtt.host);
    let warning = exposed.then(|| "everybody on the way can read the pictures; add [mqtt.tls]".to_owned());
    let connected = Tried::new(what, Ok(format!("connected {encrypted}, packet limit: {limit}")), BROKER).warn(warning);
    std::iter::once(connected).chain(grants).chain(reads).collect()
}

fn granted(what: String, grant: Grant) -> Tried {
    let result = match grant {
        Grant::Granted => Ok("granted".to_owned()),
        Grant::Refused(text) => Err(format!("{text}; give the gateway's user this right in the broker's ACL")),
        Grant::Unanswered => Err("the broker did not answer".to_owned()),
    };
    Tried::new(what, result, RIGHTS)
}

/// Reads what every event needs: the site's own event codes, where it has some.
#[must_use]
pub fn event_codes(config: &Config) -> Vec<Tried> {
    let Some(path) = &config.gateway.catalogue else { return Vec::new() };
    let read = EventWriter::new(config);
    let result = read.map(|writer| format!("version {}", writer.catalogue_version()));
    let result = result.map_err(|error| format!("{error:#}"));
    vec![Tried::new(format!("event codes {}", path.display()), result, EVENT_CODES)]
}

/// Connects to every camera once. Logins that were refused before are not repeated; what happens here is
/// written nowhere, because a gateway may be running.
pub async fn cameras(config: &Config, workers: &Program) -> Vec<Tried> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut tried = Vec::new();
    let refused = Store::read_auth_failures(&config.storage).unwrap_or_else(|error| {
        let words = format!("{error}; {AS_THE_GATEWAY}");
        tried.push(Tried::new("record of refused logins", Err(words), AS_THE_GATEWAY));
        Vec::new()
    });
    let auth: Arc<dyn AuthLedger> = Arc::new(ReadLedger::new(refused));
    let inputs = models::load(config).map(|loaded| loaded.facts).unwrap_or_default();
    for camera in &config.cameras {
        let model = inputs.get(models::manifest_of(config, camera));
        let result = camera_answer(camera, model, workers, &clock, &auth).await.map_err(|error| format!("{error:#}"));
        tried.push(Tried::new(format!("camera {}", camera.id), result, CAMERA));
    }
    tried
}

async fn camera_answer(
    camera: &Camera,
    model: Option<&ModelFacts>,
    workers: &Program,
    clock: &Arc<dyn Clock>,
    auth: &Arc<dyn AuthLedger>,
) -> anyhow::Result<String> {
    let source = resolve(&camera.source)?;
    let report = probe(workers, source, PATIENCE, MediaOptions::default(), Arc::clone(clock), Arc::clone(auth)).await?;
    let info = &report.info;
    if let Some(model) = model {
        let height = object_height_in_model(camera, info.width, info.height, model);
        anyhow::ensure!(
            height >= MIN_MODEL_PX,
            "objects of min_object_px = {} are only {height:.0} pixels high in the model's input: \
             use a model with a larger input, or a camera that looks closer",
            camera.min_object_px
        );
    }
    let gap = info.keyframe_s.map_or("unknown".to_owned(), |seconds| format!("{seconds:.1} s"));
    let words = format!("{} {}x{}, keyframes every {gap}", info.codec, info.width, info.height);
    Ok(report.remarks.iter().fold(words, |words, remark| format!("{words}; {remark}")))
}

/// Pixels of the model's input that the smallest object of interest covers in height.
fn object_height_in_model(camera: &Camera, width: u32, height: u32, model: &ModelFacts) -> f64 {
    let scale = (f64::from(model.info.input_width) / f64::from(width.max(1)))
        .min(f64::from(model.info.input_height) / f64::from(height.max(1)));
    f64::from(camera.min_object_px) * scale.min(1.0)
}
