//! A broker that is away when it matters, cameras that die and freeze, and the platform's verdicts.

use std::time::Duration;

use tokio::time::Instant;

use serde_json::json;

use super::platform::{Message, Platform};
use super::site::{self, Site};
use super::{closed, guarded, with_login};
use crate::support::broker::Broker;

/// The clip shows its stall from second 17 to 55, and it is reported at second 30.
const BEFORE_THE_INCIDENT: Duration = Duration::from_secs(20);
const AFTER_THE_INCIDENT: Duration = Duration::from_secs(36);

/// What the box logs.
async fn logged(site: &Site, words: &[&str], patience: Duration) {
    let asked = Instant::now();
    while !site.log().lines().any(|line| words.iter().all(|word| line.contains(word))) {
        assert!(asked.elapsed() < patience, "no {words:?} in\n{}", site.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn outages_lose_nothing_and_verdicts_act() {
    let (walkway, lot) = (site::cameras(0), site::cameras(0));
    let mut broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(walkway.port(), broker.port);
    with_login(&mut site, "receipt");
    site.keep_cameras(&["cam-walkway", "cam-lot"]);
    site.replace(&format!("{}/dumping", walkway.port()), &format!("{}/dumping", lot.port()));
    let daemon = site.run("info");
    platform.camera_state("cam-walkway", "ok", 0, 30).await;
    platform.camera_state("cam-lot", "ok", 0, 30).await;

    // The incident opens while the broker is away.
    tokio::time::sleep(BEFORE_THE_INCIDENT).await;
    assert!(platform.events().is_empty(), "{:?}", platform.events());
    broker.stop().await;
    logged(&site, &["incident opened", "encroachment"], Duration::from_secs(40)).await;
    broker.start_again().await;
    let stall = platform.event("encroachment", "opened", 45).await;
    assert!(platform.pictures_of(&stall).await >= 1);

    // A false alarm ends it; later the lot's heap is looked at again, at the platform's wish.
    platform.feedback(&stall, "received", 1);
    platform.feedback(&stall, "false_alarm", 2);
    // The receiving connection waits longer than the other one when its jitter says so.
    let retracted = end_of(&platform, &stall["event_id"], 75).await;
    assert_eq!(retracted["close_reason"], "retracted", "{retracted:#}");
    let request = json!({ "event_id": stall["event_id"] }).to_string();
    assert_eq!(platform.command("verify", &request).await["status"], "failed");
    let heap = platform.event("dumping", "opened", 45).await;
    let request = json!({ "event_id": heap["event_id"] }).to_string();
    assert_eq!(platform.command("verify", &request).await["status"], "ok");

    // One camera dies and comes back, then freezes and thaws; the other one is not disturbed.
    let port = walkway.port();
    let before = platform.seen().len();
    drop(walkway);
    platform.camera_state("cam-walkway", "offline", before, 30).await;
    let before = platform.seen().len();
    let walkway = site::cameras(port);
    platform.camera_state("cam-walkway", "ok", before, 40).await;
    let before = platform.seen().len();
    walkway.signal("STOP");
    platform.camera_state("cam-walkway", "offline", before, 40).await;
    walkway.signal("CONT");
    let before = platform.seen().len();
    platform.camera_state("cam-walkway", "ok", before, 40).await;
    let back = Instant::now();
    let cleared = end_of(&platform, &heap["event_id"], 60).await;
    assert_eq!(cleared["close_reason"], "cleared", "{cleared:#}");
    assert_eq!(cleared["verification"]["result"], "cleared", "{cleared:#}");
    assert!(platform.pictures_of(&cleared).await >= 2);
    let states: Vec<_> = platform.seen().iter().filter(|m| m.topic == "cam/cam-lot/state").map(Message::json).collect();
    let working = states.iter().skip_while(|state| state["state"] != "ok");
    assert!(working.clone().all(|state| state["state"] == "ok"), "{states:#?}");

    // The clip shows the same stall again: within the cool-down nothing is said of it.
    tokio::time::sleep(AFTER_THE_INCIDENT.saturating_sub(back.elapsed())).await;
    let stalls = platform.events().into_iter().filter(|event| event["kind"] == "encroachment");
    assert!(stalls.clone().all(|event| event["event_id"] == stall["event_id"]), "{:#?}", stalls.collect::<Vec<_>>());

    // With every receipt in, the outbox has let go of everything; the counters of a new connection say so. The
    // clips go on, so an incident may have begun behind the last receipt: then its turn comes with the next ones.
    let mut seq = 10..;
    let mut outbox = json!({});
    for _ in 0..4 {
        let mut received = platform.events();
        received.dedup();
        for (event, seq) in received.iter().zip(&mut seq) {
            platform.feedback(event, "received", seq);
        }
        assert_eq!(platform.command("ping", "").await["status"], "ok");
        let before = platform.seen().len();
        broker.stop().await;
        broker.start_again().await;
        let metrics = |m: &&Message| m.topic == "metrics";
        let find = |seen: &[Message]| seen.iter().skip(before).find(metrics).map(Message::json);
        outbox = platform.wait("metrics", 60, find).await["outbox"].clone();
        if outbox["pending"] == 0 {
            break;
        }
    }
    assert_eq!((&outbox["pending"], &outbox["lost"], &outbox["quarantined"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(outbox["produced"], outbox["acknowledged"], "{outbox}");
    platform.assert_all_valid();
    assert_eq!(daemon.terminate().await.0.code(), Some(0));
}

async fn end_of(platform: &Platform, id: &serde_json::Value, patience_s: u64) -> serde_json::Value {
    let find = |seen: &[Message]| {
        let events: Vec<_> = seen.iter().filter_map(Message::event).collect();
        closed(&events, id).cloned()
    };
    platform.wait("end", patience_s, find).await
}
