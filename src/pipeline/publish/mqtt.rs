//! The outbox to a broker, and the platform's words back.
//!
//! One task owns both connections and knows which messages are on their way:
//! ```text
//! store.changed ─┐                  ┌─▶ uplink ── Acknowledged | Refused | Unsent ─┐
//! board.changes ─┼─▶ select ─▶ send ┘                                              ├─▶ select
//! downlink ──────┘       └─▶ Desk (feedback, commands) ─▶ reply                    │
//!                                      store.acknowledge ◀─ settled, ≤ 250 ms ◀────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::clock::until;
use crate::config::ReleaseOn;
use crate::contract::camera_state::CameraCondition;
use crate::contract::inbound::Reason;
use crate::contract::topics::Channel;
use crate::domain::camera::CameraId;
use crate::domain::incident::Kind;
use crate::domain::time::elapsed;
use crate::mqtt::{Downlink, DownlinkEvent, Incoming, Publication, SESSION_EXPIRY, Uplink, UplinkEvent};
use crate::pipeline::progress::Progress;
use crate::pipeline::progress::{REPORT_EVERY, Stage};
use crate::pipeline::publish::commands::{Answer, Desk, Reply};
use crate::pipeline::publish::flight::Flight;
use crate::pipeline::publish::gate::Asked;
use crate::pipeline::publish::metrics;
use crate::pipeline::publish::retained::{Descriptions, condition};
use crate::store::{Actor, OutboxMessage};

/// Answers are committed together at least this often: losing one only makes a duplicate.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// Between two metrics messages.
const METRICS_EVERY: Duration = Duration::from_secs(300);

/// Replies to commands that wait for a place; a command is worth nothing after a minute anyway.
const MAX_REPLIES: usize = 32;

/// So long without a message, and the broker has passed on what it kept while we were away.
const CAUGHT_UP: Duration = Duration::from_secs(2);

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
    /// Messages on their way.
    pub flight: Flight,
    /// Messages outside the outbox.
    pub waiting: Waiting,
}

/// Messages outside the outbox that wait for a place in the uplink's queue.
#[derive(Debug, Default)]
pub struct Waiting {
    replies: VecDeque<Publication>,
    /// Descriptions by topic: only the newest of each is of use.
    descriptions: BTreeMap<String, Publication>,
    /// Camera states as they were told last.
    told: BTreeMap<CameraId, Told>,
    /// The profile as it was told last.
    profile: Option<(String, Timestamp)>,
    /// Answers that wait for a camera; as few as the gate lets in.
    later: FuturesUnordered<BoxFuture<'static, Reply>>,
    /// The signing key as it was seen last.
    key: Option<String>,
    /// Feedback that could not be recorded, unacknowledged; never more than the broker leaves unacknowledged.
    feedback: VecDeque<Incoming>,
    /// While the broker passes on what it kept for us: when the last of it came.
    catching_up: Option<Timestamp>,
}

/// What the platform should hear of a camera at once when it changes.
type Told = (CameraCondition, Timestamp, BTreeMap<Kind, Timestamp>);

impl MqttPublisher {
    /// Runs until `stop`, then sends what it can until `deadline` has passed.
    pub async fn run(mut self, stop: CancellationToken, deadline: Duration) {
        let mut outbox = self.desk.store.changed();
        let mut cameras = self.descriptions.board.changes();
        // The first connection opens with it.
        self.waiting.profile = self.descriptions.board.profile_in_force();
        let mut settle = tokio::time::interval(SETTLE_EVERY);
        let mut report = tokio::time::interval(REPORT_EVERY);
        let mut metrics = tokio::time::interval(METRICS_EVERY);
        settle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let clock = &self.desk.clock;
            let pause = self.flight.resumes(clock.now()).map(|at| until(&**clock, at));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                Some(event) = self.uplink.next_event() => {
                    let connected = matches!(event, UplinkEvent::Connected(_));
                    self.handle_uplink(&event);
                    if connected {
                        metrics.reset_immediately();
                    }
                }
                Some(event) = self.downlink.next_event() => self.handle_downlink(event).await,
                Ok(()) = outbox.changed() => {}
                Ok(()) = cameras.changed() => self.describe_changed_cameras(),
                _ = settle.tick(), if self.flight.settled() > 0 => self.settle().await,
                Some(reply) = self.waiting.later.next(), if !self.waiting.later.is_empty() => self.reply(reply).await,
                _ = report.tick() => {
                    self.progress.report(&Stage::Publish);
                    self.desk.write_refusals(false).await;
                    self.record_feedback_again().await;
                }
                _ = metrics.tick() => self.describe_everything().await,
            }
            self.send_waiting();
            self.fill_window().await;
        }
        self.stop(deadline).await;
    }

    async fn stop(mut self, deadline: Duration) {
        self.settle().await;
        self.desk.write_refusals(true).await;
        for event in self.uplink.stop(deadline).await {
            self.flight.answered(&event, self.release_on, self.desk.clock.now());
        }
        if let Err(error) = self.desk.store.acknowledge(self.flight.take_settled()).await {
            tracing::error!(%error, "answers are not recorded; those messages go out again");
        }
        self.downlink.stop(deadline).await;
        self.progress.retire(&Stage::Publish);
    }

    /// Replies and descriptions go before the outbox: they are few.
    fn send_waiting(&mut self) {
        if !self.uplink.is_online() {
            // The next connection opens with every description anew, and replies expire.
            self.waiting.descriptions.clear();
            self.waiting.replies.clear();
            return;
        }
        while let Some(reply) = self.waiting.replies.front() {
            if self.uplink.try_send(reply.clone()).is_err() {
                return;
            }
            self.waiting.replies.pop_front();
        }
        while let Some(entry) = self.waiting.descriptions.first_entry() {
            if self.uplink.try_send(entry.get().clone()).is_err() {
                return;
            }
            entry.remove();
        }
    }

    pub(super) fn publication(&self, message: OutboxMessage) -> Publication {
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

    pub(super) async fn settle(&mut self) {
        let settled = self.flight.take_settled();
        if settled.is_empty() {
            return;
        }
        if let Err(error) = self.desk.store.acknowledge(settled.clone()).await {
            tracing::error!(%error, "answers are not recorded yet");
            self.flight.put_back(settled);
        }
    }

    async fn handle_downlink(&mut self, event: DownlinkEvent) {
        match event {
            DownlinkEvent::Connected(granted) => {
                tracing::info!(session_kept = granted.session_present, "listening for feedback and commands");
                // What was not acknowledged comes again by this connection.
                self.waiting.feedback.clear();
                self.waiting.catching_up = granted.session_present.then(|| self.desk.clock.now());
                // Silence of the broker means that it keeps what it was asked for.
                if let Some(kept) = granted.session_expiry.filter(|kept| *kept < SESSION_EXPIRY) {
                    let kept_h = kept.as_secs() / 3600;
                    tracing::warn!(kept_h, "the broker keeps feedback for us no longer than this while we are away");
                }
            }
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
        self.catch_up();
        match self.descriptions.writer.topics().parse(&incoming.topic) {
            Some(Channel::Feedback) => self.record_feedback(incoming).await,
            Some(Channel::Command(name)) => {
                self.answer(&name, &incoming).await;
                incoming.ack();
            }
            _ => {
                self.desk.refuse(Actor::Command, Reason::ForeignTopic).await;
                incoming.ack();
            }
        }
    }

    /// A message has come. Brokers send first what they kept; a pause ends that.
    fn catch_up(&mut self) {
        let now = self.desk.clock.now();
        self.waiting.catching_up = self.waiting.catching_up.filter(|last| elapsed(*last, now) < CAUGHT_UP).map(|_| now);
    }

    async fn record_feedback(&mut self, incoming: Incoming) {
        match self.desk.feedback(&incoming.payload).await {
            Ok(receipt) => {
                if receipt {
                    self.flight.receipt_seen();
                }
                incoming.ack();
            }
            Err(error) => {
                tracing::error!(%error, "feedback cannot be recorded yet");
                self.waiting.feedback.push_back(incoming);
            }
        }
    }

    /// The broker sends again only what a connection has left behind, and this one may last.
    async fn record_feedback_again(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting.feedback);
        while let Some(incoming) = waiting.pop_front() {
            self.record_feedback(incoming).await;
            // One that fails says enough of the others, and each may take seconds.
            if !self.waiting.feedback.is_empty() {
                break;
            }
        }
        self.waiting.feedback.append(&mut waiting);
    }

    async fn answer(&mut self, name: &str, incoming: &Incoming) {
        let asked = Asked {
            name,
            reply_to: incoming.response_topic.as_deref(),
            correlation: incoming.correlation_data.as_deref(),
            retained: incoming.retain,
            expiry: incoming.expiry,
            waited: incoming.waited(),
            was_kept: self.waiting.catching_up.is_some(),
        };
        match self.desk.command(&asked, &incoming.payload).await {
            Answer::None => {}
            Answer::Now(reply) => self.reply(*reply).await,
            Answer::Later(reply) => self.waiting.later.push(reply),
        }
    }

    async fn reply(&mut self, reply: Reply) {
        if let Some(reason) = reply.refused {
            self.desk.refuse(Actor::Command, reason).await;
        }
        if self.waiting.replies.len() + 2 > MAX_REPLIES {
            return tracing::warn!(command = reply.response.command, "a reply is dropped: too many wait");
        }
        if let Some(jpeg) = reply.picture.clone() {
            let channel = Channel::Response(reply.picture_path());
            let topic = self.descriptions.writer.topics().of(&channel);
            let mut picture = Publication::new(0, topic, jpeg).with_content_type("image/jpeg");
            picture.expiry = channel.publication().expiry;
            picture.correlation_data = Some(reply.correlation.clone());
            self.waiting.replies.push_back(picture);
        }
        let mut answer = self.descriptions.message(&Channel::Response(reply.path), &reply.response);
        answer.correlation_data = Some(reply.correlation);
        self.waiting.replies.push_back(answer);
    }

    /// Only what the platform should know at once; the rest comes with the counters.
    fn describe_changed_cameras(&mut self) {
        let profile = self.descriptions.board.profile_in_force();
        if self.waiting.profile != profile {
            self.waiting.profile = profile;
            self.describe(self.descriptions.info());
        }
        let facts = self.descriptions.board.read();
        let mut states = self.descriptions.camera_states();
        for (id, facts) in facts {
            let news = (condition(facts.stream, facts.view), facts.since, facts.mutes);
            if self.waiting.told.insert(id.clone(), news.clone()) != Some(news)
                && let Some(state) = states.remove(&id)
            {
                self.describe(state);
            }
        }
    }

    async fn describe_everything(&mut self) {
        match metrics::collect(&self.desk.store, &self.descriptions, &self.desk.budget, self.desk.refusals.totals())
            .await
        {
            Ok(metrics) => self.describe(self.descriptions.message(&Channel::Metrics, &metrics)),
            Err(error) => tracing::error!(%error, "the counters cannot be read"),
        }
        for state in self.descriptions.camera_states().into_values() {
            self.describe(state);
        }
        // A key that was changed beside us has to be known before its events are judged.
        let key = self.descriptions.writer.signing_note().map(|note| note.current);
        if self.waiting.key != key && std::mem::replace(&mut self.waiting.key, key).is_some() {
            self.describe(self.descriptions.info());
        }
    }

    fn describe(&mut self, publication: Publication) {
        self.waiting.descriptions.insert(publication.topic.clone(), publication);
    }
}
