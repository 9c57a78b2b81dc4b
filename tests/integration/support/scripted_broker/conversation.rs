//! One connection of the scripted broker.
#![expect(clippy::wildcard_enum_match_arm, reason = "the other packets are none that a client sends here")]

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use rumqttc::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, Packet, PubAck, PubAckReason, Publish, QoS, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{Answer, Choose, Ending, Greeting, Limits, Published, Record, Script};

/// Bytes that wait to be written, and from when on they may be.
type Due = (Instant, BytesMut);

struct Conversation<'a> {
    socket: TcpStream,
    input: BytesMut,
    number: usize,
    client: String,
    script: Script,
    record: &'a Record,
    answers: VecDeque<Due>,
    publications: usize,
    /// Sent to the client on this connection and not acknowledged; `None` before it has subscribed.
    sent: Option<BTreeSet<u16>>,
}

/// Messages sent to a client at a time.
const MOST_SENT: usize = 16;

/// Ends with the connection; one that is to be kept open without a word is kept for ever.
pub(super) async fn serve(mut socket: TcpStream, number: usize, choose: &Choose, record: &Record) {
    let mut input = BytesMut::new();
    let Some(Packet::Connect(connect, ..)) = next_packet(&mut socket, &mut input).await else { return };
    let script = choose(number, &connect.client_id);
    let mut greeting = BytesMut::new();
    match &script.greeting {
        Greeting::Accept => connack(ConnectReturnCode::Success, script.limits).write(&mut greeting, None).unwrap(),
        Greeting::Refuse(code) => connack(*code, Limits::default()).write(&mut greeting, None).unwrap(),
        Greeting::Half => {
            let whole = connack(ConnectReturnCode::Success, script.limits).write(&mut greeting, None).unwrap();
            greeting.truncate(whole / 2);
            whole
        }
        Greeting::Garbage(bytes) => {
            greeting.extend_from_slice(bytes);
            bytes.len()
        }
        Greeting::Mute | Greeting::Close => 0,
    };
    // The client may be gone: its business.
    drop(socket.write_all(&greeting).await);
    match &script.greeting {
        Greeting::Accept => {}
        Greeting::Refuse(_) | Greeting::Close => return,
        Greeting::Mute | Greeting::Half | Greeting::Garbage(_) => return std::future::pending().await,
    }
    let client = connect.client_id;
    let (answers, publications, sent) = (VecDeque::new(), 0, None);
    Conversation { socket, input, number, client, script, record, answers, publications, sent }.run().await;
}

impl Conversation<'_> {
    async fn run(mut self) {
        if let Some((0, ending @ (Ending::StopReading | Ending::FallSilent))) = self.script.ending.clone() {
            return self.end(&ending).await;
        }
        let mut queued = self.record.queued.subscribe();
        loop {
            while let Ok(packet) = Packet::read(&mut self.input, None) {
                match packet {
                    Packet::Disconnect(_) => return,
                    Packet::PingReq => {
                        self.record.pings.fetch_add(1, Ordering::SeqCst);
                        self.later(&Packet::PingResp);
                    }
                    Packet::Subscribe(subscribe) => {
                        let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
                        let return_codes = vec![granted; subscribe.filters.len()];
                        self.later(&Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None }));
                        self.sent.get_or_insert_default();
                    }
                    Packet::PubAck(ack) => {
                        if let Some(waiting) = self.record.waiting.lock().unwrap().get_mut(&self.client) {
                            waiting.retain(|message| message.pkid != ack.pkid);
                        }
                        if let Some(sent) = &mut self.sent {
                            sent.remove(&ack.pkid);
                        }
                        self.publications += 1;
                        if let Some(ending) = self.ending_now() {
                            return self.end(&ending).await;
                        }
                    }
                    Packet::Publish(message) => {
                        if let Some(ending) = self.published(message) {
                            // What was answered before is on its way; what came with it is not looked at any more.
                            self.flush_all().await;
                            return self.end(&ending).await;
                        }
                    }
                    _ => {}
                }
            }
            self.send_waiting();
            self.record.most_unanswered.fetch_max(self.answers.len(), Ordering::SeqCst);
            let due = self.answers.front().map(|(at, _)| *at);
            let wait = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = self.socket.read_buf(&mut self.input) => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return,
                },
                () = wait => if !self.flush_due().await { return },
                _ = queued.changed() => {}
            }
        }
    }

    fn ending_now(&self) -> Option<Ending> {
        self.script.ending.clone().filter(|(after, _)| self.publications > *after).map(|(_, ending)| ending)
    }

    fn send_waiting(&mut self) {
        let Some(mut sent) = self.sent.take() else { return };
        let room = MOST_SENT.saturating_sub(sent.len());
        let next: Vec<_> = match self.record.waiting.lock().unwrap().get(&self.client) {
            Some(waiting) => {
                waiting.iter().filter(|message| !sent.contains(&message.pkid)).take(room).cloned().collect()
            }
            None => Vec::new(),
        };
        for message in next {
            if sent.insert(message.pkid) {
                let mut publish = Publish::new(message.topic, QoS::AtLeastOnce, message.payload, None);
                publish.pkid = message.pkid;
                self.later(&Packet::Publish(publish));
            }
        }
        self.sent = Some(sent);
    }

    /// Notes a publication and prepares its answer; or how the connection ends at it.
    fn published(&mut self, message: Publish) -> Option<Ending> {
        self.publications += 1;
        let ending = self.ending_now();
        let reason = match self.script.answer {
            Answer::Reason(reason) => Some(reason),
            Answer::Sometimes(every, reason) if self.publications.is_multiple_of(every) => Some(reason),
            Answer::Raw(every, _) if self.publications.is_multiple_of(every) => None,
            Answer::Sometimes(..) | Answer::Raw(..) => Some(PubAckReason::Success),
            Answer::Never => None,
        };
        let good = matches!(reason, Some(PubAckReason::Success | PubAckReason::NoMatchingSubscribers));
        self.record.published.lock().unwrap().push(Published {
            connection: self.number,
            client: self.client.clone(),
            topic: String::from_utf8(message.topic.to_vec()).unwrap(),
            payload: message.payload,
            accepted: good && ending.is_none(),
        });
        if ending.is_some() {
            return ending;
        }
        if message.qos == QoS::AtMostOnce {
            return None;
        }
        if let Some(reason) = reason {
            let mut puback = PubAck::new(message.pkid, None);
            puback.reason = reason;
            self.later(&Packet::PubAck(puback));
        } else if let Answer::Raw(_, code) = self.script.answer {
            let [high, low] = message.pkid.to_be_bytes();
            self.answers
                .push_back((Instant::now() + self.script.delay, BytesMut::from(&[0x40, 4, high, low, code, 0][..])));
        }
        None
    }

    fn later(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.answers.push_back((Instant::now() + self.script.delay, bytes));
    }

    /// False: the client is gone.
    async fn flush_due(&mut self) -> bool {
        let mut output = BytesMut::new();
        while self.answers.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            output.extend(self.answers.pop_front().map(|(_, bytes)| bytes).unwrap_or_default());
        }
        self.socket.write_all(&output).await.is_ok()
    }

    async fn flush_all(&mut self) {
        while let Some((at, _)) = self.answers.front() {
            tokio::time::sleep_until(*at).await;
            if !self.flush_due().await {
                return;
            }
        }
    }

    async fn end(mut self, ending: &Ending) {
        let mut last = BytesMut::new();
        match ending {
            Ending::Close | Ending::StopReading | Ending::FallSilent => {}
            Ending::Disconnect(reason) => {
                Packet::Disconnect(Disconnect::new(*reason)).write(&mut last, None).map(drop).unwrap();
            }
            Ending::Garbage(bytes) => last.extend_from_slice(bytes),
            Ending::Half => last.extend_from_slice(&[0x40, 4, 0]),
            Ending::ForeignAck => Packet::PubAck(PubAck::new(60_000, None)).write(&mut last, None).map(drop).unwrap(),
        }
        drop(self.socket.write_all(&last).await);
        match ending {
            Ending::Close | Ending::Disconnect(_) => {}
            Ending::StopReading => std::future::pending().await,
            Ending::FallSilent | Ending::Garbage(_) | Ending::Half | Ending::ForeignAck => {
                let mut ignored = [0; 8192];
                while let Ok(1..) = self.socket.read(&mut ignored).await {}
            }
        }
    }
}

async fn next_packet(socket: &mut TcpStream, input: &mut BytesMut) -> Option<Packet> {
    loop {
        if let Ok(packet) = Packet::read(input, None) {
            return Some(packet);
        }
        if socket.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

fn connack(code: ConnectReturnCode, limits: Limits) -> Packet {
    let properties = ConnAckProperties {
        session_expiry_interval: None,
        receive_max: limits.receive_max,
        max_qos: None,
        retain_available: None,
        max_packet_size: limits.max_packet_size,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: limits.server_keep_alive,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    };
    Packet::ConnAck(ConnAck { session_present: limits.session_present, code, properties: Some(properties) })
}
