use std::sync::Arc;
use std::time::Duration;

use gridwatch::mqtt::{Downlink, DownlinkEvent, DownlinkOptions, FaultKind, Publication, Will};
use rumqttc::{ConnectReturnCode, DisconnectReasonCode};

use super::observer::{Observer, publish};
use super::{quick, received, until_message, until_subscribed};
use crate::support::broker::{Broker, BrokerOptions};
use crate::support::scripted_broker::{Ending, Greeting, Limits, Script, ScriptedBroker};

const FEEDBACK: &str = "grid/gw/feedback";

fn options(port: u16) -> DownlinkOptions {
    DownlinkOptions::new(quick(port, "gw-rx"), vec![FEEDBACK.to_owned(), "grid/gw/cmd/+".to_owned()])
}

#[tokio::test]
async fn passes_on_what_a_request_needs_to_be_answered() {
    let broker = Broker::open_to_all().await;
    let mut downlink = Downlink::start(options(broker.port));
    until_subscribed(&mut downlink).await;
    let more = [
        "-D",
        "publish",
        "response-topic",
        "grid/gw/rsp/1",
        "-D",
        "publish",
        "correlation-data",
        "c-1",
        "-D",
        "publish",
        "content-type",
        "application/json",
        "-D",
        "publish",
        "message-expiry-interval",
        "60",
    ];
    publish(broker.port, "grid/gw/cmd/ping", "{}", &more).await;
    let incoming = until_message(&mut downlink).await;
    assert_eq!((incoming.topic.as_str(), &incoming.payload[..]), ("grid/gw/cmd/ping", &b"{}"[..]));
    assert_eq!(incoming.response_topic.as_deref(), Some("grid/gw/rsp/1"));
    assert_eq!(incoming.correlation_data.as_deref(), Some(&b"c-1"[..]));
    assert_eq!(incoming.content_type.as_deref(), Some("application/json"));
    assert!(incoming.expiry.is_some_and(|expiry| expiry <= Duration::from_secs(60)));
    assert!(!incoming.retain);
    incoming.ack();
}

#[tokio::test]
async fn feedback_waits_at_the_broker_while_no_process_runs() {
    let mut broker = Broker::start(BrokerOptions { persistence: true, ..BrokerOptions::default() }).await;
    let mut downlink = Downlink::start(options(broker.port));
    assert!(!until_subscribed(&mut downlink).await.session_present);
    downlink.stop(Duration::from_secs(2)).await;

    publish(broker.port, FEEDBACK, "while away", &[]).await;
    broker.stop().await;
    broker.start_again().await;

    let mut next_process = Downlink::start(options(broker.port));
    assert!(until_subscribed(&mut next_process).await.session_present);
    let incoming = until_message(&mut next_process).await;
    assert_eq!(&incoming.payload[..], b"while away");
    incoming.ack();

    // A session that was resumed still takes what is new, and forgets what was acknowledged.
    publish(broker.port, FEEDBACK, "now", &[]).await;
    let incoming = until_message(&mut next_process).await;
    assert_eq!(&incoming.payload[..], b"now");
    incoming.ack();
    next_process.stop(Duration::from_secs(2)).await;
    let mut third = Downlink::start(options(broker.port));
    until_subscribed(&mut third).await;
    publish(broker.port, FEEDBACK, "last", &[]).await;
    assert_eq!(&until_message(&mut third).await.payload[..], b"last");
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again() {
    let broker = Broker::open_to_all().await;
    let mut downlink = Downlink::start(options(broker.port));
    until_subscribed(&mut downlink).await;
    publish(broker.port, FEEDBACK, "one", &[]).await;
    until_message(&mut downlink).await.ack();
    publish(broker.port, FEEDBACK, "two", &[]).await;
    assert_eq!(&until_message(&mut downlink).await.payload[..], b"two");
    // The process dies here: no acknowledgement of the second, no goodbye.
    drop(downlink);

    let mut downlink = Downlink::start(options(broker.port));
    let incoming = until_message(&mut downlink).await;
    assert_eq!(&incoming.payload[..], b"two");
    assert!(incoming.duplicate);
    incoming.ack();
}

#[tokio::test]
async fn more_than_the_window_is_taken_in_order() {
    let broker = Broker::open_to_all().await;
    let mut few = options(broker.port);
    few.receive_max = 4;
    let mut downlink = Downlink::start(few);
    until_subscribed(&mut downlink).await;
    for number in 0..12 {
        publish(broker.port, FEEDBACK, &number.to_string(), &[]).await;
    }
    for number in 0..12 {
        let event = received(&mut downlink).await;
        let DownlinkEvent::Message(incoming) = event else { panic!("{event:?}") };
        assert_eq!(incoming.payload, number.to_string().as_bytes());
        incoming.ack();
    }
}

#[tokio::test]
async fn the_will_speaks_for_a_process_that_was_killed_and_not_for_one_that_left() {
    let broker = Broker::open_to_all().await;
    let mut observer = Observer::subscribe(broker.port, "grid/gw/state").await;
    let with_will = || DownlinkOptions {
        will: Some(Will {
            topic: "grid/gw/state".to_owned(),
            payload: b"offline".to_vec(),
            content_type: None,
            delay: Duration::from_secs(1),
        }),
        hello: Arc::new(|| vec![Publication::new(0, "grid/gw/state", "online").retained()]),
        ..options(broker.port)
    };
    let mut leaves = Downlink::start(with_will());
    until_subscribed(&mut leaves).await;
    assert_eq!(observer.next_on("grid/gw/state").await.payload, "online");
    leaves.stop(Duration::from_secs(2)).await;

    let mut dies = Downlink::start(with_will());
    until_subscribed(&mut dies).await;
    assert_eq!(observer.next_on("grid/gw/state").await.payload, "online", "no will after a goodbye");
    drop(dies);
    assert_eq!(observer.next_on("grid/gw/state").await.payload, "offline");
}

#[tokio::test]
async fn a_silent_broker_is_noticed_by_the_pings_and_the_session_resumed() {
    let broker = Broker::open_to_all().await;
    let mut eager = options(broker.port);
    eager.link.keep_alive = Duration::from_secs(1);
    let mut downlink = Downlink::start(eager);
    until_subscribed(&mut downlink).await;
    broker.freeze();
    let event = received(&mut downlink).await;
    assert!(matches!(&event, DownlinkEvent::Disconnected { fault, .. } if fault.text.contains("ping")), "{event:?}");
    broker.thaw();
    assert!(until_subscribed(&mut downlink).await.session_present);
}

#[tokio::test]
async fn a_broker_that_was_restarted_without_its_memory_is_subscribed_to_anew() {
    let mut broker = Broker::open_to_all().await;
    let mut downlink = Downlink::start(options(broker.port));
    until_subscribed(&mut downlink).await;
    broker.kill().await;
    broker.start_again().await;
    assert!(!until_subscribed(&mut downlink).await.session_present);
    publish(broker.port, FEEDBACK, "after it", &[]).await;
    assert_eq!(&until_message(&mut downlink).await.payload[..], b"after it");
}

#[tokio::test]
async fn whatever_a_broker_does_to_the_downlink_it_comes_back() {
    for (script, kind) in [
        (Script::ending(0, Ending::FallSilent), FaultKind::Silent),
        (Script::ending(0, Ending::StopReading), FaultKind::Silent),
        (Script::greeting(Greeting::Half), FaultKind::ConnectTimeout),
        (Script::greeting(Greeting::Refuse(ConnectReturnCode::Banned)), FaultKind::Refused),
        (Script::ending(0, Ending::Garbage(vec![0xff; 16])), FaultKind::Protocol),
        (Script::ending(0, Ending::Disconnect(DisconnectReasonCode::ServerShuttingDown)), FaultKind::Unavailable),
        (Script::ending(0, Ending::Close), FaultKind::Closed),
    ] {
        let broker = ScriptedBroker::start(vec![script.clone(), Script::GOOD]).await;
        let mut quick = options(broker.port);
        (quick.link.ack_deadline, quick.link.connect_timeout) =
            (Duration::from_millis(500), Duration::from_millis(500));
        // What a scripted broker goes bad at is a publication.
        quick.hello = Arc::new(|| vec![Publication::new(0, "grid/gw/state", "online").retained()]);
        let mut downlink = Downlink::start(quick);
        let fault = loop {
            if let DownlinkEvent::Disconnected { fault, .. } = received(&mut downlink).await {
                break fault;
            }
        };
        assert_eq!(fault.kind, kind, "{script:?}: {fault}");
        until_subscribed(&mut downlink).await;
    }
}

#[tokio::test]
async fn a_broker_without_pings_that_goes_silent_is_noticed_by_presence() {
    let limits = Limits { server_keep_alive: Some(0), ..Limits::default() };
    let silent = Script { ending: Some((3, Ending::FallSilent)), ..Script::limits(limits) };
    let broker = ScriptedBroker::start(vec![silent, Script::GOOD]).await;
    let mut quick = options(broker.port);
    (quick.link.ack_deadline, quick.link.probe_every) = (Duration::from_millis(500), Duration::from_millis(100));
    quick.hello = Arc::new(|| vec![Publication::new(0, "grid/gw/state", "online").retained()]);
    let mut downlink = Downlink::start(quick);
    until_subscribed(&mut downlink).await;
    let event = received(&mut downlink).await;
    assert!(
        matches!(&event, DownlinkEvent::Disconnected { fault, .. } if fault.kind == FaultKind::Silent),
        "{event:?}"
    );
    assert_eq!((broker.pings(), broker.published().len()), (0, 4));
    until_subscribed(&mut downlink).await;
}
