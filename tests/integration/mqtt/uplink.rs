use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gridwatch::config::model::Secret;
use gridwatch::mqtt::{FaultKind, Grant, Publication, RefusalKind, SendError, Uplink, UplinkEvent, check_broker};

use super::observer::Observer;
use super::{event, message, no_births, quick, until_connected, until_disconnected};
use crate::support::broker::{Broker, BrokerOptions};

#[tokio::test]
async fn publishes_with_its_properties_and_reports_the_acknowledgement() {
    let broker = Broker::open_to_all().await;
    let mut observer = Observer::subscribe(broker.port, "grid/#").await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    assert_eq!(uplink.try_send(message(1)), Err(SendError::Offline));
    until_connected(&mut uplink).await;

    let publication = Publication::new(7, "grid/event/dumping", "{}")
        .expires_in(Duration::from_secs(3600))
        .with_content_type("application/cloudevents+json");
    uplink.try_send(publication).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 7 });
    let seen = observer.next_on("grid/event/dumping").await;
    assert_eq!((seen.payload.as_str(), seen.retained), ("{}", false));
    assert_eq!(seen.content_type, "application/cloudevents+json");
    assert!(seen.expiry == "3600" || seen.expiry == "3599", "{}", seen.expiry);

    uplink.try_send(Publication::new(8, "grid/metrics", "1").at_most_once()).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 8 });
    assert_eq!(observer.next_on("grid/metrics").await.payload, "1");
}

#[tokio::test]
async fn births_open_every_connection_and_are_retained() {
    let mut broker = Broker::open_to_all().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let births = Arc::new(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        vec![Publication::new(0, "grid/state", format!("online {number}")).retained()]
    });
    let mut uplink = Uplink::start(quick(broker.port, "gw"), births);
    for number in 0..2 {
        until_connected(&mut uplink).await;
        // Handed over after the births, so answered after them.
        uplink.try_send(message(1)).unwrap();
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
        let retained = Observer::subscribe(broker.port, "grid/state").await.retained;
        assert_eq!(retained.as_deref(), Some(format!("online {number}").as_str()));
        broker.kill().await;
        until_disconnected(&mut uplink).await;
        broker.start_again().await;
    }
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_restarts_with_messages_in_flight() {
    let mut broker = Broker::open_to_all().await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    let mut unsent: BTreeSet<u64> = (1..=400).collect();
    let (mut pending, mut acknowledged, mut restarts) = (BTreeSet::new(), BTreeSet::new(), 0);
    while acknowledged.len() < 400 {
        while let Some(token) = unsent.first().copied() {
            if uplink.try_send(message(token)).is_err() {
                break;
            }
            unsent.remove(&token);
            pending.insert(token);
        }
        if restarts < 2 && acknowledged.len() > 100 * (restarts + 1) {
            restarts += 1;
            broker.kill().await;
            broker.start_again().await;
        }
        match event(&mut uplink).await {
            UplinkEvent::Acknowledged { token } => {
                assert!(pending.remove(&token), "one answer for each message");
                acknowledged.insert(token);
            }
            UplinkEvent::Unsent { token, .. } => {
                assert!(pending.remove(&token), "one answer for each message");
                unsent.insert(token);
            }
            UplinkEvent::Connected(_) | UplinkEvent::Disconnected { .. } => {}
            UplinkEvent::Refused { .. } => panic!("nothing is refused here"),
        }
    }
    assert_eq!((restarts, pending.len()), (2, 0));
}

#[tokio::test]
async fn a_frozen_broker_is_declared_dead_within_the_deadline() {
    let broker = Broker::open_to_all().await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    broker.freeze();
    let frozen = tokio::time::Instant::now();
    uplink.try_send(message(5)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 5, suspect: false });
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::Silent);
    assert!(frozen.elapsed() < Duration::from_secs(4), "{:?}", frozen.elapsed());
    assert!(!uplink.is_online());
    broker.thaw();
    until_connected(&mut uplink).await;
    uplink.try_send(message(5)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 5 });
}

#[tokio::test]
async fn a_topic_without_the_right_is_refused_and_the_connection_stands() {
    let options = BrokerOptions { acl: Some("topic write grid/own/#\n".to_owned()), ..BrokerOptions::default() };
    let broker = Broker::start(options).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(Publication::new(1, "grid/foreign", "x")).unwrap();
    let UplinkEvent::Refused { token: 1, topic, refusal } = event(&mut uplink).await else { panic!("refused") };
    assert_eq!((topic.as_str(), refusal.code, refusal.kind), ("grid/foreign", 0x87, RefusalKind::HoldOff));
    assert!(refusal.text.contains("not authorised"), "{}", refusal.text);
    uplink.try_send(Publication::new(2, "grid/own/a", "x")).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 });
}

#[tokio::test]
async fn a_message_over_the_broker_s_limit_never_reaches_the_wire() {
    let options = BrokerOptions { extra: vec!["max_packet_size 2000".to_owned()], ..BrokerOptions::default() };
    let broker = Broker::start(options).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    assert_eq!(until_connected(&mut uplink).await.max_packet_size, Some(2000));
    uplink.try_send(Publication::new(1, "grid/a", vec![b'x'; 1990])).unwrap();
    let UplinkEvent::Refused { token: 1, refusal, .. } = event(&mut uplink).await else { panic!("refused") };
    assert_eq!((refusal.code, refusal.kind), (0x95, RefusalKind::TooLarge));
    // 2 fixed header and length, 1 more length, 2 + 6 topic, 2 packet id, 1 properties: exactly 2000.
    uplink.try_send(Publication::new(2, "grid/a", vec![b'x'; 1986])).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 });
}

#[tokio::test]
async fn a_wrong_password_is_said_so_and_tried_slowly() {
    let passwords = vec![("gw".to_owned(), "right".to_owned())];
    let broker = Broker::start(BrokerOptions { passwords, ..BrokerOptions::default() }).await;
    let mut options = quick(broker.port, "gw");
    options.username = Some("gw".to_owned());
    options.password = Some(Secret::new("wrong-canary".to_owned()));
    assert!(!format!("{options:?}").contains("canary"));
    let mut uplink = Uplink::start(options.clone(), no_births());
    let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("refused") };
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.to_string().contains("password"), "{fault}");
    assert!(!format!("{fault:?}").contains("canary"));
    assert!(retry_in >= options.refused_pause);

    options.password = Some(Secret::new("right".to_owned()));
    until_connected(&mut Uplink::start(options, no_births())).await;
}

#[tokio::test]
async fn stopping_sends_what_was_taken_and_waits_for_the_answers() {
    let broker = Broker::open_to_all().await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    for token in 1..=10 {
        uplink.try_send(message(token)).unwrap();
    }
    let rest = uplink.stop(Duration::from_secs(5)).await;
    let expected: Vec<_> = (1..=10).map(|token| UplinkEvent::Acknowledged { token }).collect();
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn stopping_while_the_broker_is_silent_keeps_its_deadline() {
    let broker = Broker::open_to_all().await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    broker.freeze();
    uplink.try_send(message(1)).unwrap();
    let before = tokio::time::Instant::now();
    let rest = uplink.stop(Duration::from_millis(300)).await;
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(rest, [UplinkEvent::Unsent { token: 1, suspect: false }]);
    broker.thaw();
}

#[tokio::test]
async fn the_check_reports_limits_and_rights() {
    let acl = "topic write grid/own/#\ntopic read grid/own/feedback\n".to_owned();
    let extra = vec!["max_packet_size 300000".to_owned(), "max_inflight_messages 20".to_owned()];
    let broker = Broker::start(BrokerOptions { acl: Some(acl), extra, ..BrokerOptions::default() }).await;
    let probes = vec![Publication::new(1, "grid/own/rsp/check", "{}"), Publication::new(2, "grid/foreign", "{}")];
    let filters = ["grid/own/feedback".to_owned()];
    let report = check_broker(&quick(broker.port, "gw-check"), probes, &filters).await.unwrap();
    assert_eq!(report.connected.max_packet_size, Some(300_000));
    assert!(!report.encrypted);
    assert_eq!(report.publish[0], ("grid/own/rsp/check".to_owned(), Grant::Granted));
    assert!(matches!(&report.publish[1], (_, Grant::Refused(text)) if text.contains("not authorised")));
    assert_eq!(report.subscribe, [("grid/own/feedback".to_owned(), Grant::Granted)]);

    drop(broker);
    let nobody = quick(crate::support::broker::free_port().await, "gw-check");
    let fault = check_broker(&nobody, Vec::new(), &[]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(fault.to_string().contains(&nobody.address()), "{fault}");
}

#[tokio::test]
async fn a_limit_that_the_broker_does_not_announce_makes_the_message_suspect() {
    let options = BrokerOptions { extra: vec!["message_size_limit 1000".to_owned()], ..BrokerOptions::default() };
    let broker = Broker::start(options).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    uplink.try_send(Publication::new(2, "grid/a", vec![b'x'; 5000])).unwrap();
    uplink.try_send(message(3)).unwrap();
    // mosquitto answers with a reason that MQTT does not have there, so the connection cannot go on.
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 2, suspect: true });
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 3, suspect: false });
    let fault = until_disconnected(&mut uplink).await;
    assert!(fault.text.contains("0x95"), "{fault}");
}

#[tokio::test]
async fn a_twin_with_our_client_id_takes_the_connection_and_gives_it_back() {
    let broker = Broker::open_to_all().await;
    let options = quick(broker.port, "gw");
    let mut uplink = Uplink::start(options.clone(), no_births());
    until_connected(&mut uplink).await;
    let mut twin = tokio::process::Command::new("mosquitto_sub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-i", "gw", "-t", "x", "-E"])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("disconnected") };
    // mosquitto 2.0.11 closes without a word where later ones send the reason.
    assert!(matches!(fault.kind, FaultKind::TakenOver | FaultKind::Closed), "{fault}");
    assert!(fault.kind == FaultKind::Closed || retry_in >= options.refused_pause);
    twin.wait().await.unwrap();
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
}
