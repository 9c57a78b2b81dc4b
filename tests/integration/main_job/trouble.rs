//! A broker that is away when it matters, cameras that die and freeze, and the platform's verdicts.
//!
//! Every step waits for what it needs to have happened, never for a second of a clip: clips repeat.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::platform::{Message, Platform};
use super::site::{self, Site};
use super::{closed, guarded, with_login};
use crate::support::broker::Broker;

/// Until a clip has come round to its incident, on a machine that does much else.
const ROUND_S: u64 = 300;
/// Until a connection or a camera is back; their pauses grow and are drawn by lot.
const RETURN_S: u64 = 180;

#[tokio::test]
async fn what_begins_while_the_broker_is_away_arrives_and_a_false_alarm_silences_one_camera() {
    let (walkway, lot) = (site::cameras(0), site::cameras(0));
    let mut broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(walkway.port(), broker.port);
    with_login(&mut site, "receipt");
    site.keep_cameras(&["cam-walkway", "cam-lot"]);
    site.replace(&format!("{}/dumping", walkway.port()), &format!("{}/dumping", lot.port()));
    // It sees what the walkway's camera sees, and nobody calls its incidents false.
    site.twin("cam-walkway", "cam-twin");

    broker.stop().await;
    let daemon = site.run("info");
    for camera in ["cam-walkway", "cam-twin"] {
        logged(&site, &["incident opened", "encroachment", camera], ROUND_S).await;
    }
    broker.start_again().await;
    let kept = opened_at(&platform, "cam-walkway", &BTreeSet::new(), RETURN_S).await;
    assert!(platform.pictures_of(&kept).await >= 1);

    // The box listens again too: the next one is called a false alarm while it lasts.
    platform.until_it_listens(RETURN_S).await;
    let stall = opened_at(&platform, "cam-walkway", &platform.incidents(), ROUND_S).await;
    platform.feedback(&stall, "received", 1);
    platform.feedback(&stall, "false_alarm", 2);
    let retracted = end_of(&platform, &stall["event_id"], RETURN_S).await;
    assert_eq!(retracted["close_reason"], "retracted", "{retracted:#}");
    let request = json!({ "event_id": stall["event_id"] }).to_string();
    assert_eq!(platform.command("verify", &request).await["status"], "failed");
    let known = platform.incidents();

    // One server dies and comes back, then freezes and thaws; the other one's camera is not disturbed.
    let port = walkway.port();
    let before = platform.seen().len();
    drop(walkway);
    platform.camera_state("cam-walkway", "offline", before, RETURN_S).await;
    let before = platform.seen().len();
    let walkway = site::cameras(port);
    platform.camera_state("cam-walkway", "ok", before, RETURN_S).await;
    let before = platform.seen().len();
    walkway.signal("STOP");
    platform.camera_state("cam-walkway", "offline", before, RETURN_S).await;
    let before = platform.seen().len();
    walkway.signal("CONT");
    platform.camera_state("cam-walkway", "ok", before, RETURN_S).await;
    platform.camera_state("cam-twin", "ok", before, RETURN_S).await;
    let states: Vec<_> = platform.seen().iter().filter(|m| m.topic == "cam/cam-lot/state").map(Message::json).collect();
    assert!(states.iter().all(|state| state["state"] != "offline"), "{states:#?}");

    // Both see the same things again: the twin reports them, the other one keeps its word within the cool-down.
    opened_at(&platform, "cam-twin", &platform.incidents(), ROUND_S).await;
    let walkway_new =
        |event: &Value| event["camera"]["id"] == "cam-walkway" && !known.contains(&event["event_id"].to_string());
    assert_eq!(platform.events().into_iter().find(walkway_new), None);

    // Without cameras nothing new begins.
    let before = platform.seen().len();
    drop((walkway, lot));
    for camera in ["cam-walkway", "cam-twin", "cam-lot"] {
        platform.camera_state(camera, "offline", before, RETURN_S).await;
    }
    nothing_is_left(&platform, &mut broker).await;
    platform.assert_all_valid();
    assert_eq!(daemon.terminate().await.0.code(), Some(0));
}

#[tokio::test]
async fn the_platform_asks_for_another_look() {
    let lot = site::cameras(0);
    let broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(lot.port(), broker.port);
    with_login(&mut site, "receipt");
    site.keep_cameras(&["cam-lot"]);
    let daemon = site.run("info");

    let heap = platform.event("dumping", "opened", ROUND_S).await;
    let request = json!({ "event_id": heap["event_id"] }).to_string();
    assert_eq!(platform.command("verify", &request).await["status"], "ok");
    // The look is answered by itself, or with the end if that comes first.
    let answer = |event: &Value| event["event_id"] == heap["event_id"] && event["verification"].is_object();
    let find = |seen: &[Message]| seen.iter().filter_map(Message::event).find(answer);
    let answered = platform.wait("answer of the look", ROUND_S, find).await;
    let result = answered["verification"]["result"].as_str();
    assert!(matches!(result, Some("still_present" | "cleared")), "{answered:#}");
    let cleared = end_of(&platform, &heap["event_id"], ROUND_S).await;
    assert_eq!(cleared["close_reason"], "cleared", "{cleared:#}");
    assert!(platform.pictures_of(&cleared).await >= 2);
    platform.assert_all_valid();
    assert_eq!(daemon.terminate().await.0.code(), Some(0));
}

/// What the box logs.
async fn logged(site: &Site, words: &[&str], patience_s: u64) {
    let asked = Instant::now();
    while !site.log().lines().any(|line| words.iter().all(|word| line.contains(word))) {
        assert!(asked.elapsed() < Duration::from_secs(patience_s), "no {words:?} in\n{}", site.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// An incident of this camera that opens and is none of `known`.
async fn opened_at(platform: &Platform, camera: &str, known: &BTreeSet<String>, patience_s: u64) -> Value {
    let is_it = |event: &Value| {
        event["camera"]["id"] == camera && event["phase"] == "opened" && !known.contains(&event["event_id"].to_string())
    };
    let find = |seen: &[Message]| seen.iter().filter_map(Message::event).find(is_it);
    platform.wait(&format!("new incident of {camera}"), patience_s, find).await
}

async fn end_of(platform: &Platform, id: &Value, patience_s: u64) -> Value {
    let find = |seen: &[Message]| {
        let events: Vec<_> = seen.iter().filter_map(Message::event).collect();
        closed(&events, id).cloned()
    };
    platform.wait("end", patience_s, find).await
}

/// With every receipt in, the outbox has let go of everything; the counters of a new connection say so. An incident
/// may still end for want of a camera: its turn comes with the next receipts.
async fn nothing_is_left(platform: &Platform, broker: &mut Broker) {
    let mut receipted = BTreeSet::new();
    let mut seq = 10;
    let mut outbox = json!({});
    for _ in 0..8 {
        for event in platform.events() {
            if receipted.insert((event["event_id"].to_string(), event["revision"].to_string())) {
                platform.feedback(&event, "received", seq);
                seq += 1;
            }
        }
        // An answer to what was asked after the receipts comes after them.
        platform.until_it_listens(RETURN_S).await;
        let before = platform.seen().len();
        broker.stop().await;
        broker.start_again().await;
        let find = |seen: &[Message]| {
            let fresh = |m: &&Message| m.topic == "metrics" && !m.retained;
            seen.iter().skip(before).find(fresh).map(Message::json)
        };
        outbox = platform.wait("metrics", RETURN_S, find).await["outbox"].clone();
        if outbox["pending"] == 0 {
            break;
        }
    }
    assert_eq!((&outbox["pending"], &outbox["lost"], &outbox["quarantined"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(outbox["produced"], outbox["acknowledged"], "{outbox}");
}
