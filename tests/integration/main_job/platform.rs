//! The township's side: mosquitto's own clients, and every schema of the contract.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use gridwatch::contract::schema::document;
use jsonschema::Validator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::site::BASE;

/// Nothing is asked twice by the same name.
static ASKED: AtomicU64 = AtomicU64::new(0);

const LOGIN: [&str; 4] = ["-u", "township", "-P", "township"];

/// One message as the subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Below the gateway's own root.
    pub(crate) topic: String,
    pub(crate) retained: bool,
    pub(crate) content_type: String,
    pub(crate) correlation: String,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("{}: {error}", self.topic))
    }

    /// The data of an event.
    pub(crate) fn event(&self) -> Option<Value> {
        self.topic.starts_with("event/").then(|| self.json()["data"].clone())
    }
}

fn answer(seen: &[Message], correlation: &str) -> Option<Value> {
    seen.iter().find(|m| m.topic == "rsp/test" && m.correlation == correlation).map(Message::json)
}

/// Subscribes to everything, answers what it is told to.
pub(crate) struct Platform {
    port: u16,
    child: Child,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Platform {
    /// A session that lasts, so that nothing is missed while the broker is away; it stands on return.
    pub(crate) async fn subscribe(port: u16) -> Self {
        let mut child = Command::new("mosquitto_sub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-c", "-i", "township"])
            .args(["-x", "3600", "-t", &format!("{BASE}/#"), "-F", "%t|%r|%C|%D|%x"])
            .args(LOGIN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is installed (apt install mosquitto-clients)");
        let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (lines, shared) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&seen));
        std::thread::spawn(move || {
            lines.map_while(Result::ok).filter_map(|line| parse(&line)).for_each(|m| shared.lock().unwrap().push(m));
        });
        let platform = Self { port, child, seen };
        while platform.seen().is_empty() {
            platform.publish("cmd/none", "", &[]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        platform
    }

    pub(crate) fn seen(&self) -> Vec<Message> {
        self.seen.lock().unwrap().clone()
    }

    /// What `wanted` finds in everything received, as soon as it finds it.
    pub(crate) async fn wait<T>(&self, what: &str, patience_s: u64, wanted: impl Fn(&[Message]) -> Option<T>) -> T {
        let asked = Instant::now();
        loop {
            if let Some(found) = wanted(&self.seen.lock().unwrap()) {
                return found;
            }
            let in_time = asked.elapsed() < Duration::from_secs(patience_s);
            assert!(in_time, "no {what} within {patience_s} s; received: {:#?}", self.summary());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first event of this kind and phase.
    pub(crate) async fn event(&self, kind: &str, phase: &str, patience_s: u64) -> Value {
        let is_it = |event: &Value| event["kind"] == kind && event["phase"] == phase;
        self.wait(&format!("{kind} {phase}"), patience_s, |seen| seen.iter().filter_map(Message::event).find(is_it))
            .await
    }

    /// A camera reports this state after the first `after` messages.
    pub(crate) async fn camera_state(&self, camera: &str, state: &str, after: usize, patience_s: u64) {
        let topic = format!("cam/{camera}/state");
        let is_it = |m: &&Message| m.topic == topic && !m.payload.is_empty() && m.json()["state"] == state;
        self.wait(&format!("{camera} {state}"), patience_s, |seen| seen.iter().skip(after).find(is_it).map(drop)).await;
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.seen().iter().filter_map(Message::event).collect()
    }

    /// The ids of all incidents so far.
    pub(crate) fn incidents(&self) -> BTreeSet<String> {
        self.events().iter().map(|event| event["event_id"].to_string()).collect()
    }

    fn summary(&self) -> Vec<String> {
        let line = |m: &Message| match m.event() {
            Some(event) => format!("{} {} {}", m.topic, event["phase"], event["event_id"]),
            None => format!("{} {} bytes", m.topic, m.payload.len()),
        };
        self.seen().iter().map(line).collect()
    }

    /// Publishes below the gateway's root, with further options of `mosquitto_pub`.
    pub(crate) fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let status = Command::new("mosquitto_pub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1"])
            .args(["-t", &format!("{BASE}/{topic}"), "-m", payload])
            .args(LOGIN)
            .args(more)
            .status();
        assert!(status.expect("mosquitto_pub is installed").success());
    }

    /// The platform's word on an event.
    pub(crate) fn feedback(&self, event: &Value, state: &str, seq: u64) {
        self.say(event, seq, json!({ "state": state }));
    }

    /// Somebody has been there; the box is to look again.
    pub(crate) fn handled(&self, event: &Value, seq: u64) {
        self.say(event, seq, json!({ "state": "handled", "verify_on_handled": true }));
    }

    fn say(&self, event: &Value, seq: u64, mut data: Value) {
        let id = &event["event_id"];
        (data["event_id"], data["revision_seen"], data["seq"]) = (id.clone(), event["revision"].clone(), seq.into());
        let message = json!({
            "specversion": "1.0", "id": format!("test-{seq}"), "source": "urn:platform:test",
            "type": "gridwatch.feedback.v1", "subject": id, "time": "2026-11-22T19:44:02.000+08:00",
            "datacontenttype": "application/json", "data": data,
        });
        validate("feedback", &message);
        self.publish("feedback", &message.to_string(), &[]);
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn command(&self, name: &str, payload: &str) -> Value {
        let correlation = self.ask(name, payload);
        self.wait(&format!("answer to {name}"), 60, |seen| answer(seen, &correlation)).await
    }

    /// Asks until somebody answers: what is asked of a box that is not yet back at its broker may be lost.
    pub(crate) async fn until_it_listens(&self, patience_s: u64) {
        let (asked, mut pings) = (Instant::now(), Vec::<String>::new());
        while !pings.iter().any(|ping| answer(&self.seen(), ping).is_some()) {
            assert!(asked.elapsed() < Duration::from_secs(patience_s), "no ping is answered: {:#?}", self.summary());
            pings.push(self.ask("ping", ""));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Sends a command; what its answer is correlated with.
    fn ask(&self, name: &str, payload: &str) -> String {
        let correlation = format!("ask-{}-{name}", ASKED.fetch_add(1, Ordering::Relaxed));
        let reply_to = format!("{BASE}/rsp/test");
        let properties = [
            ("response-topic", reply_to.as_str()),
            ("correlation-data", &correlation),
            ("message-expiry-interval", "60"),
        ];
        let more: Vec<&str> = properties.iter().flat_map(|(name, value)| ["-D", "publish", name, value]).collect();
        self.publish(&format!("cmd/{name}"), payload, &more);
        correlation
    }

    /// Waits until every picture that an event speaks of is here, and is what the event says.
    pub(crate) async fn pictures_of(&self, event: &Value) -> usize {
        let entries = event["evidence"].as_array().unwrap();
        for entry in entries {
            let topic = entry["delivery"]["topic"].as_str().unwrap().strip_prefix(&format!("{BASE}/")).unwrap();
            let find = |seen: &[Message]| seen.iter().find(|m| m.topic == topic).cloned();
            let picture = self.wait(topic, 60, find).await;
            let digest = Sha256::digest(&picture.payload);
            let sha256 = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(
                (entry["bytes"].as_u64(), &entry["sha256"]),
                (Some(picture.payload.len() as u64), &json!(sha256))
            );
        }
        entries.len()
    }

    /// Everything received so far is what the contract says.
    pub(crate) fn assert_all_valid(&self) {
        for message in self.seen() {
            let levels: Vec<_> = message.topic.split('/').collect();
            let mime = message.content_type.as_str();
            match levels[..] {
                ["state"] => validate("state", &message.json()),
                ["info"] => validate("info", &message.json()),
                ["metrics"] => validate("metrics", &message.json()),
                ["cam", _, "state"] if message.payload.is_empty() => {}
                ["cam", _, "state"] => validate("camera-state", &message.json()),
                ["event", kind] => {
                    assert_eq!(mime, "application/cloudevents+json");
                    assert_eq!(message.event().unwrap()["kind"], kind);
                    validate("envelope", &message.json());
                }
                ["evidence", _, _] => {
                    assert_eq!((mime, &message.payload[..2]), ("image/jpeg", &[0xff, 0xd8][..]));
                    assert!(message.payload.len() <= 256_000, "{} bytes", message.payload.len());
                }
                ["rsp", _] => validate("response", &message.json()),
                ["rsp", _, "picture"] => assert_eq!((mime, &message.payload[..2]), ("image/jpeg", &[0xff, 0xd8][..])),
                ["cmd", _] | ["feedback"] => {}
                _ => panic!("{} is not in the contract", message.topic),
            }
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn parse(line: &str) -> Option<Message> {
    let mut fields = line.splitn(5, '|');
    let topic = fields.next()?.strip_prefix(BASE)?.trim_start_matches('/').to_owned();
    let retained = fields.next()? == "1";
    let (content_type, correlation) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let digits = fields.next()?.trim().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let payload = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    Some(Message { topic, retained, content_type, correlation, payload })
}

/// Fails unless `value` is what the schema `name` describes, formats included.
pub(crate) fn validate(name: &str, value: &Value) {
    let errors: Vec<_> = validator(name).iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

fn validator(name: &str) -> Validator {
    let parse = |name| serde_json::from_str::<Value>(document(name).unwrap()).unwrap();
    let registry = jsonschema::Registry::new().add("urn:gridwatch:schema:grid-event:1", parse("event")).unwrap();
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&parse(name)).unwrap()
}
