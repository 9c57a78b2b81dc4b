//! The publishing side.
//!
//! ```text
//!            +--------------------- wait (full jitter) <---------------------+
//!            v                                                               |
//!   start -> connecting --CONNACK--> births first, then what is sent --fault-+
//!            |                              |
//!            +------------ stop ------------+--> queue sent, answers awaited, DISCONNECT
//! ```
//!
//! Every publication with a token gets exactly one answer: acknowledged, refused or unsent. Count on the
//! answers, not on `Disconnected`: events may lie unread while the next connection already takes messages.
//! Events must be taken: when their channel is full the connection waits with them, and in the end the
//! broker closes it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::client::{Link, Session, interval_after, open};
use super::fault::LinkFault;
use super::flight::{Answer, Flight};
use super::message::{Connected, Publication, Refusal};
use super::options::LinkOptions;
use crate::domain::backoff::Backoff;

/// Retained messages that open every connection, asked for anew each time. Their tokens are not used.
pub type Births = Arc<dyn Fn() -> Vec<Publication> + Send + Sync>;

/// How long saying goodbye may take once every answer is in.
const GOODBYE: Duration = Duration::from_secs(2);

/// What became of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkEvent {
    /// The broker accepted us; from now on `try_send` takes messages.
    Connected(Connected),
    /// It ended, or could not be made.
    Disconnected {
        /// Why.
        fault: LinkFault,
        /// The next attempt comes after this.
        retry_in: Duration,
    },
    /// The broker has it.
    Acknowledged {
        /// Of the publication.
        token: u64,
    },
    /// The broker does not want it; the connection stands.
    Refused {
        /// Of the publication; 0 for one of the births.
        token: u64,
        /// Its topic.
        topic: String,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The connection ended first: send it again on the next one.
    Unsent {
        /// Of the publication.
        token: u64,
        /// It was the oldest unanswered one when the broker closed the connection or broke the protocol.
        /// One that is suspect time after time is the reason, and should be set aside.
        suspect: bool,
    },
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many are waiting as the window has places; an answer makes room.
    #[error("the uplink's queue is full")]
    Full,
    /// Not connected: send again after the next `Connected`.
    #[error("the uplink is not connected")]
    Offline,
}

/// The handle; dropping it cuts the connection.
#[derive(Debug)]
pub struct Uplink {
    queue: mpsc::Sender<Publication>,
    events: mpsc::Receiver<UplinkEvent>,
    online: Arc<AtomicBool>,
    line_rate: Arc<AtomicU32>,
    stop: oneshot::Sender<Duration>,
    task: AbortOnDropHandle<()>,
}

impl Uplink {
    /// Connects, and keeps connecting, in a task of its own.
    #[must_use]
    pub fn start(options: LinkOptions, births: Births) -> Self {
        let window = usize::from(options.window.max(1));
        let (queue, publications) = mpsc::channel(window);
        let (event_sender, events) = mpsc::channel(4 * window);
        let (stop, stopped) = oneshot::channel();
        let (online, line_rate) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let task = Task {
            options,
            births,
            queue: publications,
            events: event_sender,
            online: Arc::clone(&online),
            line_rate: Arc::clone(&line_rate),
            stop: stopped,
            stood: false,
        };
        Self { queue, events, online, line_rate, stop, task: AbortOnDropHandle::new(tokio::spawn(task.run())) }
    }

    /// Hands over a message without waiting.
    pub fn try_send(&self, publication: Publication) -> Result<(), SendError> {
        if !self.is_online() {
            return Err(SendError::Offline);
        }
        self.queue.try_send(publication).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Offline,
        })
    }

    /// Connected, as far as is known.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// Bytes a second that the broker acknowledges on this connection; `None` as long as nothing is known.
    #[must_use]
    pub fn line_rate(&self) -> Option<u32> {
        Some(self.line_rate.load(Ordering::Acquire)).filter(|&rate| rate > 0)
    }

    /// The next event; `None` when the uplink has ended. May be cancelled.
    pub async fn next_event(&mut self) -> Option<UplinkEvent> {
        self.events.recv().await
    }

    /// Takes nothing more, sends what was taken, waits for the answers until `deadline` has passed, says
    /// goodbye. Gives the events that were not taken yet.
    pub async fn stop(mut self, deadline: Duration) -> Vec<UplinkEvent> {
        if self.stop.send(deadline).is_err() {
            tracing::debug!("the uplink had already ended");
        }
        let mut rest = Vec::new();
        while let Some(event) = self.events.recv().await {
            rest.push(event);
        }
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the uplink's task failed");
        }
        rest
    }
}

struct Task {
    options: LinkOptions,
    births: Births,
    queue: mpsc::Receiver<Publication>,
    events: mpsc::Sender<UplinkEvent>,
    online: Arc<AtomicBool>,
    line_rate: Arc<AtomicU32>,
    stop: oneshot::Receiver<Duration>,
    /// The connection lasted long enough to have proved healthy.
    stood: bool,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new(self.options.backoff_first, self.options.backoff_longest);
        let mut wait = self.options.first_attempt_within.mul_f64(rand::random());
        loop {
            if self.stopped_within(wait).await {
                break;
            }
            let fault = self.run_once(&mut backoff).await;
            self.online.store(false, Ordering::Release);
            self.return_queue().await;
            let Some(fault) = fault else { break };
            wait = self.options.wait_after(&fault, std::mem::take(&mut self.stood), &mut backoff);
            self.emit(UplinkEvent::Disconnected { fault, retry_in: wait }).await;
        }
        self.queue.close();
        self.return_queue().await;
    }

    async fn stopped_within(&mut self, duration: Duration) -> bool {
        let deadline = tokio::time::sleep(duration);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => return false,
                _ = &mut self.stop => return true,
                // It slipped in while the connection was ending.
                Some(publication) = self.queue.recv() => self.return_unsent(publication.token).await,
            }
        }
    }

    /// One connection, from its making to its end; `None`: stopped.
    async fn run_once(&mut self, backoff: &mut Backoff) -> Option<LinkFault> {
        let link = tokio::select! {
            link = open(&self.options, Session::Clean) => match link {
                Ok(link) => link,
                Err(fault) => return Some(fault),
            },
            _ = &mut self.stop => return None,
        };
        self.line_rate.store(0, Ordering::Release);
        self.online.store(true, Ordering::Release);
        self.emit(UplinkEvent::Connected(link.granted.clone())).await;
        let mut waiting: VecDeque<_> = (self.births)().into();
        for birth in &mut waiting {
            birth.token = 0;
        }
        let mut flight = Flight::new(&self.options, &link.granted);
        self.converse(link, &mut flight, waiting, backoff).await
    }

    async fn converse(
        &mut self,
        mut link: Link,
        flight: &mut Flight,
        mut waiting: VecDeque<Publication>,
        backoff: &mut Backoff,
    ) -> Option<LinkFault> {
        let healthy = tokio::time::sleep(self.options.healthy_after);
        tokio::pin!(healthy);
        let mut proved = false;
        let (mut stopping, mut renewing) = (false, false);
        let mut renew = interval_after(self.options.renew_every);
        let give_up = tokio::time::sleep(Duration::MAX);
        tokio::pin!(give_up);
        let fault = loop {
            while flight.has_room() && !renewing {
                let Some(publication) = waiting.pop_front() else { break };
                if let Some(answer) = flight.hand_over(&link.client, publication) {
                    self.answer(answer).await;
                }
            }
            if stopping && flight.is_empty() && waiting.is_empty() && self.queue.is_empty() {
                link.close(GOODBYE).await;
                return None;
            }
            if renewing && flight.is_empty() {
                link.say_goodbye(GOODBYE).await;
                break LinkFault::renewed(&self.options.address());
            }
            tokio::select! {
                fault = &mut link.driver => break fault,
                answer = flight.next_answer() => match answer {
                    Some(answer) => {
                        self.line_rate.store(flight.line_rate(), Ordering::Release);
                        self.answer(answer).await;
                    }
                    None => break LinkFault::unanswered(&self.options.address(), self.options.ack_deadline),
                },
                Some(publication) = self.queue.recv(), if flight.has_room() && !renewing => waiting.push_back(publication),
                // Nothing is subscribed to here, so nothing that comes is ours.
                Some(_) = link.messages.recv() => {}
                _ = renew.tick(), if !renewing && !stopping => {
                    renewing = link.is_outdated(&self.options);
                    self.online.store(!renewing, Ordering::Release);
                }
                () = &mut healthy, if !proved => { proved = true; self.stood = true; backoff.reset(); }
                deadline = &mut self.stop, if !stopping => {
                    self.queue.close();
                    (stopping, renewing) = (true, false);
                    give_up.set(tokio::time::sleep(deadline.unwrap_or_default()));
                }
                () = &mut give_up, if stopping => break LinkFault::stopped(&self.options.address()),
            }
        };
        self.online.store(false, Ordering::Release);
        drop(link);
        for answer in flight.abandon(fault.may_be_our_message()).await {
            self.answer(answer).await;
        }
        for publication in waiting {
            self.return_unsent(publication.token).await;
        }
        (!stopping).then_some(fault)
    }

    async fn answer(&self, answer: Answer) {
        match answer {
            Answer::Acknowledged(0) | Answer::Unsent { token: 0, .. } => {}
            Answer::Acknowledged(token) => self.emit(UplinkEvent::Acknowledged { token }).await,
            Answer::Refused { token, topic, refusal } => {
                self.emit(UplinkEvent::Refused { token, topic, refusal }).await;
            }
            Answer::Unsent { token, suspect } => self.emit(UplinkEvent::Unsent { token, suspect }).await,
        }
    }

    async fn return_queue(&mut self) {
        while let Ok(publication) = self.queue.try_recv() {
            self.return_unsent(publication.token).await;
        }
    }

    async fn return_unsent(&self, token: u64) {
        self.answer(Answer::Unsent { token, suspect: false }).await;
    }

    async fn emit(&self, event: UplinkEvent) {
        if self.events.send(event).await.is_err() {
            tracing::debug!("nobody takes the uplink's events any more");
        }
    }
}
