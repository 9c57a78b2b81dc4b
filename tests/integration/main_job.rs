//! The main job with the real program: real cameras, real detection, a real broker, and a platform that
//! believes nothing but the contract.

pub(crate) mod platform;
pub(crate) mod site;
mod trouble;

use std::collections::BTreeSet;
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

#[tokio::test]
async fn three_kinds_from_camera_to_platform_through_a_power_cut() {
    let cameras = site::cameras(0);
    let broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(cameras.port(), broker.port);
    with_login(&mut site, "receipt");
    let daemon = site.run("trace");

    // An incident of each kind, whole and valid.
    let mut opened = Vec::new();
    for kind in KINDS {
        let event = platform.event(kind, "opened", 180).await;
        assert_eq!((&event["revision"], &event["test"]), (&json!(1), &json!(false)));
        assert!(platform.pictures_of(&event).await >= 1, "{kind} has no picture");
        opened.push(event);
    }
    platform.assert_all_valid();
    talk(&platform, &opened).await;

    // Power cut. While the box is away, a rule and a camera are taken out of its configuration.
    daemon.kill();
    let before = platform.seen().len();
    site.keep_cameras(&["cam-walkway", "cam-square", "cam-quiet"]);
    site.remove_rule("crowding", "# Nothing to report");
    let gone = |m: &&Message| m.topic == "state" && m.json()["online"] == false;
    platform.wait("will", 50, |seen| seen.iter().skip(before).find(gone).map(drop)).await;

    let daemon = site.run("trace");
    let ends = [("cleared", Some("cleared")), ("rule_disabled", Some("cannot_tell")), ("rule_disabled", None)];
    for (event, (reason, verified)) in opened.iter().zip(ends) {
        let id = &event["event_id"];
        let find = |seen: &[Message]| {
            let events: Vec<_> = seen.iter().filter_map(Message::event).collect();
            closed(&events, id).cloned()
        };
        let end = platform.wait(&format!("end of the {}", event["kind"]), 40, find).await;
        assert_eq!(end["close_reason"], reason, "{end:#}");
        assert_eq!(end["verification"]["result"].as_str(), verified, "{end:#}");
        assert_eq!(end["verification"]["feedback_seq"].as_u64(), verified.map(|_| HANDLED_SEQ), "{end:#}");
    }
    let cleared = |m: &&Message| m.topic == "cam/cam-lot/state" && m.payload.is_empty();
    platform.wait("removal of the lot's state", 10, |seen| seen.iter().find(cleared).map(drop)).await;
    // The power cut made no second incident of any of them.
    for (kind, event) in KINDS.iter().zip(&opened) {
        let ids: BTreeSet<_> =
            platform.events().iter().filter(|e| e["kind"] == *kind).map(|e| e["event_id"].to_string()).collect();
        assert_eq!(ids, BTreeSet::from([event["event_id"].to_string()]), "{kind}");
    }

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
    platform.wait("offline state", 5, |seen| seen.iter().skip(before).find(gone).map(drop)).await;
    platform.assert_all_valid();
    let log = site.log();
    assert!(log.contains("incident opened"), "the log says nothing");
    for secret in [CAMERA_PASSWORD, BROKER_PASSWORD] {
        assert!(!log.contains(secret), "a password is in the log");
    }
}

/// Commands and receipts while three incidents are open.
async fn talk(platform: &Platform, opened: &[Value]) {
    assert_eq!(platform.command("ping", "").await["status"], "ok");
    assert_eq!(platform.command("mute", "{}").await["status"], "unsupported");

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
        platform.wait(&original.topic, 15, |seen| seen.iter().skip(before).find(again).map(drop)).await;
    }

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
