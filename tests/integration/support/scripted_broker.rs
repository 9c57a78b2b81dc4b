//! A broker that misbehaves in ways that no real one does on demand.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use rumqttc::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet, PubAck, PubAckReason,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How one connection is treated.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Accepts TCP and answers nothing.
    Mute,
    /// Accepts the client, then reads nothing more.
    StopReading,
    /// Accepts the client and acknowledges each message with this reason.
    Acknowledge { limits: Limits, reason: PubAckReason },
    /// Accepts the client and closes at the first message.
    CloseOnPublish,
    /// Accepts the client and ends the connection at the first message, with this reason.
    DisconnectOnPublish(DisconnectReasonCode),
}

/// What CONNACK says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) receive_max: Option<u16>,
    pub(crate) server_keep_alive: Option<u16>,
}

/// Treats its first connection by the first script and so on; the last script serves all that follow.
pub(crate) struct ScriptedBroker {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    pings: Arc<AtomicUsize>,
    most_unanswered: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ScriptedBroker {
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, pings, most_unanswered) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counters = (Arc::clone(&connections), Arc::clone(&pings), Arc::clone(&most_unanswered));
        let task = tokio::spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = counters.0.fetch_add(1, Ordering::SeqCst);
                let script = scripts[number.min(scripts.len() - 1)].clone();
                served.spawn(serve(socket, script, Arc::clone(&counters.1), Arc::clone(&counters.2)));
            }
        });
        Self { port, connections, pings, most_unanswered, task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    /// Messages that were there together before any of them was answered.
    pub(crate) fn most_unanswered(&self) -> usize {
        self.most_unanswered.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, script: Script, pings: Arc<AtomicUsize>, most_unanswered: Arc<AtomicUsize>) {
    let mut input = BytesMut::new();
    let limits = match &script {
        Script::Mute => return std::future::pending().await,
        Script::Acknowledge { limits, .. } => *limits,
        Script::StopReading | Script::CloseOnPublish | Script::DisconnectOnPublish(_) => Limits::default(),
    };
    if next_packet(&mut socket, &mut input).await.is_none() {
        return;
    }
    send(&mut socket, &[connack(limits)]).await;
    if matches!(script, Script::StopReading) {
        return std::future::pending().await;
    }
    while let Some(first) = next_packet(&mut socket, &mut input).await {
        // Wait a moment, so that everything that the client dares to send is here before the first answer.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let mut packets = vec![first];
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = socket.try_read(&mut chunk) {
            input.extend_from_slice(&chunk[..read]);
        }
        while let Ok(packet) = Packet::read(&mut input, None) {
            packets.push(packet);
        }
        let mut answers = Vec::new();
        for packet in packets {
            match (&script, packet) {
                (Script::CloseOnPublish, Packet::Publish(_)) | (_, Packet::Disconnect(_)) => return,
                (Script::DisconnectOnPublish(reason), Packet::Publish(_)) => {
                    return send(&mut socket, &[Packet::Disconnect(Disconnect::new(*reason))]).await;
                }
                (Script::Acknowledge { reason, .. }, Packet::Publish(message)) => {
                    let mut puback = PubAck::new(message.pkid, None);
                    puback.reason = *reason;
                    answers.push(Packet::PubAck(puback));
                }
                (_, Packet::PingReq) => {
                    pings.fetch_add(1, Ordering::SeqCst);
                    answers.push(Packet::PingResp);
                }
                _ => {}
            }
        }
        most_unanswered.fetch_max(answers.len(), Ordering::SeqCst);
        send(&mut socket, &answers).await;
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

async fn send(socket: &mut TcpStream, packets: &[Packet]) {
    let mut output = BytesMut::new();
    for packet in packets {
        packet.write(&mut output, None).unwrap();
    }
    // The client may be gone: its business.
    drop(socket.write_all(&output).await);
}

fn connack(limits: Limits) -> Packet {
    let properties = ConnAckProperties {
        session_expiry_interval: None,
        receive_max: limits.receive_max,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
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
    Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: Some(properties) })
}
