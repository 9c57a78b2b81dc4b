//! The main job with the real program: real cameras, real detection, a real broker, and a platform that
//! believes nothing but the contract.

pub(crate) mod platform;
pub(crate) mod site;
mod trouble;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::broker::{Broker, BrokerOptions};
use platform::{Message, Platform};
use site::{BASE, BROKER_PASSWORD, CAMERA_PASSWORD, Site};

const KINDS: [&str; 3] = ["encroachment", "dumping", "crowding"];
/// Number of the feedback that asks for another look.
const HANDLED_SEQ: u64 = 9;

/// The contract's own access rights, for this gateway, and a password for everybody.
pub(crate) fn guarded() -> BrokerOptions {
    let acl = include_str!("../../contract/mosquitto.acl").replace("gw-0007", "gw-demo");
    // The test's subscriber also listens to what it says itself.
    let acl = acl.replace("user township\n", "user township\ntopic read grid/v1/330902/101/#\n");
    let login = |name: &str, password: &str| (name.to_owned(), password.to_owned());
    BrokerOptions {
        acl: Some(acl),
        passwords: vec![login("gw-demo", BROKER_PASSWORD), login("township", "township")],
        persistence: true,
        extra: vec!["queue_qos0_messages true".to_owned()],
        ..BrokerOptions::default()
    }
}

/// How the box logs in at the guarded broker, and when it lets a message go.
pub(crate) fn with_login(site: &mut Site, release_on: &str) {
    let login = "password = { env = \"GRIDWATCH_TEST_BROKER_PASSWORD\" }";
    site.replace("[storage]", &format!("{login}\nrelease_on = \"{release_on}\"\n\n[storage]"));
}

/// The end of an incident.
fn closed<'a>(events: &'a [Value], id: &Value) -> Option<&'a Value> {
    events.iter().find(|event| event["event_id"] == *id && event["phase"] == "closed")
}

/// An incident of each kind that has opened and not ended, if there is one of each.
fn open_together(seen: &[Message]) -> Option<Vec<Value>> {
    let events: Vec<_> = seen.iter().filter_map(Message::event).collect();
    let is_open = |event: &&Value| event["phase"] == "opened" && closed(&events, &event["event_id"]).is_none();
    KINDS.iter().map(|kind| events.iter().filter(is_open).rfind(|event| event["kind"] == *kind).cloned()).collect()
}

#[tokio::test]
async fn three_kinds_from_camera_to_platform_through_a_power_cut() {
    let cameras = site::cameras(0);
    let broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(cameras.port(), broker.port);
    with_login(&mut site, "receipt");
    let daemon = site.run("trace");

    // An incident of each kind at a time, whole and valid. On a slow machine that may take a few rounds of the clips.
    let opened = platform.wait("open incident of each kind", 400, open_together).await;
    for event in &opened {
        assert_eq!((&event["revision"], &event["test"]), (&json!(1), &json!(false)));
        assert!(platform.pictures_of(event).await >= 1, "{} has no picture", event["kind"]);
    }
    platform.assert_all_valid();
    talk(&platform, &opened).await;

    // Power cut. While the box is away, a rule and a camera are taken out of its configuration.
    daemon.kill();
    let before = platform.seen().len();
    site.keep_cameras(&["cam-walkway", "cam-square", "cam-quiet"]);
    site.remove_rule("crowding", "# Nothing to report");
    let gone = |m: &&Message| m.topic == "state" && m.json()["online"] == false;
    platform.wait("will", 120, |seen| seen.iter().skip(before).find(gone).map(drop)).await;

    let daemon = site.run("trace");
    let ends = [("cleared", Some("cleared")), ("rule_disabled", Some("cannot_tell")), ("rule_disabled", None)];
    for (event, (reason, verified)) in opened.iter().zip(ends) {
        let id = &event["event_id"];
        let find = |seen: &[Message]| {
            let events: Vec<_> = seen.iter().filter_map(Message::event).collect();
            closed(&events, id).cloned()
        };
        let end = platform.wait(&format!("end of the {}", event["kind"]), 180, find).await;
        assert_eq!(end["close_reason"], reason, "{end:#}");
        assert_eq!(end["verification"]["result"].as_str(), verified, "{end:#}");
        assert_eq!(end["verification"]["feedback_seq"].as_u64(), verified.map(|_| HANDLED_SEQ), "{end:#}");
    }
    let cleared = |m: &&Message| m.topic == "cam/cam-lot/state" && m.payload.is_empty();
    platform.wait("removal of the lot's state", 60, |seen| seen.iter().find(cleared).map(drop)).await;
    // The power cut made no second incident of any of them.
    let since: Vec<_> = platform.seen().iter().skip(before).filter_map(Message::event).collect();
    for event in &opened {
        let of_it = |other: &&Value| other["kind"] == event["kind"];
        let first = since.iter().find(of_it).map(|other| &other["event_id"]);
        assert_eq!(first, Some(&event["event_id"]), "{since:#?}");
    }

    platform.until_it_listens(120).await;
    // What has ended can be looked at again while somebody watches the place; nobody does where the rule is gone.
    for (event, status) in opened.iter().zip(["ok", "failed", "failed"]) {
        let request = json!({ "event_id": event["event_id"] }).to_string();
        assert_eq!(platform.command("verify", &request).await["status"], status, "{}", event["kind"]);
    }

    // A late subscriber finds what is retained, and nothing of the removed camera.
    let late = retained_topics(broker.port);
    for topic in ["state", "info", "cam/cam-walkway/state", "cam/cam-square/state", "cam/cam-quiet/state"] {
        assert!(late.iter().any(|line| line == &format!("{BASE}/{topic}")), "{topic} in {late:?}");
    }
    assert!(!late.iter().any(|line| line.contains("cam-lot")), "{late:?}");

    let before = platform.seen().len();
    let (status, took) = daemon.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    platform.wait("offline state", 60, |seen| seen.iter().skip(before).find(gone).map(drop)).await;
    platform.assert_all_valid();
    let log = site.log();
    assert!(log.contains("incident opened"), "the log says nothing");
    for secret in [CAMERA_PASSWORD, BROKER_PASSWORD] {
        assert!(!log.contains(secret), "a password is in the log");
    }
}

/// Commands and receipts while three incidents are open.
async fn talk(platform: &Platform, opened: &[Value]) {
    platform.until_it_listens(120).await;
    let lifted = platform.command("mute", "{\"cam\": \"cam-quiet\", \"until\": null}").await;
    assert_eq!((&lifted["status"], &lifted["result"]["muted"]), (&json!("ok"), &json!([])), "{lifted:#}");
    assert_eq!(platform.command("mute", "{}").await["status"], "refused");
    let answer = platform.command("snapshot", "{\"cam\": \"cam-quiet\"}").await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    let pictured = |seen: &[Message]| seen.iter().find(|m| m.topic == "rsp/test/picture").cloned();
    let picture = platform.wait("picture of now", 10, pictured).await;
    assert_eq!(answer["result"]["bytes"], picture.payload.len(), "{answer:#}");

    // An answer is only given below the gateway's own `rsp/`.
    let foreign = ["-D", "publish", "response-topic", "grid/v1/330902/101/gw-demo/event/dumping"];
    let before = platform.seen().len();
    platform.publish("cmd/ping", "", &foreign);
    assert_eq!(platform.command("ping", "").await["status"], "ok");
    let answers = platform.seen().split_off(before);
    assert!(
        !answers.iter().any(|m| m.topic == "event/dumping" && m.event().is_none_or(|e| e.is_null())),
        "{answers:?}"
    );

    // Sent again, byte for byte.
    let (first, before) = (platform.seen(), platform.seen().len());
    let answer = platform.command("resync", "{\"since_seq\": 1}").await;
    assert_eq!(answer["status"], "ok");
    for original in first.iter().filter(|m| m.topic.starts_with("event/") || m.topic.starts_with("evidence/")) {
        let again = |m: &&Message| m.topic == original.topic && m.payload == original.payload;
        platform.wait(&original.topic, 60, |seen| seen.iter().skip(before).find(again).map(drop)).await;
    }

    // Exactly one number, and none of an outbox that is not this one.
    let sequence = &opened[0]["sequence"];
    let one = json!({ "since_seq": sequence["seq"], "until_seq": sequence["seq"], "epoch": sequence["epoch"] });
    let answer = platform.command("resync", &one.to_string()).await;
    assert_eq!((&answer["status"], &answer["result"]["not_kept"]), (&json!("ok"), &json!([])), "{answer:#}");
    let foreign = json!({ "since_seq": 1, "epoch": opened[0]["event_id"] });
    let answer = platform.command("resync", &foreign.to_string()).await;
    assert_eq!((&answer["status"], &answer["result"]), (&json!("refused"), &Value::Null), "{answer:#}");
    assert!(answer["detail"].as_str().unwrap().contains(sequence["epoch"].as_str().unwrap()), "{answer:#}");

    let picture = &opened[0]["evidence"][0]["id"];
    let request = json!({ "event_id": opened[0]["event_id"], "id": picture }).to_string();
    assert_eq!(platform.command("get-evidence", &request).await["status"], "ok");
    for (seq, event) in opened.iter().enumerate() {
        platform.feedback(event, "received", seq as u64 + 1);
    }
    // Two are handled; the look that was asked for outlives the power cut. A command after them is answered
    // after them.
    for event in &opened[..2] {
        platform.handled(event, HANDLED_SEQ);
    }
    assert_eq!(platform.command("ping", "").await["status"], "ok");
}

/// The topics that a new subscriber is told at once.
fn retained_topics(port: u16) -> Vec<String> {
    let output = Command::new("mosquitto_sub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-u", "township", "-P", "township"])
        .args(["-t", &format!("{BASE}/#"), "--retained-only", "-W", "2", "-F", "%t"])
        .output()
        .expect("mosquitto_sub is installed");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
