//! Commands that change what the box does for a while, or show what it sees: `mute`, `profile`, `snapshot`.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{ANALYSIS_PATIENCE, Desk, Outcome, Reply, Undone};
use crate::contract::command::{Mute, ProfileOrder, Response, Status};
use crate::contract::inbound::{Reason, Refused};
use crate::contract::time::SiteTime;
use crate::contract::topics::Channel;
use crate::domain::camera::CameraId;
use crate::domain::rules::params::NO_PROFILE;
use crate::pipeline::analyze::{CameraInput, NoPicture, PictureOfNow, SnapshotAnswer};
use crate::store::{Actor, AuditEntry, Deed, Store};

/// How long a camera may take to give a picture of now: some have a keyframe every ten seconds.
const PICTURE_PATIENCE: Duration = Duration::from_secs(20);

/// Last level of the topic of a picture that was asked for.
const PICTURE_LEVEL: &str = "picture";

/// Where an answer goes.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) correlation: Bytes,
}

impl Address {
    pub(super) fn reply(self, at: SiteTime, (status, detail, result): Outcome, refused: Option<Reason>) -> Reply {
        let Self { name, path, correlation } = self;
        tracing::info!(command = name, ?status, detail, "the platform asked");
        let command = name.chars().take(64).collect();
        let response = Response { command, status, at, detail, result };
        Reply { path, correlation, response, picture: None, refused }
    }

    /// Where a picture goes.
    pub(super) fn picture_path(&self) -> String {
        format!("{}/{PICTURE_LEVEL}", self.path)
    }
}

impl Reply {
    /// Where its picture goes, below `rsp/`.
    #[must_use]
    pub fn picture_path(&self) -> String {
        format!("{}/{PICTURE_LEVEL}", self.path)
    }
}

/// A refusal, and what is said of it.
type NotDone = (Reason, String);

impl Desk {
    /// Names of the cameras, if this is none of them.
    fn unknown(&self, camera: &CameraId) -> Option<Refused> {
        let cameras = self.board.read();
        if cameras.contains_key(camera) {
            return None;
        }
        let known: Vec<_> = cameras.keys().map(CameraId::as_str).collect();
        Some(Refused::Unknown { what: "camera", known: known.join(", ").chars().take(300).collect() })
    }

    pub(super) async fn mute(&mut self, mute: Mute, about: &str) -> Result<Outcome, Undone> {
        mute.check(self.clock.utc()).map_err(Undone::Refused)?;
        self.unknown(&mute.camera).map_or(Ok(()), |unknown| Err(Undone::Refused(unknown)))?;
        let failed = |why: &str| Ok((Status::Failed, Some(why.to_owned()), None));
        let Some(sender) = self.cameras.get(&mute.camera) else {
            return Err(Undone::Never(Reason::NotPossible, "the camera is not analysed"));
        };
        self.acts(about).await?;
        let (done, answer) = oneshot::channel();
        // The platform speaks of UTC, the analyzer goes by the box's own time.
        let until = mute.until.map(|until| self.clock.inside(until));
        let input = CameraInput::Mute { kind: mute.kind, until, at: self.clock.now(), done };
        let told = async {
            sender.send(input).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(ANALYSIS_PATIENCE, told).await {
            Ok(Some(muted)) if muted.durable => {
                let zone = self.writer.time_zone();
                let muted: Vec<Value> = muted
                    .mutes
                    .iter()
                    .map(|(kind, until)| json!({ "kind": kind, "until": SiteTime::new(self.clock.outside(*until), zone) }))
                    .collect();
                Ok((Status::Ok, None, Some(json!({ "muted": muted }))))
            }
            Ok(Some(_)) => failed("in force until the next start: it cannot be written now"),
            Ok(None) => failed("the camera is not analysed any more"),
            Err(_) => failed("the camera's analysis is busy; ask again"),
        }
    }

    pub(super) async fn profile(&mut self, order: &ProfileOrder) -> Result<Outcome, Undone> {
        self.orders.switch(order).await?;
        let mut result = json!({ "profile": order.name.as_deref().unwrap_or(NO_PROFILE) });
        if let Some(until) = order.until {
            result["until"] = json!(SiteTime::new(until, self.writer.time_zone()));
        }
        Ok((Status::Ok, None, Some(result)))
    }

    /// The answer comes when the camera has looked; nothing else waits for it.
    pub(super) fn snapshot(&mut self, camera: &CameraId, to: &Address) -> Result<BoxFuture<'static, Reply>, NotDone> {
        if let Some(refused) = self.unknown(camera) {
            return Err((refused.reason(), refused.to_string()));
        }
        let now = self.clock.now();
        self.gate.admit_snapshot(camera, now).map_err(|reason| (reason, reason.in_words().to_owned()))?;
        let (done, answer) = oneshot::channel();
        let asked = match self.cameras.get(camera) {
            Some(sender) => sender.try_send(CameraInput::Snapshot { at: now, done }).is_ok(),
            None => false,
        };
        let (store, clock, writer) = (self.store.clone(), self.clock.clone(), self.writer.clone());
        let (camera, to) = (camera.clone(), to.clone());
        Ok(Box::pin(async move {
            let failed = |why: &str| Err(NoPicture::Failed(why.to_owned()));
            let made = match (asked, tokio::time::timeout(PICTURE_PATIENCE, answer).await) {
                (false, _) | (true, Ok(Err(_))) => failed("the camera is not analysed, or too much is asked of it"),
                (true, Ok(Ok(made))) => made,
                (true, Err(_)) => failed("the camera gives no picture now"),
            };
            let topic = writer.topics().of(&Channel::Response(to.picture_path()));
            let (outcome, picture, refused) =
                leave(&store, &camera, made, |at| SiteTime::new(clock.outside(at), writer.time_zone()), topic).await;
            let at = SiteTime::new(clock.utc(), writer.time_zone());
            Reply { picture, ..to.reply(at, outcome, refused) }
        }))
    }
}

/// A picture is written down before it is handed on.
async fn leave(
    store: &Store,
    camera: &CameraId,
    made: SnapshotAnswer,
    time: impl Fn(jiff::Timestamp) -> SiteTime,
    topic: String,
) -> (Outcome, Option<Bytes>, Option<Reason>) {
    let PictureOfNow { jpeg, size, sha256, captured_at, redaction, banded } = match made {
        Ok(made) => made,
        Err(withheld @ NoPicture::Withheld(_)) => {
            return ((Status::Refused, Some(withheld.to_string()), None), None, Some(Reason::NotPossible));
        }
        Err(failed) => return ((Status::Failed, Some(failed.to_string()), None), None, None),
    };
    let row = AuditEntry::new(Actor::Command, Deed::Snapshot, format!("snapshot {camera}")).of(&sha256);
    if let Err(error) = store.audit(vec![row]).await {
        let words = format!("the picture cannot be written into the audit, and stays here: {error}");
        return ((Status::Failed, Some(words), None), None, None);
    }
    let redaction = if banded { json!({ "state": redaction.state }) } else { json!(redaction) };
    let result = json!({
        "topic": topic, "media_type": "image/jpeg", "bytes": jpeg.len(), "width": size.0, "height": size.1,
        "sha256": sha256, "captured_at": time(captured_at), "redaction": redaction,
    });
    ((Status::Ok, None, Some(result)), Some(jpeg), None)
}

pub(super) fn mute_subject(mute: &Mute) -> String {
    let kind = mute.kind.map_or("everything", |kind| kind.name());
    let until = mute.until.map_or("lifted".to_owned(), |until| format!("until {until}"));
    let reason = mute.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("mute {} {kind} {until}{reason}", mute.camera)
}
