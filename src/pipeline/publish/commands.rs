//! What a platform may ask, and what it is answered. Rules, URLs and models never come this way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock::Clock;
use crate::contract::command::{Command, Response, Resync, Status};
use crate::contract::feedback::{CaseState, Feedback};
use crate::contract::time::SiteTime;
use crate::domain::budget::AlertBudget;
use crate::domain::camera::CameraId;
use crate::domain::feedback::{Feedback as Word, Verdict};
use crate::domain::incident::{CloseReason, Phase};
use crate::pipeline::analyze::CameraInput;
use crate::pipeline::message::EventWriter;
use crate::store::{FeedbackOutcome, Store, StoreError};

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
}

/// How an answer to a command ends.
type Outcome = (Status, Option<String>, Option<serde_json::Value>);

impl Desk {
    /// Takes the platform's word; `Ok` means that its effect is durable and the message may be forgotten,
    /// and says whether it was a receipt.
    pub async fn feedback(&self, payload: &[u8]) -> Result<bool, StoreError> {
        let feedback = match Feedback::parse(payload) {
            Ok(feedback) => feedback,
            Err(refused) => {
                tracing::warn!(%refused, "feedback is not understood and is dropped");
                return Ok(false);
            }
        };
        let (event_id, seq) = (feedback.event_id, feedback.seq);
        if feedback.state == CaseState::Received {
            // A receipt that names no revision is for whatever was sent.
            self.store.receipt(event_id, feedback.revision_seen.unwrap_or(u32::MAX)).await?;
            return Ok(true);
        }
        if self.store.record_feedback(feedback.clone()).await? != FeedbackOutcome::Applied {
            tracing::info!(%event_id, seq = feedback.seq, "feedback is older than what is known, or of an unknown event");
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

    /// Carries out a command and says how it went.
    pub async fn command(&self, name: &str, payload: &[u8]) -> Response {
        let (status, detail, result) = match Command::parse(name, payload) {
            Err(refused) => (Status::Refused, Some(refused.to_string()), None),
            Ok(command) => self.carry_out(command).await,
        };
        tracing::info!(command = name, ?status, detail, "the platform asked");
        let at = SiteTime::new(self.clock.utc(), self.writer.time_zone());
        Response { command: name.to_owned(), status, at, detail, result }
    }

    async fn carry_out(&self, command: Command) -> Outcome {
        let done = match command {
            Command::Ping => Ok((Status::Ok, None, None)),
            Command::Resync(asked) => self.resync(asked).await,
            Command::Verify { event_id } => self.verify(event_id).await,
            Command::GetEvidence { event_id, id } => self.evidence(event_id, &id).await,
            Command::Unsupported(name) => {
                Ok((Status::Unsupported, Some(format!("`{name}` is not in this version")), None))
            }
        };
        done.unwrap_or_else(|error| (Status::Failed, Some(error.to_string()), None))
    }

    async fn resync(&self, asked: Resync) -> Result<Outcome, StoreError> {
        match self.store.resync(asked).await {
            Err(foreign @ StoreError::ForeignEpoch { .. }) => Ok((Status::Refused, Some(foreign.to_string()), None)),
            resent => Ok((Status::Ok, None, Some(json!(resent?)))),
        }
    }

    /// An event that is closed is looked at like any other, as with `handled`; its answer repeats the end.
    async fn verify(&self, event_id: Uuid) -> Result<Outcome, StoreError> {
        let failed = |why: &str| Ok((Status::Failed, Some(why.to_owned()), None));
        let Some(event) = self.store.latest_event(event_id).await? else { return failed("no such event here") };
        if event.latest.phase == Phase::Closed(CloseReason::Retracted) {
            return failed("the event was retracted; what never was is not looked for");
        }
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

    async fn evidence(&self, event_id: Uuid, id: &str) -> Result<Outcome, StoreError> {
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
