//! The whole publisher with its store before a real mosquitto that does not want everything.

use std::time::Duration;

use gridwatch::config::ReleaseOn;
use gridwatch::contract::metrics::Accounting;
use gridwatch::domain::incident::{CloseReason, Phase};
use gridwatch::mqtt::LinkOptions;
use gridwatch::pipeline::publish::flight::Flight;
use gridwatch::store::{Pick, Store};
use jiff::SignedDuration;
use tokio::time::Instant;
use uuid::Uuid;

use super::PATIENCE;
use super::observer::publish;
use crate::support::broker::{Broker, BrokerOptions};
use crate::support::incident::step;
use crate::torture::gateway::{Gateway, MovedClock};

fn times(options: LinkOptions) -> LinkOptions {
    LinkOptions {
        backoff_first: Duration::from_millis(20),
        backoff_longest: Duration::from_millis(200),
        first_attempt_within: Duration::ZERO,
        ..options
    }
}

fn quick_flight() -> Flight {
    Flight::new(false).pausing(SignedDuration::from_millis(100), SignedDuration::from_millis(400))
}

fn event(n: u64) -> Uuid {
    Uuid::from_u64_pair(7 << 12, n)
}

async fn write(gateway: &Gateway, n: u64, bytes: usize) {
    let now = gateway.clock_now();
    let body = format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(bytes));
    let render: gridwatch::store::Render = Box::new(move |_| body.clone().into_bytes());
    gateway.commit(vec![(step(event(n), 1, Phase::Opened, now), render)]).await;
}

async fn until(gateway: &Gateway, what: &str, there: impl Fn(&Accounting) -> bool) -> Accounting {
    let asked = Instant::now();
    loop {
        let accounting = gateway.store.accounting().await.unwrap();
        if there(&accounting) {
            return accounting;
        }
        assert!(asked.elapsed() < PATIENCE, "no {what}: {accounting:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_message_that_the_broker_cannot_stand_is_found_and_all_others_arrive() {
    let limit = vec!["message_size_limit 5000".to_owned()];
    let mut broker = Broker::start(BrokerOptions { extra: limit, ..BrokerOptions::default() }).await;
    let mut gateway = Gateway::new(MovedClock::default());
    for n in 0..40 {
        write(&gateway, n, if n == 20 { 6000 } else { 100 }).await;
    }
    gateway.publish_to(broker.port, ReleaseOn::Puback, quick_flight(), times).await;
    let set_aside = until(&gateway, "culprit", |all| all.quarantined == 1).await;
    assert_eq!(set_aside.lost, 0);
    let rest = until(&gateway, "delivery of the others", |all| all.acknowledged == 39).await;
    assert_eq!((rest.pending, rest.quarantined), (0, 1));
    gateway.stop().await;

    // The limit is raised, and somebody takes it back.
    broker.stop().await;
    let mut broker = Broker::open_to_all().await;
    gateway.publish_to(broker.port, ReleaseOn::Puback, quick_flight(), times).await;
    Store::requeue_beside(&gateway.state_dir(), &[Pick::Quarantined]).unwrap();
    until(&gateway, "delivery of the last one", |all| (all.acknowledged, all.quarantined) == (40, 0)).await;
    gateway.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn pictures_without_a_right_wait_and_events_do_not() {
    let root = "grid/v1/330902/101/gw-0007";
    let acl = format!("user gw-0007\ntopic write {root}/event/+\ntopic write {root}/info\n");
    let broker = Broker::start(BrokerOptions { acl: Some(acl), ..BrokerOptions::default() }).await;
    let mut gateway = Gateway::new(MovedClock::default());
    for n in 0..10 {
        gateway.report(event(n), 1, Phase::Opened, Some(2000)).await;
    }
    gateway.publish_to(broker.port, ReleaseOn::Puback, quick_flight(), times).await;
    until(&gateway, "delivery of the events", |all| all.acknowledged == 10).await;
    // Refused again and again, and never in the way of what may go.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..10 {
        gateway.report(event(n), 2, Phase::Closed(CloseReason::Cleared), None).await;
    }
    let all = until(&gateway, "delivery of the ends", |all| all.acknowledged == 20).await;
    assert_eq!((all.produced, all.pending, all.quarantined, all.lost), (30, 10, 0, 0));
    gateway.stop().await;
}

#[tokio::test]
async fn receipts_that_could_not_be_recorded_are_recorded_later_on_the_same_connection() {
    let broker = Broker::open_to_all().await;
    let mut gateway = Gateway::new(MovedClock::default());
    for n in 0..3 {
        write(&gateway, n, 100).await;
    }
    gateway.publish_to(broker.port, ReleaseOn::Receipt, quick_flight(), times).await;
    let asked = Instant::now();
    while gateway.store.pending().await.unwrap().awaiting_receipt < 3 {
        assert!(asked.elapsed() < PATIENCE, "the events are not sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Somebody holds the database for longer than anything waits for it.
    let held = rusqlite::Connection::open(gateway.state_dir().join("gridwatch.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 0..3 {
        let id = event(n);
        let data = serde_json::json!({ "event_id": id, "revision_seen": 1, "seq": 1, "state": "received" });
        let feedback = serde_json::json!({
            "specversion": "1.0", "id": format!("fb-{n}"), "source": "urn:platform:330902101:test", "type": "gridwatch.feedback.v1",
            "subject": id, "time": "2026-11-22T19:44:02.000+08:00", "datacontenttype": "application/json", "data": data,
        });
        publish(broker.port, "grid/v1/330902/101/gw-0007/feedback", &feedback.to_string(), &[]).await;
    }
    // Whatever is to be written fails, one after the other: the second of these surely after a receipt.
    for _ in 0..2 {
        assert!(gateway.store.receipt(event(99), 1).await.is_err(), "the database is held");
    }
    held.execute_batch("ROLLBACK").unwrap();
    let asked = Instant::now();
    while gateway.store.accounting().await.unwrap().acknowledged < 3 {
        assert!(asked.elapsed() < 3 * PATIENCE, "the receipts are lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gateway.stop().await;
}
