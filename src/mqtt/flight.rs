//! Messages handed to one connection and not answered yet.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rumqttc::{
    AsyncClient, ClientError, PubAck, PubAckReason, Publish, PublishNoticeError, PublishOptions, PublishProperties,
    PublishResult, QoS,
};
use tokio::time::Instant;

use super::message::{Connected, Publication, Qos, Refusal, RefusalKind};
use super::options::LinkOptions;
use super::rate::{Departure, LineRate};

/// What became of one publication.
pub(super) enum Answer {
    Acknowledged(u64),
    Refused { token: u64, topic: String, refusal: Refusal },
    Unsent { token: u64, suspect: bool },
}

type Outcome = (u64, Result<PublishResult, PublishNoticeError>);

/// The window, in the order in which messages were handed over.
pub(super) struct Flight {
    window: usize,
    max_packet_size: Option<u32>,
    ack_deadline: Duration,
    slowest_line: u32,
    opened: Instant,
    rate: LineRate,
    next_serial: u64,
    unanswered: BTreeMap<u64, Unanswered>,
    notices: FuturesUnordered<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

struct Unanswered {
    token: u64,
    topic: String,
    bytes: usize,
    departure: Departure,
    deadline: Instant,
}

impl Flight {
    pub(super) fn new(options: &LinkOptions, granted: &Connected) -> Self {
        Self {
            window: usize::from(options.window.min(granted.receive_max).max(1)),
            max_packet_size: granted.max_packet_size,
            ack_deadline: options.ack_deadline,
            slowest_line: options.slowest_line.max(1),
            opened: Instant::now(),
            rate: LineRate::default(),
            next_serial: 0,
            unanswered: BTreeMap::new(),
            notices: FuturesUnordered::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unanswered.len() < self.window
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Bytes a second that the broker acknowledges on this connection; 0 as long as nothing is known.
    pub(super) fn line_rate(&self) -> u32 {
        self.rate.bytes_per_s()
    }

    /// Time that bytes on their way may take: at a quarter of the speed seen on this connection, and never less than
    /// the slowest line that is not taken for a dead one.
    fn line_time(&self, bytes: usize) -> Duration {
        let speed = self.slowest_line.max(self.rate.bytes_per_s() / 4);
        Duration::from_millis(bytes as u64 * 1000 / u64::from(speed))
    }

    /// Gives the message to the connection, or answers at once why not.
    pub(super) fn hand_over(&mut self, client: &AsyncClient, publication: Publication) -> Option<Answer> {
        let Publication { token, topic, payload, qos, retain, .. } = &publication;
        let properties = properties(&publication);
        let qos = match qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let size = packet_size(topic, qos, payload, &properties);
        // The library would fail the connection over it, again after each reconnect.
        if let Some(max) = self.max_packet_size.filter(|max| size > *max as usize) {
            let text = format!("{size} bytes; the broker takes {max}");
            return Some(refused(publication, 0x95, RefusalKind::TooLarge, text));
        }
        let options = PublishOptions::new(qos).retain(*retain).properties(properties);
        match client.try_publish_tracked(topic.clone(), payload.clone(), options) {
            Ok(notice) => {
                let serial = self.next_serial;
                self.next_serial += 1;
                let bytes = size + self.unanswered.values().map(|other| other.bytes).sum::<usize>();
                let deadline = Instant::now() + self.ack_deadline + self.line_time(bytes);
                let departure = self.rate.departs(self.opened.elapsed());
                let (token, topic) = (*token, publication.topic);
                self.unanswered.insert(serial, Unanswered { token, topic, bytes: size, departure, deadline });
                self.notices.push(Box::pin(async move { (serial, notice.wait_async().await) }));
                None
            }
            Err(ClientError::InvalidRequest(_)) => {
                Some(refused(publication, 0x90, RefusalKind::GiveUpAfter3, "the topic name is not valid".to_owned()))
            }
            Err(_) => Some(Answer::Unsent { token: *token, suspect: false }),
        }
    }

    /// The next answer of the broker, or `None` once the oldest message has been unanswered for too long.
    /// Pending while nothing is in flight. May be cancelled.
    pub(super) async fn next_answer(&mut self) -> Option<Answer> {
        loop {
            let Some(deadline) = self.unanswered.values().next().map(|oldest| oldest.deadline) else {
                return std::future::pending().await;
            };
            let outcome = tokio::time::timeout_at(deadline, self.notices.next()).await.ok()??;
            if let Some(answer) = self.settle(outcome, false) {
                return Some(answer);
            }
        }
    }

    /// The connection is gone (and dropped): what was answered before counts, the rest is unsent.
    pub(super) async fn abandon(&mut self, suspect_oldest: bool) -> Vec<Answer> {
        let mut outcomes: Vec<_> = std::mem::take(&mut self.notices).collect().await;
        outcomes.sort_by_key(|(serial, _): &Outcome| *serial);
        let mut suspect = suspect_oldest;
        let mut answers = Vec::new();
        for outcome in outcomes {
            let answer = self.settle(outcome, suspect);
            suspect &= !matches!(answer, Some(Answer::Unsent { .. }));
            answers.extend(answer);
        }
        answers
    }

    fn settle(&mut self, (serial, result): Outcome, suspect: bool) -> Option<Answer> {
        let Unanswered { token, topic, bytes, departure, .. } = self.unanswered.remove(&serial)?;
        if let Ok(PublishResult::Qos1(_)) = &result {
            self.rate.arrived(departure, bytes, self.opened.elapsed());
        }
        Some(match result {
            Ok(PublishResult::Qos1(puback)) => match refusal(&puback) {
                None => Answer::Acknowledged(token),
                Some(refusal) => Answer::Refused { token, topic, refusal },
            },
            Ok(_) => Answer::Acknowledged(token),
            Err(PublishNoticeError::RetainNotSupported) => {
                let text = "the broker keeps no retained messages".to_owned();
                let refusal = Refusal { code: 0x9A, text, kind: RefusalKind::GiveUpAfter3 };
                Answer::Refused { token, topic, refusal }
            }
            Err(_) => Answer::Unsent { token, suspect },
        })
    }
}

fn refused(publication: Publication, code: u8, kind: RefusalKind, text: String) -> Answer {
    Answer::Refused { token: publication.token, topic: publication.topic, refusal: Refusal { code, text, kind } }
}

/// `None` for the two good reasons.
fn refusal(puback: &PubAck) -> Option<Refusal> {
    use PubAckReason as Reason;
    let (kind, words) = match puback.reason {
        Reason::Success | Reason::NoMatchingSubscribers => return None,
        // A right that is missing now may be granted in a minute.
        Reason::NotAuthorized => (RefusalKind::HoldOff, "not authorised to publish on this topic"),
        Reason::TopicNameInvalid => (RefusalKind::GiveUpAfter3, "the broker does not accept the topic name"),
        Reason::PayloadFormatInvalid => (RefusalKind::GiveUpAfter3, "the payload is not in the format it claims"),
        Reason::QuotaExceeded => (RefusalKind::HoldOff, "a quota at the broker is exceeded"),
        Reason::PacketIdentifierInUse => (RefusalKind::HoldOff, "the broker thinks that the packet id is in use"),
        Reason::UnspecifiedError | Reason::ImplementationSpecificError => {
            (RefusalKind::HoldOff, "the broker could not take it and gives no reason")
        }
    };
    let said = puback.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
    let text = said.map_or_else(|| words.to_owned(), |said| format!("{words} (it says: {said})"));
    Some(Refusal { code: puback.reason as u8, text, kind })
}

fn properties(publication: &Publication) -> PublishProperties {
    PublishProperties {
        message_expiry_interval: publication.expiry.map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
        content_type: publication.content_type.clone(),
        correlation_data: publication.correlation_data.clone(),
        response_topic: publication.response_topic.clone(),
        ..PublishProperties::default()
    }
}

fn packet_size(topic: &str, qos: QoS, payload: &bytes::Bytes, properties: &PublishProperties) -> usize {
    let mut packet = Publish::new(topic, qos, payload.clone(), Some(properties.clone()));
    packet.pkid = 1;
    packet.size()
}

#[cfg(test)]
mod tests {
    use rumqttc::MqttOptions;

    use super::*;

    fn granted(receive_max: u16) -> Connected {
        Connected {
            max_packet_size: None,
            receive_max,
            server_keep_alive: None,
            session_present: false,
            retain_available: true,
            session_expiry: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_leaves_a_slow_line_its_time() {
        let (client, _event_loop) =
            AsyncClient::builder(MqttOptions::new("gw", ("localhost", 1883))).capacity(4).build();
        let options = LinkOptions::new("localhost", 1883, "gw");
        let mut flight = Flight::new(&options, &granted(2));
        let picture = Publication::new(1, "evidence", vec![0; 10 * 4096]);
        let before = Instant::now();
        assert!(flight.hand_over(&client, picture).is_none());
        assert!(flight.hand_over(&client, Publication::new(2, "event", "{}")).is_none());
        assert!(!flight.has_room(), "the broker's receive maximum is below our window");
        assert!(flight.next_answer().await.is_none());
        assert_eq!(before.elapsed().as_secs(), 40);
    }

    #[test]
    fn an_invalid_topic_is_refused_before_it_is_sent() {
        let (client, _event_loop) =
            AsyncClient::builder(MqttOptions::new("gw", ("localhost", 1883))).capacity(4).build();
        let mut flight = Flight::new(&LinkOptions::new("localhost", 1883, "gw"), &granted(2));
        let answer = flight.hand_over(&client, Publication::new(1, "grid/+", ""));
        assert!(matches!(answer, Some(Answer::Refused { token: 1, .. })));
    }
}
