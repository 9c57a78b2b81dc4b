use std::time::Duration;

use gridwatch::mqtt::{FaultKind, Publication, RefusalKind, Uplink, UplinkEvent};
use rumqttc::{ConnectReturnCode, DisconnectReasonCode, PubAckReason};

use super::{event, message, no_births, quick, until_connected, until_disconnected};
use crate::support::scripted_broker::{Answer, Ending, Greeting, Limits, Script, ScriptedBroker};

const GOOD: Script = Script::GOOD;

#[tokio::test]
async fn a_broker_that_never_answers_connect_is_left_after_the_timeout() {
    let broker = ScriptedBroker::start(vec![Script::greeting(Greeting::Mute), GOOD]).await;
    let mut options = quick(broker.port, "gw");
    options.connect_timeout = Duration::from_millis(500);
    let mut uplink = Uplink::start(options, no_births());
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::ConnectTimeout);
    until_connected(&mut uplink).await;
}

#[tokio::test]
async fn a_broker_that_stops_reading_is_left_within_the_deadline() {
    let broker = ScriptedBroker::start(vec![Script::ending(0, Ending::StopReading), GOOD]).await;
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
    let limits = Limits { server_keep_alive: Some(0), ..Limits::default() };
    let broker = ScriptedBroker::start(vec![Script::limits(limits)]).await;
    let mut options = quick(broker.port, "gw");
    options.keep_alive = Duration::from_secs(1);
    let mut uplink = Uplink::start(options, no_births());
    assert_eq!(until_connected(&mut uplink).await.server_keep_alive, Some(Duration::ZERO));
    let quiet = tokio::time::timeout(Duration::from_millis(1500), uplink.next_event()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!((broker.pings(), broker.connections()), (0, 1));
}

#[tokio::test]
async fn a_receive_maximum_that_shrinks_with_each_connection_is_respected() {
    let granting = |receive_max| Script {
        limits: Limits { receive_max: Some(receive_max), ..Limits::default() },
        delay: Duration::from_millis(20),
        ..GOOD
    };
    for (before, after) in [(20, 5), (5, 1)] {
        let closing = Script { ending: Some((0, Ending::Close)), ..granting(before) };
        let broker = ScriptedBroker::start(vec![closing, granting(after)]).await;
        let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
        assert_eq!(until_connected(&mut uplink).await.receive_max, before);
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
        assert_eq!(until_connected(&mut uplink).await.receive_max, after);
        for token in 1..=16 {
            uplink.try_send(message(token)).unwrap();
        }
        for token in 1..=16 {
            assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token });
        }
        assert_eq!((broker.most_unanswered(), broker.connections()), (usize::from(after), 2));
    }
}

#[tokio::test]
async fn every_reason_of_a_refusal_says_what_to_do() {
    for (reason, code, kind) in [
        (PubAckReason::NotAuthorized, 0x87, RefusalKind::HoldOff),
        (PubAckReason::QuotaExceeded, 0x97, RefusalKind::HoldOff),
        (PubAckReason::UnspecifiedError, 0x80, RefusalKind::HoldOff),
        (PubAckReason::ImplementationSpecificError, 0x83, RefusalKind::HoldOff),
        (PubAckReason::TopicNameInvalid, 0x90, RefusalKind::GiveUpAfter3),
        (PubAckReason::PayloadFormatInvalid, 0x99, RefusalKind::GiveUpAfter3),
    ] {
        let broker = ScriptedBroker::start(vec![Script::answering(Answer::Sometimes(2, reason))]).await;
        let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
        until_connected(&mut uplink).await;
        uplink.try_send(message(1)).unwrap();
        uplink.try_send(message(2)).unwrap();
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
        let UplinkEvent::Refused { token: 2, refusal, .. } = event(&mut uplink).await else { panic!("{reason:?}") };
        assert_eq!((refusal.code, refusal.kind), (code, kind));
        uplink.try_send(message(3)).unwrap();
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 3 }, "the connection stands");
    }
    let unheard = Script::answering(Answer::Reason(PubAckReason::NoMatchingSubscribers));
    let broker = ScriptedBroker::start(vec![unheard]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(2)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 }, "nobody listening is fine");
}

#[tokio::test]
async fn a_limit_of_the_packet_size_is_kept_on_each_connection_anew() {
    let small = Limits { max_packet_size: Some(500), ..Limits::default() };
    let closing = Script { ending: Some((0, Ending::Close)), ..GOOD };
    let broker = ScriptedBroker::start(vec![closing, Script::limits(small)]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    let large = || Publication::new(1, "grid/event", vec![b'x'; 600]);
    uplink.try_send(large()).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 1, suspect: true });
    assert_eq!(until_connected(&mut uplink).await.max_packet_size, Some(500));
    uplink.try_send(large()).unwrap();
    let UplinkEvent::Refused { token: 1, refusal, .. } = event(&mut uplink).await else { panic!("refused") };
    assert_eq!((refusal.code, refusal.kind), (0x95, RefusalKind::TooLarge));
    uplink.try_send(message(2)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 2 });
    let sizes: Vec<_> = broker.published().iter().map(|seen| (seen.connection, seen.payload.len())).collect();
    assert_eq!(sizes, [(0, 600), (1, 6)]);
}

#[tokio::test]
async fn a_refused_connection_says_why_and_how_soon_to_try_again() {
    use ConnectReturnCode as Code;
    for (code, kind, words) in [
        (Code::BadUserNamePassword, FaultKind::Refused, "password is wrong"),
        (Code::NotAuthorized, FaultKind::Refused, "not authorised to connect"),
        (Code::Banned, FaultKind::Refused, "banned"),
        (Code::ClientIdentifierNotValid, FaultKind::Refused, "client id"),
        (Code::UnsupportedProtocolVersion, FaultKind::Refused, "MQTT 5"),
        (Code::ServerBusy, FaultKind::Unavailable, "busy"),
        (Code::ServerUnavailable, FaultKind::Unavailable, "not available"),
        (Code::UseAnotherServer, FaultKind::Unavailable, "another server"),
        (Code::QuotaExceeded, FaultKind::Unavailable, "quota"),
        (Code::ConnectionRateExceeded, FaultKind::Unavailable, "no more connections"),
    ] {
        let broker = ScriptedBroker::start(vec![Script::greeting(Greeting::Refuse(code)), GOOD]).await;
        let options = quick(broker.port, "gw");
        let mut uplink = Uplink::start(options.clone(), no_births());
        let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("{code:?}") };
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.text.contains(words), "{fault}");
        assert_eq!(retry_in >= options.refused_pause, kind == FaultKind::Refused, "{fault}: {retry_in:?}");
        until_connected(&mut uplink).await;
    }
}

#[tokio::test]
async fn an_answer_to_connect_that_is_none_is_not_waited_for_for_ever() {
    for (greeting, kinds) in [
        (Greeting::Half, &[FaultKind::ConnectTimeout][..]),
        (Greeting::Close, &[FaultKind::Closed]),
        (
            Greeting::Garbage(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            &[FaultKind::Protocol, FaultKind::ConnectTimeout],
        ),
        (Greeting::Garbage(vec![0x20, 0xff, 0xff, 0xff, 0xff]), &[FaultKind::Protocol, FaultKind::ConnectTimeout]),
        (Greeting::Garbage(vec![0xd0, 0]), &[FaultKind::Protocol, FaultKind::ConnectTimeout]),
    ] {
        let broker = ScriptedBroker::start(vec![Script::greeting(greeting.clone()), GOOD]).await;
        let mut options = quick(broker.port, "gw");
        options.connect_timeout = Duration::from_millis(500);
        let mut uplink = Uplink::start(options, no_births());
        let fault = until_disconnected(&mut uplink).await;
        assert!(kinds.contains(&fault.kind), "{greeting:?}: {fault:?}");
        until_connected(&mut uplink).await;
    }
}

#[tokio::test]
async fn a_message_that_is_never_acknowledged_ends_the_connection_though_pings_are_answered() {
    let broker = ScriptedBroker::start(vec![Script::answering(Answer::Never), GOOD]).await;
    let mut options = quick(broker.port, "gw");
    options.keep_alive = Duration::from_secs(1);
    let mut uplink = Uplink::start(options, no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 1, suspect: false });
    assert_eq!(until_disconnected(&mut uplink).await.kind, FaultKind::Silent);
    assert!(broker.pings() > 0);
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
    let seen = broker.published();
    assert_eq!((seen.len(), &seen[0].payload), (2, &seen[1].payload), "the same bytes");
}

#[tokio::test]
async fn a_broker_that_goes_silent_on_an_idle_connection_is_noticed_by_the_pings() {
    let broker = ScriptedBroker::start(vec![Script::ending(0, Ending::FallSilent), GOOD]).await;
    let mut options = quick(broker.port, "gw");
    options.keep_alive = Duration::from_secs(1);
    let mut uplink = Uplink::start(options, no_births());
    until_connected(&mut uplink).await;
    let fault = until_disconnected(&mut uplink).await;
    assert!(fault.kind == FaultKind::Silent && fault.text.contains("ping"), "{fault}");
    until_connected(&mut uplink).await;
}

#[tokio::test]
async fn late_answers_cost_neither_the_connection_nor_a_duplicate() {
    let broker = ScriptedBroker::start(vec![Script::late(Duration::from_millis(1500))]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    for token in 1..=16 {
        uplink.try_send(message(token)).unwrap();
    }
    for token in 1..=16 {
        assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token });
    }
    assert_eq!((broker.connections(), broker.published().len()), (1, 16));
}

#[tokio::test]
async fn whatever_ends_a_connection_in_the_middle_returns_exactly_what_was_not_answered() {
    use DisconnectReasonCode as Reason;
    for (ending, kind) in [
        (Ending::Close, FaultKind::Closed),
        (Ending::Garbage(vec![0xff; 64]), FaultKind::Protocol),
        (Ending::Garbage(vec![0x00, 0x00]), FaultKind::Protocol),
        (Ending::ForeignAck, FaultKind::Protocol),
        (Ending::Half, FaultKind::Silent),
        (Ending::FallSilent, FaultKind::Silent),
        (Ending::StopReading, FaultKind::Silent),
        (Ending::Disconnect(Reason::SessionTakenOver), FaultKind::TakenOver),
        (Ending::Disconnect(Reason::ServerShuttingDown), FaultKind::Unavailable),
        (Ending::Disconnect(Reason::ServerBusy), FaultKind::Unavailable),
        (Ending::Disconnect(Reason::AdministrativeAction), FaultKind::Unavailable),
        (Ending::Disconnect(Reason::KeepAliveTimeout), FaultKind::Silent),
        (Ending::Disconnect(Reason::NotAuthorized), FaultKind::Refused),
        (Ending::Disconnect(Reason::PacketTooLarge), FaultKind::Protocol),
        (Ending::Disconnect(Reason::QuotaExceeded), FaultKind::Unavailable),
        (Ending::Disconnect(Reason::MessageRateTooHigh), FaultKind::Unavailable),
        (Ending::Disconnect(Reason::UseAnotherServer), FaultKind::Unavailable),
    ] {
        let broker = ScriptedBroker::start(vec![Script::ending(3, ending.clone()), GOOD]).await;
        let mut options = quick(broker.port, "gw");
        options.ack_deadline = Duration::from_millis(500);
        let mut uplink = Uplink::start(options, no_births());
        until_connected(&mut uplink).await;
        for token in 1..=6 {
            uplink.try_send(message(token)).unwrap();
        }
        let (mut acknowledged, mut unsent) = (Vec::new(), Vec::new());
        let fault = loop {
            match event(&mut uplink).await {
                UplinkEvent::Acknowledged { token } => acknowledged.push(token),
                UplinkEvent::Unsent { token, .. } => unsent.push(token),
                UplinkEvent::Disconnected { fault, .. } => break fault,
                other @ (UplinkEvent::Connected(_) | UplinkEvent::Refused { .. }) => panic!("{other:?}"),
            }
        };
        assert_eq!((acknowledged, unsent), (vec![1, 2, 3], vec![4, 5, 6]), "{ending:?}");
        assert_eq!(fault.kind, kind, "{ending:?}: {fault}");
        until_connected(&mut uplink).await;
        for token in 4..=6 {
            uplink.try_send(message(token)).unwrap();
            assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token });
        }
    }
}

#[tokio::test]
async fn a_session_that_the_broker_claims_to_have_of_a_clean_start_harms_nothing() {
    let claims = Limits { session_present: true, ..Limits::default() };
    let broker = ScriptedBroker::start(vec![Script::limits(claims), GOOD]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    loop {
        match event(&mut uplink).await {
            UplinkEvent::Connected(_) => uplink.try_send(message(1)).unwrap(),
            UplinkEvent::Acknowledged { token: 1 } => break,
            UplinkEvent::Disconnected { .. } | UplinkEvent::Unsent { token: 1, .. } => {}
            other @ (UplinkEvent::Acknowledged { .. } | UplinkEvent::Unsent { .. } | UplinkEvent::Refused { .. }) => {
                panic!("{other:?}")
            }
        }
    }
    assert!(broker.connections() <= 2);
}

#[tokio::test]
async fn a_puback_with_a_reason_that_mqtt_does_not_have_names_the_message_as_suspect() {
    let broker = ScriptedBroker::start(vec![Script::answering(Answer::Raw(2, 0x95)), GOOD]).await;
    let mut uplink = Uplink::start(quick(broker.port, "gw"), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Acknowledged { token: 1 });
    uplink.try_send(message(2)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 2, suspect: true });
    assert!(until_disconnected(&mut uplink).await.text.contains("0x95"));
}

#[tokio::test]
async fn another_client_with_our_id_is_named_and_not_fought() {
    let taken_over = Ending::Disconnect(DisconnectReasonCode::SessionTakenOver);
    let broker = ScriptedBroker::start(vec![Script::ending(0, taken_over)]).await;
    let options = quick(broker.port, "gw");
    let mut uplink = Uplink::start(options.clone(), no_births());
    until_connected(&mut uplink).await;
    uplink.try_send(message(1)).unwrap();
    assert_eq!(event(&mut uplink).await, UplinkEvent::Unsent { token: 1, suspect: false });
    let UplinkEvent::Disconnected { fault, retry_in } = event(&mut uplink).await else { panic!("disconnected") };
    assert_eq!(fault.kind, FaultKind::TakenOver);
    assert!(retry_in >= options.refused_pause);
}
