//! The outbox to a broker, and the platform's words back.
//!
//! One task owns both connections and knows which messages are on their way:
//! ```text
//! store.changed ─┐                  ┌─▶ uplink ── Acknowledged | Refused | Unsent ─┐
//! board.changes ─┼─▶ select ─▶ send ┘                                              ├─▶ select
//! downlink ──────┘       └─▶ Desk (feedback, commands) ─▶ reply                    │
//!                                      store.acknowledge ◀─ settled, ≤ 250 ms ◀────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::config::ReleaseOn;
use crate::contract::topics::Channel;
use crate::mqtt::{
    Downlink, DownlinkEvent, Incoming, Publication, Refusal, RefusalKind, SendError, Uplink, UplinkEvent,
};
use crate::pipeline::progress::Progress;
use crate::pipeline::progress::{REPORT_EVERY, Stage};
use crate::pipeline::publish::commands::Desk;
use crate::pipeline::publish::metrics;
use crate::pipeline::publish::retained::Descriptions;
use crate::store::{Ack, MessageId, OutboxMessage};

/// Messages handed to the uplink and not answered yet, at most.
const WINDOW: usize = 16;

/// Answers are committed together at least this often: losing one only makes a duplicate.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// Between two metrics messages.
const METRICS_EVERY: Duration = Duration::from_secs(300);

/// A message the broker refuses for its own sake, or that ends connections, is set aside after this
/// many attempts.
const MAX_TRIES: u32 = 3;

/// The broker has no room or no rights for us now: next attempt for this message after.
const HOLD_OFF: SignedDuration = SignedDuration::from_secs(60);

/// Both connections and what is on its way.
#[derive(Debug)]
pub struct MqttPublisher {
    /// Publishes.
    pub uplink: Uplink,
    /// Receives.
    pub downlink: Downlink,
    /// Feedback and commands; holds the store.
    pub desk: Desk,
    /// Presence, info, camera states.
    pub descriptions: Descriptions,
    /// When the outbox lets go.
    pub release_on: ReleaseOn,
    /// Where the loop reports that it turns.
    pub progress: Progress,
    /// Messages on their way, with their tries so far.
    pub flight: Flight,
}

/// What is known of messages beyond the outbox; forgotten with the process, which costs a duplicate.
#[derive(Debug, Default)]
pub struct Flight {
    sent: BTreeMap<MessageId, Lane>,
    settled: Vec<(MessageId, Ack)>,
    tries: BTreeMap<MessageId, u32>,
    held: BTreeMap<MessageId, Timestamp>,
    receipts_seen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Event,
    Picture,
}

impl MqttPublisher {
    /// Runs until `stop`, then sends what it can until `deadline` has passed.
    pub async fn run(mut self, stop: CancellationToken, deadline: Duration) {
        let mut outbox = self.desk.store.changed();
        let mut cameras = self.descriptions.board.changes();
        let mut settle = tokio::time::interval(SETTLE_EVERY);
        let mut report = tokio::time::interval(REPORT_EVERY);
        let mut metrics = tokio::time::interval(METRICS_EVERY);
        settle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = self.uplink.next_event() => {
                    let connected = matches!(event, UplinkEvent::Connected(_));
                    self.handle_uplink(&event);
                    if connected {
                        metrics.reset_immediately();
                    }
                }
                Some(event) = self.downlink.next_event() => self.handle_downlink(event).await,
                Ok(()) = outbox.changed() => {}
                Ok(()) = cameras.changed() => self.publish_camera_states(),
                _ = settle.tick(), if !self.flight.settled.is_empty() => self.settle().await,
                _ = report.tick() => self.progress.report(&Stage::Publish),
                _ = metrics.tick() => self.publish_metrics().await,
            }
            self.fill_window().await;
        }
        self.stop(deadline).await;
    }

    async fn stop(mut self, deadline: Duration) {
        self.settle().await;
        self.offer(self.descriptions.state(false));
        for event in self.uplink.stop(deadline).await {
            self.flight.answered(&event, self.release_on, self.desk.clock.now());
        }
        let settled = std::mem::take(&mut self.flight.settled);
        if let Err(error) = self.desk.store.acknowledge(settled).await {
            tracing::error!(%error, "answers are not recorded; those messages go out again");
        }
        self.downlink.stop(deadline).await;
        self.progress.retire(&Stage::Publish);
    }

    async fn fill_window(&mut self) {
        if self.flight.settled.len() >= WINDOW {
            self.settle().await;
        }
        let now = self.desk.clock.now();
        self.flight.held.retain(|_, until| *until > now);
        while self.uplink.is_online() && self.flight.sent.len() < WINDOW {
            let room = WINDOW - self.flight.sent.len();
            let batch = match self.desk.store.next_batch(room, self.flight.busy()).await {
                Ok(batch) if !batch.is_empty() => batch,
                Ok(_) => return,
                Err(error) => return tracing::error!(%error, "the outbox cannot be read"),
            };
            for message in batch {
                let (id, lane) = (message.id, lane(&message));
                match self.uplink.try_send(self.publication(message)) {
                    Ok(()) => drop(self.flight.sent.insert(id, lane)),
                    Err(SendError::Full | SendError::Offline) => return,
                }
            }
        }
    }

    fn publication(&self, message: OutboxMessage) -> Publication {
        let channel = self.descriptions.writer.topics().parse(&message.topic);
        let token = u64::try_from(message.id.0).unwrap_or_default();
        let mut publication =
            Publication::new(token, message.topic, message.body).with_content_type(message.content_type);
        publication.expiry = channel.and_then(|channel| channel.publication().expiry);
        publication
    }

    fn handle_uplink(&mut self, event: &UplinkEvent) {
        match event {
            UplinkEvent::Connected(_) => tracing::info!("connected to the broker"),
            UplinkEvent::Disconnected { fault, retry_in } => {
                tracing::warn!(%fault, retry_s = retry_in.as_secs(), "no connection to the broker");
            }
            UplinkEvent::Refused { topic, refusal, .. } => {
                tracing::error!(topic, code = refusal.code, reason = refusal.text, "the broker refuses a message");
            }
            UplinkEvent::Acknowledged { .. } | UplinkEvent::Unsent { .. } => {}
        }
        self.flight.answered(event, self.release_on, self.desk.clock.now());
    }

    async fn settle(&mut self) {
        if self.flight.settled.is_empty() {
            return;
        }
        let settled = std::mem::take(&mut self.flight.settled);
        if let Err(error) = self.desk.store.acknowledge(settled.clone()).await {
            tracing::error!(%error, "answers are not recorded yet");
            self.flight.settled = settled;
        }
    }

    async fn handle_downlink(&mut self, event: DownlinkEvent) {
        match event {
            DownlinkEvent::Connected(_) => tracing::info!("listening for feedback and commands"),
            DownlinkEvent::Disconnected { fault, retry_in } => {
                tracing::warn!(%fault, retry_s = retry_in.as_secs(), "no connection for feedback and commands");
            }
            DownlinkEvent::SubscriptionRefused { filter, text } => {
                tracing::error!(filter, reason = text, "the broker does not let us read");
            }
            DownlinkEvent::Message(incoming) => self.handle_message(incoming).await,
        }
    }

    async fn handle_message(&mut self, incoming: Incoming) {
        // A receipt may overtake the recording of the broker's answer, and would find nothing to release.
        self.settle().await;
        match self.descriptions.writer.topics().parse(&incoming.topic) {
            Some(Channel::Feedback) => match self.desk.feedback(&incoming.payload).await {
                Ok(receipt) => {
                    self.flight.receipts_seen |= receipt;
                    incoming.ack();
                }
                // Unacknowledged, it comes again.
                Err(error) => tracing::error!(%error, "feedback cannot be recorded"),
            },
            Some(Channel::Command(name)) => {
                self.answer(&name, &incoming).await;
                incoming.ack();
            }
            _ => {
                tracing::warn!(topic = incoming.topic, "a message on a topic that is not ours");
                incoming.ack();
            }
        }
    }

    async fn answer(&mut self, name: &str, incoming: &Incoming) {
        let topics = self.descriptions.writer.topics();
        let reply_to = incoming.response_topic.as_deref().filter(|topic| topics.owns_response(topic));
        let Some(Channel::Response(path)) = reply_to.and_then(|topic| topics.parse(topic)) else {
            return tracing::warn!(command = name, "a command without a response topic of ours is refused");
        };
        if incoming.retain {
            return tracing::warn!(command = name, "a retained command is refused: it would act at every start");
        }
        let response = self.desk.command(name, &incoming.payload).await;
        let mut reply = self.descriptions.message(&Channel::Response(path), &response);
        reply.correlation_data.clone_from(&incoming.correlation_data);
        self.offer(reply);
    }

    fn publish_camera_states(&self) {
        for state in self.descriptions.camera_states().into_values() {
            self.offer(state);
        }
    }

    async fn publish_metrics(&mut self) {
        match metrics::collect(&self.desk.store, &self.descriptions, &self.desk.budget).await {
            Ok(metrics) => {
                self.offer(self.descriptions.message(&Channel::Metrics, &metrics));
                self.publish_camera_states();
            }
            Err(error) => tracing::error!(%error, "the counters cannot be read"),
        }
    }

    /// Descriptions are not kept: the next connection opens with newer ones.
    fn offer(&self, publication: Publication) {
        if let Err(error) = self.uplink.try_send(publication) {
            tracing::debug!(%error, "a description is not sent");
        }
    }
}

fn lane(message: &OutboxMessage) -> Lane {
    if message.evidence.is_some() { Lane::Picture } else { Lane::Event }
}

impl Flight {
    /// Messages that are not to be handed over now.
    fn busy(&self) -> Vec<MessageId> {
        let settled = self.settled.iter().map(|(id, _)| id);
        self.sent.keys().chain(self.held.keys()).chain(settled).copied().collect()
    }

    fn answered(&mut self, event: &UplinkEvent, release_on: ReleaseOn, now: Timestamp) {
        match event {
            UplinkEvent::Acknowledged { token } => {
                if let Some((id, lane)) = self.landed(*token) {
                    let waits = lane == Lane::Event && self.waits_for_receipt(release_on);
                    self.tries.remove(&id);
                    self.settled.push((id, if waits { Ack::BrokerAcked } else { Ack::Released }));
                }
            }
            UplinkEvent::Refused { token, refusal, .. } => {
                if let Some((id, _)) = self.landed(*token) {
                    self.refused(id, refusal, now);
                }
            }
            UplinkEvent::Unsent { token, suspect } => {
                if let Some((id, _)) = self.landed(*token)
                    && *suspect
                {
                    self.failed(id, "the broker ends the connection whenever this message is sent");
                }
            }
            UplinkEvent::Connected(_) | UplinkEvent::Disconnected { .. } => {}
        }
    }

    fn landed(&mut self, token: u64) -> Option<(MessageId, Lane)> {
        self.sent.remove_entry(&MessageId(i64::try_from(token).ok()?))
    }

    fn waits_for_receipt(&self, release_on: ReleaseOn) -> bool {
        match release_on {
            ReleaseOn::Puback => false,
            ReleaseOn::Receipt => true,
            ReleaseOn::Auto => self.receipts_seen,
        }
    }

    fn refused(&mut self, id: MessageId, refusal: &Refusal, now: Timestamp) {
        match refusal.kind {
            RefusalKind::TooLarge => {
                self.settled.push((id, Ack::Quarantined { reason: refusal.text.clone() }));
            }
            RefusalKind::GiveUpAfter3 => {
                self.held.insert(id, now.saturating_add(HOLD_OFF).unwrap_or(Timestamp::MAX));
                self.failed(id, &refusal.text);
            }
            RefusalKind::HoldOff => {
                self.held.insert(id, now.saturating_add(HOLD_OFF).unwrap_or(Timestamp::MAX));
            }
        }
    }

    fn failed(&mut self, id: MessageId, reason: &str) {
        let tries = self.tries.entry(id).or_default();
        *tries += 1;
        if *tries >= MAX_TRIES {
            self.tries.remove(&id);
            self.held.remove(&id);
            self.settled.push((id, Ack::Quarantined { reason: reason.to_owned() }));
        }
    }
}
