//! A broker that misbehaves in ways that no real one does on demand. Packets are read and written with the codec
//! of the client library.
//!
//! A connection lives by a [`Script`]: what CONNECT is answered, what CONNACK says, how publications are
//! answered, and after how many of them the connection goes bad in which way.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

mod conversation;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{ConnectReturnCode, DisconnectReasonCode, PubAckReason};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How one connection is treated.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) greeting: Greeting,
    pub(crate) limits: Limits,
    pub(crate) answer: Answer,
    /// Each answer comes this long after its message.
    pub(crate) delay: Duration,
    /// So many publications and acknowledgements are taken; at the next one this happens. With 0 what is not the client's to trigger
    /// happens at once.
    pub(crate) ending: Option<(usize, Ending)>,
}

/// What CONNECT is answered.
#[derive(Debug, Clone)]
pub(crate) enum Greeting {
    Accept,
    /// TCP is accepted and nothing is answered.
    Mute,
    Refuse(ConnectReturnCode),
    /// Bytes that are no packet.
    Garbage(Vec<u8>),
    /// The beginning of a CONNACK and no more.
    Half,
    /// TCP is closed again.
    Close,
}

/// How a publication is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Reason(PubAckReason),
    /// Every so many-th publication of this connection gets this reason, the others are accepted.
    Sometimes(usize, PubAckReason),
    /// As [`Self::Sometimes`] with a code that MQTT does not have in PUBACK, as some brokers send.
    Raw(usize, u8),
    /// Accepted, and forgotten.
    Never,
}

/// How a connection goes bad.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Close,
    Disconnect(DisconnectReasonCode),
    /// Reads no more, and keeps the connection.
    StopReading,
    /// Reads on, and answers neither messages nor pings.
    FallSilent,
    /// Bytes that are no packet.
    Garbage(Vec<u8>),
    /// The beginning of a PUBACK and no more.
    Half,
    /// A PUBACK for a message that was never sent.
    ForeignAck,
}

/// What CONNACK says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) receive_max: Option<u16>,
    pub(crate) server_keep_alive: Option<u16>,
    pub(crate) max_packet_size: Option<u32>,
    /// "I still have your session", also to a client that asked for a clean one.
    pub(crate) session_present: bool,
}

impl Script {
    /// Accepts and acknowledges everything.
    pub(crate) const GOOD: Self = Self {
        greeting: Greeting::Accept,
        limits: Limits { receive_max: None, server_keep_alive: None, max_packet_size: None, session_present: false },
        answer: Answer::Reason(PubAckReason::Success),
        delay: Duration::ZERO,
        ending: None,
    };

    pub(crate) fn greeting(greeting: Greeting) -> Self {
        Self { greeting, ..Self::GOOD }
    }

    pub(crate) fn limits(limits: Limits) -> Self {
        Self { limits, ..Self::GOOD }
    }

    pub(crate) fn answering(answer: Answer) -> Self {
        Self { answer, ..Self::GOOD }
    }

    pub(crate) fn late(delay: Duration) -> Self {
        Self { delay, ..Self::GOOD }
    }

    pub(crate) fn ending(after: usize, ending: Ending) -> Self {
        Self { ending: Some((after, ending)), ..Self::GOOD }
    }
}

/// A publication as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) client: String,
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// It was answered with success; the answer may have been lost with the connection.
    pub(crate) accepted: bool,
}

/// What happened at the broker so far.
#[derive(Debug, Default)]
pub(crate) struct Record {
    connections: AtomicUsize,
    pings: AtomicUsize,
    most_unanswered: AtomicUsize,
    published: Mutex<Vec<Published>>,
    /// What waits for each client until it has acknowledged it, over all of its connections.
    waiting: Mutex<BTreeMap<String, Vec<Waiting>>>,
    queued: watch::Sender<u16>,
}

/// A message for a client.
#[derive(Debug, Clone)]
struct Waiting {
    pkid: u16,
    topic: String,
    payload: Bytes,
}

/// Chooses the script of a connection by its number and its client id, once CONNECT has come.
type Choose = dyn Fn(usize, &str) -> Script + Send + Sync;

/// Listens until it is dropped.
pub(crate) struct ScriptedBroker {
    pub(crate) port: u16,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

impl ScriptedBroker {
    /// Treats its first connection by the first script and so on; the last script serves all that follow.
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        Self::start_with(move |number, _| scripts[number.min(scripts.len() - 1)].clone()).await
    }

    pub(crate) async fn start_with(choose: impl Fn(usize, &str) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (record, choose): (Arc<Record>, Arc<Choose>) = (Arc::default(), Arc::new(choose));
        let shared = Arc::clone(&record);
        let task = tokio::spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (choose, record) = (Arc::clone(&choose), Arc::clone(&shared));
                served.spawn(async move { conversation::serve(socket, number, &*choose, &record).await });
                while served.try_join_next().is_some() {}
            }
        });
        Self { port, record, task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn pings(&self) -> usize {
        self.record.pings.load(Ordering::SeqCst)
    }

    /// Messages that were there together before any of them was answered.
    pub(crate) fn most_unanswered(&self) -> usize {
        self.record.most_unanswered.load(Ordering::SeqCst)
    }

    /// Sends a message to a client, at least once: now, or when it is back and has subscribed to anything.
    pub(crate) fn send_to(&self, client: &str, topic: &str, payload: impl Into<Bytes>) {
        let mut waiting = self.record.waiting.lock().unwrap();
        self.record.queued.send_modify(|number| *number = number.checked_add(1).unwrap_or(1));
        let pkid = *self.record.queued.borrow();
        let message = Waiting { pkid, topic: topic.to_owned(), payload: payload.into() };
        waiting.entry(client.to_owned()).or_default().push(message);
    }

    /// Messages that a client has not acknowledged.
    pub(crate) fn waiting_for(&self, client: &str) -> usize {
        self.record.waiting.lock().unwrap().get(client).map_or(0, Vec::len)
    }

    /// Everything that was published, in the order in which it came.
    pub(crate) fn published(&self) -> Vec<Published> {
        self.published_after(0)
    }

    /// The same without the first `known`.
    pub(crate) fn published_after(&self, known: usize) -> Vec<Published> {
        self.record.published.lock().unwrap()[known..].to_vec()
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
