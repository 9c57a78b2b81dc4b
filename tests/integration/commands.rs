//! Orders of the platform over a real broker: mute, profile, snapshot, verdicts; and hostile ones.

mod hostile;
mod village;

use std::path::Path;
use std::time::Duration;

use gridwatch::clock::Clock;
use gridwatch::domain::Timestamp;
use gridwatch::pipeline::models::no_model;
use gridwatch::store::{AuditRow, Inspection, verify_audit};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::main_job::guarded;
use crate::main_job::platform::{Message, Platform};
use crate::support::broker::Broker;
use village::{FastClock, Gateway, person, stall};

/// Seconds until something has happened that takes minutes in the village.
const SOON: u64 = 60;

struct Scene {
    folder: tempfile::TempDir,
    broker: Broker,
    platform: Platform,
    clock: FastClock,
}

impl Scene {
    async fn new() -> Self {
        let broker = Broker::start(guarded()).await;
        let platform = Platform::subscribe(broker.port).await;
        Self { folder: tempfile::tempdir().unwrap(), broker, platform, clock: FastClock::new() }
    }

    /// A box that listens.
    async fn gateway(&self) -> Gateway {
        let gateway = Gateway::start(self.folder.path(), self.broker.port, self.clock).await;
        self.platform.until_it_listens(SOON).await;
        gateway
    }

    /// A moment of the village's clock, as text.
    fn later(&self, seconds: i64) -> String {
        (self.clock.now() + jiff::SignedDuration::from_secs(seconds)).to_string()
    }

    /// Minutes of the village without an event after the first `before`.
    async fn nothing_new(&self, before: usize, minutes: u64) {
        tokio::time::sleep(Duration::from_secs(minutes * 60 / 30)).await;
        let events = self.platform.events();
        assert_eq!(events.len(), before, "{:#?}", &events[before..]);
    }

    async fn event(&self, before: usize, phase: &str) -> Value {
        let is_it = |event: &Value| event["phase"] == phase;
        let find = |seen: &[Message]| seen.iter().filter_map(Message::event).skip(before).find(is_it);
        self.platform.wait(phase, SOON, find).await
    }

    /// The newest retained message of this topic that is as wanted.
    async fn told(&self, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let last = |seen: &[Message]| seen.iter().rfind(|m| m.topic == topic).map(Message::json).filter(&wanted);
        self.platform.wait(topic, SOON, last).await
    }

    fn audit(&self) -> Vec<AuditRow> {
        audit_of(self.folder.path())
    }
}

/// The rows, which are as they were written.
fn audit_of(folder: &Path) -> Vec<AuditRow> {
    let inspection = Inspection::open(&folder.join("state"), folder).unwrap();
    let rows = inspection.audit().unwrap();
    verify_audit(&rows, &inspection.audit_head().unwrap(), &[]).unwrap_or_else(|broken| panic!("{broken}"));
    rows
}

fn subjects<'a>(rows: &'a [AuditRow], what: &str) -> Vec<&'a str> {
    rows.iter().filter(|row| row.what == what).map(|row| row.subject.as_str()).collect()
}

#[tokio::test]
async fn a_mute_holds_over_a_power_cut_and_ends_by_itself() {
    let scene = Scene::new().await;
    let gateway = scene.gateway().await;
    let until = scene.later(600);
    let mute = json!({ "cam": "gate", "kind": "encroachment", "until": until, "reason": "道路施工" });
    let answer = scene.platform.command("mute", &mute.to_string()).await;
    assert_eq!((&answer["status"], &answer["result"]["muted"][0]["kind"]), (&json!("ok"), &json!("encroachment")));
    let moment = |text: &Value| text.as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond();
    assert_eq!(moment(&answer["result"]["muted"][0]["until"]), moment(&json!(until)));
    let is_muted = |state: &Value| state["muted"][0]["kind"] == "encroachment";
    scene.told("cam/gate/state", is_muted).await;
    gateway.shows(&[stall()]);
    scene.nothing_new(0, 3).await;
    gateway.cut().await;

    let gateway = scene.gateway().await;
    gateway.shows(&[stall()]);
    scene.told("cam/gate/state", is_muted).await;
    let opened = scene.event(0, "opened").await;
    let confirmed = moment(&opened["times"]["confirmed"]);
    assert!((0..20_000).contains(&(confirmed - moment(&json!(until)))), "{opened:#} until {until}");

    // What is open is followed to its end without updates; another one is not opened; lifted, it is.
    let answer =
        scene.platform.command("mute", &json!({ "cam": "gate", "until": scene.later(86_400) }).to_string()).await;
    assert_eq!(answer["result"]["muted"].as_array().unwrap().len(), 3, "{answer:#}");
    gateway.shows(&[]);
    scene.event(1, "closed").await;
    gateway.shows(&[stall()]);
    scene.nothing_new(2, 3).await;
    let answer = scene.platform.command("mute", "{\"cam\": \"gate\", \"until\": null}").await;
    assert_eq!(answer["result"]["muted"], json!([]), "{answer:#}");
    scene.event(2, "opened").await;

    for (payload, status, words) in [
        (json!({ "cam": "gate", "until": scene.later(8 * 86_400) }), "refused", "more than 7 days away"),
        (json!({ "cam": "yard", "until": scene.later(60) }), "refused", "no such camera here; there are: gate"),
        (json!({ "cam": "gate" }), "refused", "expected form"),
    ] {
        let answer = scene.platform.command("mute", &payload.to_string()).await;
        assert_eq!(answer["status"], status, "{answer:#}");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer:#}");
    }
    gateway.stop().await;
    let rows = scene.audit();
    let acts = subjects(&rows, "acts");
    assert_eq!(acts.len(), 3, "{acts:?}");
    assert!(acts[0].starts_with("mute gate encroachment until ") && acts[0].ends_with(": 道路施工"), "{acts:?}");
    assert_eq!(acts[2], "mute gate everything lifted");
    assert_eq!(subjects(&rows, "refused"), ["invalid_value", "unknown_name", "malformed"]);
    scene.platform.assert_all_valid();
}

#[tokio::test]
async fn a_profile_is_told_everywhere_survives_a_power_cut_and_ends_by_itself() {
    let scene = Scene::new().await;
    let gateway = scene.gateway().await;
    let info = scene.told("info", |info| info["rule_profile"] == "default").await;
    assert_eq!((&info["profiles"], info.get("rule_profile_until")), (&json!(["market-day", "fair"]), None));
    let until = scene.later(300);
    let order = json!({ "name": "market-day", "until": until });
    let answer = scene.platform.command("profile", &order.to_string()).await;
    assert_eq!((&answer["status"], &answer["result"]["profile"]), (&json!("ok"), &json!("market-day")), "{answer:#}");
    let info = scene.told("info", |info| info["rule_profile"] == "market-day").await;
    assert!(info["rule_profile_until"].is_string());
    gateway.shows(&[stall()]);
    scene.nothing_new(0, 2).await;
    gateway.cut().await;

    // Goes on where it was, and ends at its time: then what stands there counts.
    let gateway = scene.gateway().await;
    gateway.shows(&[stall()]);
    scene.told("info", |info| info["rule_profile"] == "market-day").await;
    scene.told("info", |info| info["rule_profile"] == "default").await;
    let opened = scene.event(0, "opened").await;
    assert_eq!((&opened["rule"]["dwell_s"], opened["rule"].get("profile")), (&json!(60), None), "{opened:#}");

    // Other values: the event says which, and the incident that was open goes on under them.
    let answer =
        scene.platform.command("profile", &json!({ "name": "fair", "until": scene.later(86_400) }).to_string()).await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    gateway.shows(&[]);
    let closed = scene.event(1, "closed").await;
    assert_eq!(
        (&closed["close_reason"], &closed["rule"]["profile"]),
        (&json!("cleared"), &json!("fair")),
        "{closed:#}"
    );
    gateway.shows(&[stall()]);
    let opened = scene.event(2, "opened").await;
    assert_eq!((&opened["rule"]["dwell_s"], &opened["rule"]["profile"]), (&json!(120), &json!("fair")), "{opened:#}");
    let answer = scene.platform.command("profile", "{\"name\": \"default\"}").await;
    assert_eq!(answer["result"], json!({ "profile": "default" }));
    scene.told("info", |info| info["rule_profile"] == "default").await;

    for (payload, words) in [
        (json!({ "name": "mine", "until": scene.later(60) }), "no such profile here; there are: market-day, fair"),
        (json!({ "name": "fair", "until": scene.later(-1) }), "has passed"),
        (json!({ "name": "fair", "until": scene.later(32 * 86_400) }), "more than 31 days"),
        (json!({ "name": "fair", "until": scene.later(60), "dwell_s": 1 }), "expected form"),
    ] {
        let answer = scene.platform.command("profile", &payload.to_string()).await;
        assert_eq!(answer["status"], "refused", "{answer:#}");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer:#}");
    }
    gateway.stop().await;
    let rows = scene.audit();
    let acts = subjects(&rows, "acts");
    assert!(acts[0].starts_with("profile market-day until 20") && acts[2] == "profile default", "{acts:?}");
    assert_eq!(subjects(&rows, "ended"), ["profile market-day"]);
    scene.platform.assert_all_valid();
}

#[tokio::test]
async fn a_snapshot_is_redacted_bound_rationed_and_written_down() {
    let scene = Scene::new().await;
    let gateway = scene.gateway().await;
    gateway.shows(&[person()]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = scene.platform.command("snapshot", "{\"cam\": \"gate\"}").await;
    let result = answer["result"].clone();
    assert_eq!((&answer["status"], &result["redaction"]["persons"]), (&json!("ok"), &json!(1)), "{answer:#}");
    let picture = scene.platform.wait("picture", SOON, |seen| seen.iter().find(|m| is_picture(m)).cloned()).await;
    let sha256 =
        Sha256::digest(&picture.payload).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!((&result["sha256"], &result["bytes"]), (&json!(sha256), &json!(picture.payload.len())));
    assert!(result["topic"].as_str().unwrap().ends_with("/rsp/test/picture"));
    assert!(!picture.correlation.is_empty() && picture.content_type == "image/jpeg");
    // Ten seconds of the village are a third of one of ours: the second is too soon, unless the machine is slow.
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(scene.platform.command("snapshot", "{\"cam\": \"gate\"}").await["status"] == "refused");
    }
    assert!(refused > 0, "nobody counts them");
    let unknown = scene.platform.command("snapshot", "{\"cam\": \"yard\"}").await;
    assert_eq!(unknown["status"], "refused", "{unknown:#}");
    gateway.stop().await;
    let rows = scene.audit();
    let row = rows.iter().find(|row| row.what == "snapshot").unwrap();
    assert_eq!((row.subject.as_str(), row.sha256.as_deref()), ("snapshot gate", Some(sha256.as_str())));
    let pictures = scene.platform.seen().iter().filter(|m| is_picture(m)).count();
    assert_eq!(subjects(&rows, "snapshot").len(), pictures, "one row for each that left");

    // A model that knows nobody can blur nobody.
    let blind = Gateway::start_with(scene.folder.path(), scene.broker.port, scene.clock, no_model()).await;
    scene.platform.until_it_listens(SOON).await;
    let answer = scene.platform.command("snapshot", "{\"cam\": \"gate\"}").await;
    assert_eq!(answer["status"], "refused", "{answer:#}");
    assert!(answer["detail"].as_str().unwrap().contains("could not be redacted"), "{answer:#}");
    assert_eq!(scene.platform.seen().iter().filter(|m| is_picture(m)).count(), pictures);
    blind.stop().await;
    assert!(subjects(&scene.audit(), "refused").contains(&"not_possible"));
    scene.platform.assert_all_valid();
}

fn is_picture(message: &Message) -> bool {
    message.topic == "rsp/test/picture"
}

#[tokio::test]
async fn handled_is_verified_with_a_picture_and_a_false_alarm_is_followed_by_silence() {
    let scene = Scene::new().await;
    let gateway = scene.gateway().await;
    gateway.shows(&[stall()]);
    let opened = scene.event(0, "opened").await;
    // It is still there when the gateway looks again.
    scene.platform.handled(&opened, 1);
    let verified = |result: &'static str| {
        move |seen: &[Message]| {
            let mut events = seen.iter().filter_map(Message::event);
            events.find(|event| event["verification"]["result"] == result)
        }
    };
    let still = scene.platform.wait("still present", SOON, verified("still_present")).await;
    assert_eq!((&still["phase"], &still["verification"]["feedback_seq"]), (&json!("updated"), &json!(1)));
    let seconds = |event: &Value, path: &str| {
        event.pointer(path).unwrap().as_str().unwrap().parse::<Timestamp>().unwrap().as_second()
    };
    let waited = seconds(&still, "/verification/checked_at") - seconds(&opened, "/times/confirmed");
    assert!(waited >= 120, "looked again after {waited} s");
    let roles: Vec<_> = still["evidence"].as_array().unwrap().iter().map(|entry| &entry["role"]).collect();
    assert!(roles.contains(&&json!("verification")), "{still:#}");
    scene.platform.pictures_of(&still).await;
    // Handled again, and this time it goes.
    scene.platform.handled(&opened, 2);
    gateway.shows(&[]);
    let gone = scene.platform.wait("cleared", SOON, verified("cleared")).await;
    assert_eq!(gone["verification"]["feedback_seq"], 2, "{gone:#}");
    assert_eq!(gone["close_reason"], "cleared", "{gone:#}");

    // The cool-down of this rule is ten minutes.
    let before = scene.platform.events().len();
    gateway.shows(&[stall()]);
    let second = scene.event(before, "opened").await;
    scene.platform.feedback(&second, "false_alarm", 1);
    let closed = scene.event(before + 1, "closed").await;
    assert_eq!(closed["close_reason"], "retracted");
    gateway.shows(&[]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stood = scene.clock.now();
    gateway.shows(&[stall(), village::second_stall()]);
    let third = scene.event(before + 2, "opened").await;
    let silence = seconds(&third, "/times/confirmed") - seconds(&closed, "/times/last_seen");
    assert!(silence >= 500, "silent for {silence} s");
    assert!(seconds(&third, "/times/confirmed") - stood.as_second() > 200);
    gateway.stop().await;
    let rows = scene.audit();
    let verdicts = subjects(&rows, "verdict");
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    assert!(verdicts[2].ends_with("false_alarm seq 1"), "{verdicts:?}");
    let published = rows.iter().filter(|row| row.what == "published").count();
    let arrived = scene.platform.seen().iter().filter(|m| m.topic.starts_with("evidence/")).count();
    assert_eq!(published, arrived, "one row for each picture");
    scene.platform.assert_all_valid();
}
