//! The transport against a real mosquitto, and against a broker that misbehaves on demand.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

use std::sync::Arc;
use std::time::Duration;

use gridwatch::mqtt::{
    Births, Connected, Downlink, DownlinkEvent, Incoming, LinkFault, LinkOptions, Publication, Uplink, UplinkEvent,
};

mod downlink;
mod faulty_broker;
mod observer;
mod publisher;
mod second_broker;
mod tls;
mod uplink;

/// Long enough for a loaded machine, short enough to fail.
const PATIENCE: Duration = Duration::from_secs(15);

/// Times that make a fault visible within a second or two.
fn quick(port: u16, client_id: &str) -> LinkOptions {
    LinkOptions {
        connect_timeout: Duration::from_secs(2),
        ack_deadline: Duration::from_secs(2),
        backoff_first: Duration::from_millis(20),
        backoff_longest: Duration::from_millis(200),
        refused_pause: Duration::from_millis(300),
        ..LinkOptions::new("127.0.0.1", port, client_id)
    }
}

fn no_births() -> Births {
    Arc::new(Vec::new)
}

fn message(token: u64) -> Publication {
    Publication::new(token, "grid/event", format!("body {token}"))
}

async fn event(uplink: &mut Uplink) -> UplinkEvent {
    tokio::time::timeout(PATIENCE, uplink.next_event()).await.expect("an event in time").expect("the uplink runs")
}

async fn until_connected(uplink: &mut Uplink) -> Connected {
    loop {
        if let UplinkEvent::Connected(connected) = event(uplink).await {
            return connected;
        }
    }
}

async fn until_disconnected(uplink: &mut Uplink) -> LinkFault {
    loop {
        if let UplinkEvent::Disconnected { fault, .. } = event(uplink).await {
            return fault;
        }
    }
}

async fn received(downlink: &mut Downlink) -> DownlinkEvent {
    tokio::time::timeout(PATIENCE, downlink.next_event()).await.expect("an event in time").expect("the downlink runs")
}

async fn until_subscribed(downlink: &mut Downlink) -> Connected {
    loop {
        if let DownlinkEvent::Connected(connected) = received(downlink).await {
            return connected;
        }
    }
}

async fn until_message(downlink: &mut Downlink) -> Incoming {
    loop {
        if let DownlinkEvent::Message(incoming) = received(downlink).await {
            return incoming;
        }
    }
}
