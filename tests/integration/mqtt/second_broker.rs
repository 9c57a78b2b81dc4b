//! The main exchange with ejabberd, so that what holds is MQTT 5 and not mosquitto.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gridwatch::config::model::Secret;
use gridwatch::mqtt::{
    Downlink, DownlinkOptions, FaultKind, Grant, LinkOptions, Publication, Uplink, UplinkEvent, Will, check_broker,
};
use tokio::process::Command;

use super::{PATIENCE, event, no_births, quick, until_connected, until_disconnected, until_message, until_subscribed};
use crate::support::ejabberd::{Ejabberd, PASSWORD, USER};

fn link(port: u16, client_id: &str) -> LinkOptions {
    let (username, password) = (Some(USER.to_owned()), Some(Secret::new(PASSWORD.to_owned())));
    let (connect_timeout, ack_deadline) = (PATIENCE, PATIENCE);
    LinkOptions { username, password, connect_timeout, ack_deadline, ..quick(port, client_id) }
}

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-u", USER, "-P", PASSWORD]);
    command.kill_on_drop(true).stdout(Stdio::piped());
    command
}

async fn publish(port: u16, topic: &str, payload: &str) {
    let status = client("mosquitto_pub", port).args(["-t", topic, "-m", payload]).status().await;
    assert!(status.unwrap().success());
}

/// The next message on a topic: what is retained there, if there is something.
async fn read(port: u16, topic: &str) -> String {
    let output = client("mosquitto_sub", port).args(["-t", topic, "-C", "1", "-W", "15"]).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn another_broker_is_served_as_well() {
    let Some(broker) = Ejabberd::start().await else {
        return eprintln!("skipped: no ejabberd on this machine; scripts/setup --second-broker unpacks one");
    };
    let port = broker.port;
    let probes = vec![Publication::new(1, "grid/gw/rsp/check", "{}")];
    let report = check_broker(&link(port, "gw-check"), probes, &["grid/gw/feedback".to_owned()]).await.unwrap();
    assert_eq!((&report.publish[0].1, &report.subscribe[0].1), (&Grant::Granted, &Grant::Granted));
    let wrong = LinkOptions { password: Some(Secret::new("wrong".to_owned())), ..link(port, "gw-check") };
    assert_eq!(check_broker(&wrong, Vec::new(), &[]).await.unwrap_err().kind, FaultKind::Refused);

    let receiving = || DownlinkOptions {
        will: Some(Will {
            topic: "grid/gw/state".to_owned(),
            payload: b"offline".to_vec(),
            content_type: None,
            delay: Duration::from_secs(1),
        }),
        hello: Arc::new(|| vec![Publication::new(0, "grid/gw/state", "online").retained()]),
        ..DownlinkOptions::new(link(port, "gw-rx"), vec!["grid/gw/feedback".to_owned(), "grid/gw/cmd/+".to_owned()])
    };
    let mut downlink = Downlink::start(receiving());
    assert!(!until_subscribed(&mut downlink).await.session_present);
    downlink.stop(Duration::from_secs(2)).await;
    publish(port, "grid/gw/feedback", "while away").await;
    let mut downlink = Downlink::start(receiving());
    assert!(until_subscribed(&mut downlink).await.session_present);
    let incoming = until_message(&mut downlink).await;
    assert_eq!(&incoming.payload[..], b"while away");
    incoming.ack();
    publish(port, "grid/gw/cmd/ping", "{}").await;
    assert_eq!(until_message(&mut downlink).await.topic, "grid/gw/cmd/ping");
    assert_eq!(read(port, "grid/gw/state").await, "online");

    let mut uplink = Uplink::start(link(port, "gw"), no_births());
    until_connected(&mut uplink).await;
    let subscriber = tokio::spawn(async move { read(port, "grid/gw/event/+").await });
    let mut token = 0;
    while !subscriber.is_finished() {
        token += 1;
        uplink.try_send(Publication::new(token, "grid/gw/event/dumping", "street is blocked")).unwrap();
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(subscriber.await.unwrap(), "street is blocked");
    uplink.try_send(Publication::new(0, "grid/gw/info", vec![b'x'; 200_000]).retained()).unwrap();
    assert!(read(port, "grid/gw/info").await.len() == 200_000, "as large as a picture");

    // The process dies: the will speaks.
    drop(downlink);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let mut said = read(port, "grid/gw/state").await;
    for _ in 0..20 {
        if said == "offline" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        said = read(port, "grid/gw/state").await;
    }
    assert_eq!(said, "offline");
    drop(broker);
    assert!(matches!(until_disconnected(&mut uplink).await.kind, FaultKind::Closed | FaultKind::Unavailable));
}
