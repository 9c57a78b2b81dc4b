//! The receiving side: feedback and commands.
//!
//! The broker keeps what comes while we are away, also while no process runs, for as long as the session
//! lasts; see [`super::session`] for how a new process may resume it. A message is acknowledged when its
//! consumer says so, so that one whose effect was lost with the process comes again. Brokers send at most
//! `receive_max` unacknowledged messages, or should; whoever sends more is read no further until the
//! consumer has caught up, pings included.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, LastWill, LastWillProperties, Publish, QoS, RetainForwardRule, SubAck, SubscribeFilter,
    SubscribeNoticeError,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::client::{Link, Receipt, Session, interval_after, open};
use super::fault::{FaultKind, LinkFault, subscription_refusal};
use super::flight::{Answer, Flight};
use super::message::{Connected, Incoming};
use super::options::LinkOptions;
use super::uplink::Births;
use crate::domain::backoff::Backoff;

/// How long saying goodbye may take before a connection that is made anew.
const GOODBYE: Duration = Duration::from_secs(2);

/// Messages received and not taken by the consumer; more stay in the socket.
const MOST_WAITING: usize = 256;

/// How long the broker is asked to keep what comes for us while we are away.
pub const SESSION_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the broker says for us when we are gone without a goodbye; retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Media type.
    pub content_type: Option<String>,
    /// A connection that is back within this time leaves the will unsaid; whole seconds.
    pub delay: Duration,
}

/// The receiving connection.
pub struct DownlinkOptions {
    /// Its client id must not be the uplink's.
    pub link: LinkOptions,
    /// Topic filters.
    pub subscriptions: Vec<String>,
    /// Said by the broker.
    pub will: Option<Will>,
    /// Published at each connection once the subscriptions stand: what takes the will back. Retained state
    /// that a will may have overwritten belongs here.
    pub hello: Births,
    /// Published before a goodbye, which is said only once the broker has it: if it cannot be delivered, the
    /// connection is cut and the will speaks.
    pub farewell: Births,
    /// How long the broker keeps our queue, whole seconds.
    pub session_expiry: Duration,
    /// Messages unacknowledged at a time.
    pub receive_max: u16,
}

impl DownlinkOptions {
    /// A session of seven days, 32 messages at a time, no will, no hello.
    #[must_use]
    pub fn new(link: LinkOptions, subscriptions: Vec<String>) -> Self {
        Self {
            link,
            subscriptions,
            will: None,
            hello: Arc::new(Vec::new),
            farewell: Arc::new(Vec::new),
            session_expiry: SESSION_EXPIRY,
            receive_max: 32,
        }
    }
}

impl std::fmt::Debug for DownlinkOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DownlinkOptions")
            .field("link", &self.link)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}

/// What came.
#[derive(Debug)]
pub enum DownlinkEvent {
    /// Connected and subscribed.
    Connected(Connected),
    /// The broker does not let us read this.
    SubscriptionRefused {
        /// As asked for.
        filter: String,
        /// In words.
        text: String,
    },
    /// A message.
    Message(Incoming),
    /// The connection ended, or could not be made.
    Disconnected {
        /// Why.
        fault: LinkFault,
        /// The next attempt comes after this.
        retry_in: Duration,
    },
}

/// The handle; dropping it cuts the connection without a goodbye, so that the broker publishes the will.
#[derive(Debug)]
pub struct Downlink {
    events: mpsc::Receiver<DownlinkEvent>,
    stop: oneshot::Sender<Duration>,
    task: AbortOnDropHandle<()>,
}

impl Downlink {
    /// Connects, and keeps connecting, in a task of its own.
    #[must_use]
    pub fn start(options: DownlinkOptions) -> Self {
        let (sender, events) = mpsc::channel(usize::from(options.receive_max.max(1)));
        let (stop, stopped) = oneshot::channel();
        let task = Task { options, events: sender, stop: stopped, stood: false };
        Self { events, stop, task: AbortOnDropHandle::new(tokio::spawn(task.run())) }
    }

    /// The next event; `None` when the downlink has ended. May be cancelled.
    pub async fn next_event(&mut self) -> Option<DownlinkEvent> {
        self.events.recv().await
    }

    /// Says goodbye within `patience`: the will is not published, the session stays. Messages that were not
    /// acknowledged come again.
    pub async fn stop(self, patience: Duration) {
        if self.stop.send(patience).is_err() {
            tracing::debug!("the downlink had already ended");
        }
        drop(self.events);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the downlink's task failed");
        }
    }
}

struct Task {
    options: DownlinkOptions,
    events: mpsc::Sender<DownlinkEvent>,
    stop: oneshot::Receiver<Duration>,
    /// The connection lasted long enough to have proved healthy.
    stood: bool,
}

impl Task {
    async fn run(mut self) {
        let link = &self.options.link;
        let mut backoff = Backoff::new(link.backoff_first, link.backoff_longest);
        let mut wait = link.first_attempt_within.mul_f64(rand::random());
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut self.stop => return,
            }
            let Some(fault) = self.run_once(&mut backoff).await else { return };
            wait = self.options.link.wait_after(&fault, std::mem::take(&mut self.stood), &mut backoff);
            self.emit(DownlinkEvent::Disconnected { fault, retry_in: wait }).await;
        }
    }

    /// `None`: stopped.
    async fn run_once(&mut self, backoff: &mut Backoff) -> Option<LinkFault> {
        let session = Session::Persistent {
            expiry: self.options.session_expiry,
            receive_max: self.options.receive_max.max(1),
            will: self.options.will.clone().map(|will| Box::new(last_will(will))),
        };
        let mut link = tokio::select! {
            link = open(&self.options.link, session) => match link {
                Ok(link) => link,
                Err(fault) => return Some(fault),
            },
            _ = &mut self.stop => return None,
        };
        let mut backlog = VecDeque::new();
        let suback = tokio::select! {
            suback = subscribe(&mut link, &self.options, &mut backlog, &self.events) => suback,
            patience = &mut self.stop => {
                link.close(patience.unwrap_or_default()).await;
                return None;
            }
        };
        match suback {
            Ok(suback) => {
                self.emit(DownlinkEvent::Connected(link.granted.clone())).await;
                for (filter, code) in self.options.subscriptions.clone().into_iter().zip(suback.return_codes) {
                    if let Some(text) = subscription_refusal(code) {
                        self.emit(DownlinkEvent::SubscriptionRefused { filter, text }).await;
                    }
                }
            }
            Err(fault) => return Some(fault),
        }
        self.converse(link, backlog, backoff).await
    }

    async fn converse(
        &mut self,
        mut link: Link,
        mut backlog: VecDeque<(Instant, Publish)>,
        backoff: &mut Backoff,
    ) -> Option<LinkFault> {
        let address = self.options.link.address();
        let healthy = tokio::time::sleep(self.options.link.healthy_after);
        tokio::pin!(healthy);
        let mut proved = false;
        let mut flight = Flight::new(&self.options.link, &link.granted);
        let mut hello: VecDeque<_> = (self.options.hello)().into();
        let mut renew = interval_after(self.options.link.renew_every);
        let mut probe = interval_after(self.options.link.probe_every);
        let pings = link.granted.server_keep_alive != Some(Duration::ZERO);
        loop {
            while flight.has_room() {
                let Some(publication) = hello.pop_front() else { break };
                note(flight.hand_over(&link.client, publication));
            }
            tokio::select! {
                fault = &mut link.driver => return Some(fault),
                answer = flight.next_answer() => match answer {
                    Some(answer) => note(Some(answer)),
                    None => return Some(LinkFault::unanswered(&address, self.options.link.ack_deadline)),
                },
                Some(message) = link.messages.recv(), if backlog.len() < MOST_WAITING => backlog.push_back((Instant::now(), message)),
                permit = self.events.reserve(), if !backlog.is_empty() => hand_on(&link.client, permit, &mut backlog),
                _ = probe.tick(), if !pings && hello.is_empty() && flight.is_empty() => hello = (self.options.hello)().into(),
                _ = renew.tick() => if link.is_outdated(&self.options.link) {
                    // The session stays, and what comes meanwhile waits in it.
                    link.close(GOODBYE).await;
                    return Some(LinkFault::renewed(&address));
                },
                () = &mut healthy, if !proved => { proved = true; self.stood = true; backoff.reset(); }
                patience = &mut self.stop => {
                    self.leave(link, flight, patience.unwrap_or_default()).await;
                    return None;
                }
            }
        }
    }

    async fn leave(&self, mut link: Link, mut flight: Flight, patience: Duration) {
        let mut farewell: VecDeque<_> = (self.options.farewell)().into();
        let last_words = async {
            loop {
                while flight.has_room() {
                    let Some(publication) = farewell.pop_front() else { break };
                    note(flight.hand_over(&link.client, publication));
                }
                if flight.is_empty() {
                    return true;
                }
                match link.drive(flight.next_answer()).await {
                    Ok(Some(answer)) => note(Some(answer)),
                    Ok(None) | Err(_) => return false,
                }
            }
        };
        if tokio::time::timeout(patience, last_words).await == Ok(true) {
            link.close(patience).await;
        }
    }

    async fn emit(&self, event: DownlinkEvent) {
        if self.events.send(event).await.is_err() {
            tracing::debug!("nobody takes the downlink's events any more");
        }
    }
}

/// Anew with each connection: the session may be older than the configuration.
async fn subscribe(
    link: &mut Link,
    options: &DownlinkOptions,
    backlog: &mut VecDeque<(Instant, Publish)>,
    events: &mpsc::Sender<DownlinkEvent>,
) -> Result<SubAck, LinkFault> {
    let address = options.link.address();
    let broken = |text: String| LinkFault::new(&address, FaultKind::Protocol, text);
    let filters = options.subscriptions.iter().map(|filter| {
        let mut filter = SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce);
        // What is retained has been seen; a command must not act again at each connection.
        filter.retain_forward_rule = RetainForwardRule::OnNewSubscribe;
        filter
    });
    let notice = link.client.try_subscribe_many_tracked(filters).map_err(|error| broken(error.to_string()))?;
    let suback = notice.wait_async();
    let deadline = tokio::time::sleep(options.link.ack_deadline);
    tokio::pin!(suback, deadline);
    loop {
        tokio::select! {
            fault = &mut link.driver => return Err(fault),
            suback = &mut suback => {
                return suback.map_err(|error: SubscribeNoticeError| broken(error.to_string()));
            }
            Some(message) = link.messages.recv(), if backlog.len() < MOST_WAITING => backlog.push_back((Instant::now(), message)),
            // The answer may come behind more of the session's messages than we hold: mosquitto sends them all.
            permit = events.reserve(), if backlog.len() == MOST_WAITING => hand_on(&link.client, permit, backlog),
            () = &mut deadline => return Err(LinkFault::unanswered(&address, options.link.ack_deadline)),
        }
    }
}

/// Gives the oldest message to the consumer.
fn hand_on(
    client: &AsyncClient,
    permit: Result<mpsc::Permit<'_, DownlinkEvent>, mpsc::error::SendError<()>>,
    backlog: &mut VecDeque<(Instant, Publish)>,
) {
    if let (Ok(permit), Some((came, message))) = (permit, backlog.pop_front()) {
        let receipt = Receipt::for_message(client, &message);
        permit.send(DownlinkEvent::Message(incoming(message, came, receipt)));
    }
}

fn note(answer: Option<Answer>) {
    if let Some(Answer::Refused { topic, refusal, .. }) = answer {
        tracing::warn!(topic, reason = refusal.text, "the broker refused our retained state");
    }
}

fn last_will(will: Will) -> LastWill {
    let properties = LastWillProperties {
        delay_interval: Some(u32::try_from(will.delay.as_secs()).unwrap_or(u32::MAX)),
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: will.content_type,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, true, Some(properties))
}

fn incoming(message: Publish, came: Instant, receipt: Option<Receipt>) -> Incoming {
    let properties = message.properties.unwrap_or_default();
    Incoming {
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        payload: message.payload,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        content_type: properties.content_type,
        expiry: properties.message_expiry_interval.map(|seconds| Duration::from_secs(u64::from(seconds))),
        retain: message.retain,
        duplicate: message.dup,
        came,
        receipt,
    }
}
