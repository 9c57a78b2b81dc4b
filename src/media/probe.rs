//! What is this stream?

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::boundary::{AuthLedger, ResolvedSource, without_credentials};
use super::challenge;
use super::gate::LedgerGate;
use super::ingest::{Fault, StreamParameters};
use super::live::{MediaOptions, Shared};
use super::selector::{PictureSelector, Request};
use super::session::Session;
use crate::clock::Clock;
use crate::config::{DecodeMode, Transport};
use crate::domain::Timestamp;
use crate::domain::camera::{LookPlan, StreamInfo, StreamState};
use crate::domain::frame::Frame;

/// How a camera wants to know who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// Not at all.
    None,
    /// Password in the clear.
    Basic,
    /// Challenge and response.
    Digest,
    /// The camera did not say.
    Unknown,
}

/// What was found out.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// Codec, size, measured picture rate and keyframe gap.
    pub info: StreamInfo,
    /// RTP over what in the end; `None` for a clip.
    pub transport: Option<Transport>,
    /// `None` for a clip.
    pub authentication: Option<Authentication>,
    /// A keyframe.
    pub snapshot: Arc<Frame>,
    /// Fits the keyframe gap.
    pub suggested_decode: DecodeMode,
    /// Fits the keyframe gap.
    pub suggested_look_interval: Duration,
    /// What an installer should know or change at the camera, in words.
    pub remarks: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{source_name}: {detail}")]
pub struct ProbeError {
    /// The URL without credentials, or the clip.
    pub source_name: String,
    /// What the camera's state would be.
    pub state: StreamState,
    /// In words; never holds a credential.
    pub detail: String,
}

impl ProbeReport {
    /// With the settings that suit what was seen.
    pub(super) fn new(
        info: StreamInfo,
        transport: Option<Transport>,
        authentication: Option<Authentication>,
        snapshot: Arc<Frame>,
        remarks: Vec<String>,
    ) -> Self {
        let (suggested_decode, suggested_look_interval) = suggest(info.keyframe_s);
        Self { info, transport, authentication, snapshot, suggested_decode, suggested_look_interval, remarks }
    }
}

/// Watches `source` for at most `patience`, or until two keyframe gaps are measured. In this very process, with all that a
/// hostile camera can do to it: what an installer runs asks [`super::workers::probe`].
///
/// A login that `auth` says is stopped is not tried; a refused one is put on record.
pub async fn probe(
    source: ResolvedSource,
    patience: Duration,
    options: MediaOptions,
    clock: Arc<dyn Clock>,
    auth: Arc<dyn AuthLedger>,
) -> Result<ProbeReport, ProbeError> {
    let shared = Shared::start(options, clock, Arc::new(LedgerGate::new(auth)));
    let looked = match shared {
        Ok(shared) => look(&source, patience, &shared).await,
        Err(error) => Err(Fault::offline(error.to_string())),
    };
    let source_name = name_of(&source);
    looked.map_err(|fault| ProbeError { source_name, state: fault.state, detail: fault.detail })
}

/// The URL without credentials, or the clip.
pub(super) fn name_of(source: &ResolvedSource) -> String {
    match source {
        ResolvedSource::Rtsp { url, .. } => without_credentials(url).to_string(),
        ResolvedSource::File { path, .. } => path.display().to_string(),
    }
}

/// Most that is kept of compressed pictures.
pub(super) fn ring_bytes(options: &MediaOptions) -> usize {
    4 * options.max_access_unit_bytes
}

/// As [`probe`], with what is there already.
pub(super) async fn look(source: &ResolvedSource, patience: Duration, shared: &Shared) -> Result<ProbeReport, Fault> {
    let authentication = match source {
        ResolvedSource::Rtsp { url, .. } => Some(challenge::ask(url, shared.options.request_timeout).await),
        ResolvedSource::File { .. } => None,
    };
    let mut session = Session::open(source, shared).await?;
    let transport = session.transport();
    let mut seen = Seen::new(shared);
    // Running out of patience is how most probes end.
    let watched = tokio::time::timeout(patience, seen.watch(&mut session, shared)).await.unwrap_or(Ok(()));
    session.close(shared).await;
    watched?;
    let patience_s = patience.as_secs();
    let (Some(info), Some(snapshot)) = (seen.info(), seen.snapshot) else {
        return Err(Fault::offline(format!("no picture could be decoded within {patience_s} s")));
    };
    let gap = info.keyframe_s;
    let mut remarks = seen.remarks;
    match gap {
        None => remarks.push(format!("no second keyframe within {patience_s} s: the whole stream has to be decoded")),
        Some(gap) if gap > LONGEST_GAP_S => remarks.push(format!(
            "a keyframe only every {gap:.0} s: set the camera's I-frame interval to 2 s and switch \"smart codec\" off to save work"
        )),
        Some(_) => {}
    }
    if authentication == Some(Authentication::Basic) {
        remarks.push("the camera takes the password in the clear: switch it to Digest".to_owned());
    }
    Ok(ProbeReport::new(info, transport, authentication, snapshot, remarks))
}

/// Looks can follow the keyframes up to this distance.
const LONGEST_GAP_S: f32 = 4.0;

fn suggest(keyframe_s: Option<f32>) -> (DecodeMode, Duration) {
    match keyframe_s {
        Some(gap) if gap <= LONGEST_GAP_S => {
            (DecodeMode::Keyframes, Duration::from_secs_f32(gap.max(1.0)).max(Duration::from_secs(1)))
        }
        Some(_) | None => (DecodeMode::Auto, Duration::from_secs(2)),
    }
}

/// What was seen so far.
struct Seen {
    selector: PictureSelector,
    parameters: Option<StreamParameters>,
    snapshot: Option<Arc<Frame>>,
    keyframes: u32,
    remarks: Vec<String>,
}

impl Seen {
    fn new(shared: &Shared) -> Self {
        let selector = PictureSelector::new(DecodeMode::Keyframes, ring_bytes(&shared.options), None);
        Self { selector, parameters: None, snapshot: None, keyframes: 0, remarks: Vec::new() }
    }

    fn info(&self) -> Option<StreamInfo> {
        let StreamParameters { codec, width, height } = self.parameters?;
        Some(StreamInfo {
            codec: codec.name().to_owned(),
            width,
            height,
            frame_rate: self.selector.rate.frame_rate(),
            keyframe_s: self.selector.rate.measured_keyframe_gap().map(|gap| gap.as_secs_f32()),
        })
    }

    async fn watch(&mut self, session: &mut Session, shared: &Shared) -> Result<(), Fault> {
        let mut lost = 0;
        while self.keyframes < 3 || self.snapshot.is_none() {
            let Some(received) = session.next().await? else { break };
            lost += received.lost_packets;
            if let Some(parameters) = received.stream {
                self.selector.restart(session.decoder_spec(parameters.codec, shared.options.max_pixels));
                self.parameters = Some(parameters);
            }
            self.keyframes += u32::from(received.keyframe);
            self.selector.push(received);
            if self.snapshot.is_none() {
                self.take_snapshot(shared).await?;
            }
        }
        if lost > 0 {
            self.remarks.push(format!("{lost} packets were lost on the way"));
        }
        Ok(())
    }

    async fn take_snapshot(&mut self, shared: &Shared) -> Result<(), Fault> {
        let plan = LookPlan { at: Timestamp::UNIX_EPOCH, max_gap: Duration::MAX };
        let Some(job) = self.selector.next_job(Request { plan, open: true }) else { return Ok(()) };
        let given = job.units.len();
        let outcome = shared.pool.submit(job).await.unwrap_or_default();
        if let Some(detail) = outcome.unsupported {
            return Err(Fault::new(StreamState::CodecUnsupported, detail));
        }
        self.snapshot = self.selector.finish_job(outcome, given);
        Ok(())
    }
}
