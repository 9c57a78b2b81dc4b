//! What a platform may ask, and what it is answered. Rules, URLs and models never come this way.
//!
//! ```text
//! cmd/… ─▶ Gate (address, life, replay, rate) ─▶ parse ─▶ audit row ─▶ deed ─▶ answer
//!             └────────────────┴── refused: counted, audited without its content
//! ```

mod orders;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock::Clock;
use crate::contract::command::{Command, Response, Resync, Since, Status};
use crate::contract::feedback::{CaseState, Feedback};
use crate::contract::grid_event::Transport;
use crate::contract::inbound::{Reason, Refused};
use crate::contract::time::SiteTime;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::CameraId;
use crate::domain::feedback::{Feedback as Word, Verdict};
use crate::domain::incident::{CloseReason, Phase};
use crate::domain::rules::params::NO_PROFILE;
use crate::pipeline::analyze::CameraInput;
use crate::pipeline::board::Board;
#[cfg(feature = "ffmpeg")]
use crate::pipeline::deliver::Shared;
use crate::pipeline::message::EventWriter;
use crate::pipeline::orders::{OrderError, Orders};
use crate::pipeline::publish::gate::{Asked, Gate, reply_path};
use crate::pipeline::publish::refusals::Refusals;
use crate::store::{Actor, AuditEntry, Deed, FeedbackOutcome, Store, StoreError};
use orders::Address;

/// Where words about an incident go: to the camera that saw it.
pub type CameraInputs = BTreeMap<CameraId, mpsc::Sender<CameraInput>>;

/// How long a camera's analysis may take to hear a command, between two looks.
const ANALYSIS_PATIENCE: Duration = Duration::from_secs(10);

/// Carries out feedback and commands.
#[derive(Debug)]
pub struct Desk {
    /// Everything that is asked for.
    pub store: Store,
    /// Incidents' cameras.
    pub cameras: CameraInputs,
    /// Times and topics.
    pub writer: Arc<EventWriter>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// For the counters.
    pub budget: Arc<Mutex<AlertBudget>>,
    /// Cameras as they are.
    pub board: Board,
    /// The profile in force.
    pub orders: Orders,
    /// What may be read.
    pub gate: Gate,
    /// What was not acted upon.
    pub refusals: Refusals,
}

#[cfg(feature = "ffmpeg")]
impl Desk {
    /// Over what the whole program shares.
    #[must_use]
    pub fn new(shared: &Shared, cameras: CameraInputs, orders: Orders) -> Self {
        Self {
            store: shared.store.clone(),
            cameras,
            writer: Arc::clone(&shared.writer),
            clock: Arc::clone(&shared.clock),
            budget: Arc::clone(&shared.budget),
            board: shared.board.clone(),
            orders,
            gate: Gate::default(),
            refusals: Refusals::default(),
        }
    }
}

/// How an answer to a command ends.
type Outcome = (Status, Option<String>, Option<serde_json::Value>);

/// An answer, and what goes out before it.
#[derive(Debug)]
pub struct Reply {
    /// Below `rsp/`.
    pub path: String,
    /// Of the command.
    pub correlation: Bytes,
    /// The answer.
    pub response: Response,
    /// A picture that was asked for, published below the answer's topic.
    pub picture: Option<Bytes>,
    /// It is refused, for this reason, and that is not counted yet.
    pub refused: Option<Reason>,
}

/// Why a command did nothing.
#[derive(Debug)]
enum Undone {
    /// It is not allowed.
    Refused(Refused),
    /// There is nothing here that it could be about; counted, as a refusal is.
    Never(Reason, &'static str),
    /// The store says no.
    Store(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OrderError> for Undone {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Refused(refused) => Self::Refused(refused),
            OrderError::Store(error) => Self::Store(error),
        }
    }
}

/// What comes of a command.
#[allow(missing_debug_implementations, reason = "a future has none")]
pub enum Answer {
    /// Nothing: there is nowhere to answer to, or it was answered before.
    None,
    /// This.
    Now(Box<Reply>),
    /// This, as soon as a camera has looked.
    Later(BoxFuture<'static, Reply>),
}

impl Desk {
    /// Takes the platform's word; `Ok` means that its effect is durable and the message may be forgotten,
    /// and says whether it was a receipt.
    pub async fn feedback(&mut self, payload: &[u8]) -> Result<bool, StoreError> {
        let feedback = match Feedback::parse(payload) {
            Ok(feedback) => feedback,
            Err(refused) => {
                tracing::debug!(%refused, "feedback is not understood and is dropped");
                self.refuse(Actor::Feedback, refused.reason()).await;
                return Ok(false);
            }
        };
        let (event_id, seq) = (feedback.event_id, feedback.seq);
        if feedback.state == CaseState::Received {
            // A receipt that names no revision is for whatever was sent.
            self.store.receipt(event_id, feedback.revision_seen.unwrap_or(u32::MAX)).await?;
            return Ok(true);
        }
        let reason = match self.store.record_feedback(feedback.clone()).await? {
            FeedbackOutcome::Applied => None,
            FeedbackOutcome::Stale => Some(Reason::Replayed),
            FeedbackOutcome::UnknownEvent => Some(Reason::UnknownEvent),
        };
        if let Some(reason) = reason {
            tracing::debug!(%event_id, seq, "feedback is older than what is known, or of an unknown event");
            self.refuse(Actor::Feedback, reason).await;
            return Ok(false);
        }
        let Some(event) = self.store.latest_event(event_id).await? else { return Ok(false) };
        tracing::info!(camera = %event.camera, %event_id, state = ?feedback.state, "the platform answered");
        if let Some(verdict) = verdict(&feedback) {
            let feedback = Word { event_id, verdict };
            let input = CameraInput::Feedback { feedback, seq: Some(seq), at: self.clock.now(), known: None };
            self.tell(&event.camera, input).await;
        }
        Ok(false)
    }

    /// Carries out a command, if it may be read, and says how it went.
    pub async fn command(&mut self, asked: &Asked<'_>, payload: &[u8]) -> Answer {
        let now = self.clock.now();
        let admitted = self.gate.admit(asked, self.writer.topics(), now);
        let path = reply_path(self.writer.topics(), asked.reply_to);
        let worth_it = admitted.err().is_none_or(|reason| self.gate.answers(reason, now));
        let Some(path) = path.filter(|_| worth_it) else {
            self.refuse(Actor::Command, admitted.err().unwrap_or(Reason::ForeignResponseTopic)).await;
            return Answer::None;
        };
        let correlation =
            Bytes::copy_from_slice(asked.correlation.filter(|data| data.len() <= 256).unwrap_or_default());
        let to = Address { name: asked.name.to_owned(), path, correlation };
        let command = match admitted.map(|()| Command::parse(asked.name, payload)) {
            Err(reason) => Err((reason, reason.in_words().to_owned())),
            Ok(Err(refused)) => Err((refused.reason(), refused.to_string())),
            Ok(Ok(Command::Snapshot { camera })) => match self.snapshot(&camera, &to) {
                Ok(later) => return Answer::Later(later),
                Err(refused) => Err(refused),
            },
            Ok(Ok(command)) => Ok(command),
        };
        let (outcome, refused) = match command {
            Ok(command) => self.carry_out(command).await,
            Err((reason, words)) => ((Status::Refused, Some(words), None), Some(reason)),
        };
        Answer::Now(Box::new(self.reply(to, outcome, refused)))
    }

    fn reply(&self, to: Address, outcome: Outcome, refused: Option<Reason>) -> Reply {
        to.reply(SiteTime::new(self.clock.utc(), self.writer.time_zone()), outcome, refused)
    }

    /// Counts what is not acted upon, and writes it down without a word of its content.
    pub async fn refuse(&mut self, actor: Actor, reason: Reason) {
        let rows = self.refusals.note(actor, reason, self.clock.now());
        if !rows.is_empty() {
            tracing::warn!(?actor, reason = reason.name(), "a message is not acted upon");
        }
        self.write_down(rows).await;
    }

    /// Writes down what was counted since, where it is time; all of it before the program stops.
    pub async fn write_refusals(&mut self, all: bool) {
        let rows = self.refusals.due(self.clock.now(), all);
        self.write_down(rows).await;
    }

    async fn write_down(&self, rows: Vec<AuditEntry>) {
        if !rows.is_empty()
            && let Err(error) = self.store.audit(rows).await
        {
            tracing::error!(%error, "refusals are counted, and cannot be written into the audit");
        }
    }

    /// The row is there before the deed: what cannot be written down is not done.
    async fn acts(&self, subject: &str) -> Result<(), StoreError> {
        self.store.audit(vec![AuditEntry::new(Actor::Command, Deed::Acts, subject)]).await
    }

    async fn carry_out(&mut self, command: Command) -> (Outcome, Option<Reason>) {
        let about = subject(&command);
        let outcome = match self.act(command, about.as_deref().unwrap_or_default()).await {
            Ok(outcome) => outcome,
            Err(Undone::Refused(refused)) => {
                return ((Status::Refused, Some(refused.to_string()), None), Some(refused.reason()));
            }
            Err(Undone::Never(reason, words)) => return ((Status::Failed, Some(words.to_owned()), None), Some(reason)),
            Err(Undone::Store(StoreError::ForeignEpoch { asked, ours })) => {
                let words = StoreError::ForeignEpoch { asked, ours }.to_string();
                return ((Status::Refused, Some(words), None), Some(Reason::NotPossible));
            }
            Err(Undone::Store(error)) => (Status::Failed, Some(error.to_string()), None),
        };
        if outcome.0 == Status::Failed {
            let row = about.map(|subject| AuditEntry::new(Actor::Command, Deed::Failed, subject));
            self.write_down(row.into_iter().collect()).await;
        }
        (outcome, None)
    }

    /// `about` is written down at the last moment before the deed.
    async fn act(&mut self, command: Command, about: &str) -> Result<Outcome, Undone> {
        match command {
            Command::Ping => Ok((Status::Ok, None, None)),
            Command::Resync(asked) => {
                let row = AuditEntry::new(Actor::Command, Deed::Acts, about);
                Ok((Status::Ok, None, Some(json!(self.store.resync_for(asked, row).await?))))
            }
            Command::Verify { event_id } => self.verify(event_id, about).await,
            Command::GetEvidence { event_id, id } => self.evidence(event_id, &id, about).await,
            Command::Mute(mute) => self.mute(mute, about).await,
            Command::Profile(order) => self.profile(&order).await,
            Command::Snapshot { .. } => Err(Undone::Never(Reason::NotPossible, "comes when the camera has looked")),
        }
    }

    /// An event that is closed is looked at like any other, as with `handled`; its answer repeats the end.
    async fn verify(&self, event_id: Uuid, about: &str) -> Result<Outcome, Undone> {
        let Some(event) = self.store.latest_event(event_id).await? else {
            return Err(Undone::Never(Reason::UnknownEvent, "no such event here"));
        };
        if event.latest.phase == Phase::Closed(CloseReason::Retracted) {
            let words = "the event was retracted; what never was is not looked for";
            return Err(Undone::Never(Reason::NotPossible, words));
        }
        self.acts(about).await?;
        let failed = |why: &str| Ok((Status::Failed, Some(why.to_owned()), None));
        let (known, answer) = oneshot::channel();
        let feedback = Word { event_id, verdict: Verdict::Verify { seq: None } };
        let input = CameraInput::Feedback { feedback, seq: None, at: self.clock.now(), known: Some(known) };
        self.tell(&event.camera, input).await;
        match tokio::time::timeout(ANALYSIS_PATIENCE, answer).await {
            Ok(Ok(true)) => Ok((Status::Ok, Some("the answer comes as a revision of the event".to_owned()), None)),
            Ok(Ok(false)) => failed("the event is over, and a newer one may have taken its place"),
            Ok(Err(_)) => failed("the event's camera is not analysed any more"),
            Err(_) => failed("the camera's analysis is busy; ask again"),
        }
    }

    async fn evidence(&self, event_id: Uuid, id: &str, about: &str) -> Result<Outcome, Undone> {
        let kept = self.store.evidence_of(event_id, self.writer.transport()).await?;
        if !kept.iter().any(|entry| entry.id == id && entry.transport != Transport::Gone) {
            return Err(Undone::Never(Reason::UnknownEvent, "the picture is not kept any more"));
        }
        self.acts(about).await?;
        if self.store.requeue_evidence(event_id, id.to_owned()).await? {
            return Ok((Status::Ok, None, None));
        }
        Ok((Status::Failed, Some("the picture is not kept any more".to_owned()), None))
    }

    async fn tell(&self, camera: &CameraId, input: CameraInput) {
        let Some(sender) = self.cameras.get(camera) else {
            return tracing::warn!(%camera, "the incident's camera is not configured any more");
        };
        if sender.send(input).await.is_err() {
            tracing::warn!(%camera, "the camera's analysis has ended");
        }
    }
}

/// What a command that acts is called in the audit.
fn subject(command: &Command) -> Option<String> {
    match command {
        Command::Resync(Resync { since, until, .. }) => Some(match (since, until) {
            (Since::Time(at), _) => format!("resync since {at}"),
            (Since::Seq(first), Some(last)) => format!("resync {first} to {last}"),
            (Since::Seq(first), None) => format!("resync from {first}"),
        }),
        Command::Verify { event_id } => Some(format!("verify {event_id}")),
        Command::GetEvidence { event_id, id } => Some(format!("get-evidence {event_id}/{id}")),
        Command::Mute(mute) => Some(orders::mute_subject(mute)),
        Command::Profile(order) => Some(format!("profile {}", order.name.as_deref().unwrap_or(NO_PROFILE))),
        Command::Ping | Command::Snapshot { .. } => None,
    }
}

/// What the analyzer has to know of it.
#[must_use]
pub fn verdict(feedback: &Feedback) -> Option<Verdict> {
    match feedback.state {
        CaseState::Rejected => Some(Verdict::Rejected),
        CaseState::FalseAlarm => Some(Verdict::FalseAlarm),
        CaseState::Handled => Some(Verdict::Handled { verify: feedback.verify_on_handled, seq: Some(feedback.seq) }),
        CaseState::Closed => Some(Verdict::Closed),
        CaseState::Received
        | CaseState::Duplicate
        | CaseState::Accepted
        | CaseState::Dispatched
        | CaseState::Handling
        | CaseState::Verified
        | CaseState::Evaluated => None,
    }
}
