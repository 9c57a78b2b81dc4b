use std::time::Duration;

use gridwatch::mqtt::{FaultKind, Publication, RefusalKind, Uplink, UplinkEvent};
use rumqttc::{DisconnectReasonCode, PubAckReason};

use super::{event, message, no_births, quick, until_connected, until_disconnected};
use crate::support::scripted_broker::{Limits, Script, ScriptedBroker};

const GOOD: Script = Script::Acknowledge { limits: NO_LIMITS, reason: PubAckReason::Success };
const NO_LIMITS: Limits = Limits { receive_max: None, server_keep_alive: None };

#[tokio::test]
async fn a_broker_that_never_answers_connect_is_left_after_the_timeout() {
    let broker = ScriptedBroker::start(vec![Script::Mute, GOOD]).await;
    let mut options = quick(broker.port, "gw");
    options.connect_timeout = Duration::from_millis(500);
    let mut uplink = Uplink::start(options, no_births());
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::ConnectTimeout);
    until_connected(&mut uplink).await;
}

#[tokio::test]
async fn a_broker_that_stops_reading_is_left_within_the_deadline() {
    let broker = ScriptedBroker::start(vec![Script::StopReading, GOOD]).await;
    let mut options = quick(broker.port, "gw");
    options.ack_deadline = Duration::from_millis(500);
    options.slowest_line = 100_000_000;
    let mut uplink = Uplink::start(options, no_births());
    until_connected(&mut uplink).await;
    // More than the buffers of both kernels take: the library itself would wait for ever.
    for token in 1..=16 {
        uplink.try_send(Publication::new(token, "grid/evidence", vec![0; 1_000_000])).unwrap();
    }
    for token in 1..=16 {
        assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token, suspect: false });
    }
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::Silent);
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
}

#[tokio::test]
async fn a_keep_alive_of_zero_means_no_pings() {
    let limits = Limits { server_keep_alive: Some(0), ..NO_LIMITS };
    let broker = ScriptedBroker::start(vec![Script::Acknowledge { limits, reason: PubAckReason::Success }]).await;
    let mut options = quick(broker.port, "gw");
    options.keep_alive = Duration::from_secs(1);
    let mut uplink = Uplink::start(options, no_births());
    assert_eq!(until_connected(&mut uplink).await.server_keep_alive, Some(Duration::ZERO));
    let quiet = tokio::time::timeout(Duration::from_millis(1500), uplink.next_event()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!((broker.pings(), broker.connections()), (0, 1));
}

#[tokio::test]
async fn a_smaller_receive_maximum_after_a_reconnect_is_respected() {
    let small = Limits { receive_max: Some(3), ..NO_LIMITS };
    let broker = ScriptedBroker::start(vec![
        Script::CloseOnPublish,
        Script::Acknowledge { limits: small, reason: PubAckReason::Success },
    ])
    .await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    for token in 1..=16 {
        uplink.try_send(message(token)).unwrap();
    }
    let mut suspects = Vec::new();
    for _ in 1..=16 {
        let UplinkEvent::Unsent { token, suspect } = event(&mut uplink).await else { panic!("unsent") };
        suspects.extend(suspect.then_some(token));
    }
    assert_eq!(suspects, [1], "the oldest alone");
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::Closed);
    assert_eq!(until_connected(&mut uplink).await.receive_max, 3);
    for token in 1..=16 {
        uplink.try_send(message(token)).unwrap();
    }
    for token in 1..=16 {
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token });
    }
    assert_eq!(broker.most_unanswered(), 3);
}

#[tokio::test]
async fn a_quota_asks_to_hold_off_and_nobody_listening_is_fine() {
    let over_quota = Script::Acknowledge { limits: NO_LIMITS, reason: PubAckReason::QuotaExceeded };
    let broker = ScriptedBroker::start(vec![over_quota]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    let UplinkEvent::Refused { token: 1, refusal, .. } = event(&mut uplink).await else { panic!("refused") };
    assert_eq!((refusal.code, refusal.kind), (0x97, RefusalKind::HoldOff));

    let unheard = Script::Acknowledge { limits: NO_LIMITS, reason: PubAckReason::NoMatchingSubscribers };
    let broker = ScriptedBroker::start(vec![unheard]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(2)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 });
}

#[tokio::test]
async fn another_client_with_our_id_is_named_and_not_fought() {
    let broker = ScriptedBroker::start(vec![Script::DisconnectOnPublish(DisconnectReasonCode::SessionTakenOver)]).await;
    let options = quick(broker.port, "gw");
    let mut uplink = Uplink::start(options.clone(), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 1, suspect: false });
    let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("disconnected") };
    assert_eq!(fault.kind, FaultKind::TakenOver);
    assert!(retry_in >= options.refused_pause);
}
