//! One camera's task: connect, pump, wait, again. Owns the session, the ring and the decode state.
//!
//! ```text
//!            ┌────────── backoff (full jitter) ◀── any fault ──────────┐
//! Connecting ┴▶ first picture ─▶ Ok ⇄ Degraded ─▶ Offline/CodecUnsupported
//!      ├─ 403, 453 ─▶ Busy (minutes) ─▶ Connecting
//!      └─ second 401 ─▶ AuthFailed (until stopped)
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::boundary::{StreamReport, WatchCamera};
use super::health::Health;
use super::ingest::{Fault, Received, StreamParameters};
use super::live::Shared;
use super::mailbox::Mailbox;
use super::pool::{DecodeJob, Outcome};
use super::selector::PictureSelector;
use super::session::Session;
use crate::domain::backoff::Backoff;
use crate::domain::camera::{StreamInfo, StreamState};
use crate::domain::{SignedDuration, Timestamp};
use crate::telemetry;

/// What a camera's task is at, for whoever has to find out who brought a worker down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Doing {
    /// No bytes of the camera are being read.
    Waiting = 0,
    /// A session is open, or being opened.
    Session = 1,
    /// A picture is being decoded, or waits for it.
    Decoding = 2,
}

/// Told whenever it changes.
pub(super) type Notes = Arc<dyn Fn(Doing) + Send + Sync>;

/// Until `stop`, the end of a clip, or for ever.
pub(super) async fn run(
    camera: WatchCamera,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    notes: Notes,
    stop: CancellationToken,
) {
    let span = telemetry::camera_span(&camera.id);
    let (state, info, last_frame_at, pictures_since) = (None, None, None, None);
    let task = Task { camera, shared, mailbox, notes, stop, state, info, last_frame_at, pictures_since };
    task.run().instrument(span).await;
}

struct Task {
    camera: WatchCamera,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    notes: Notes,
    stop: CancellationToken,
    state: Option<(StreamState, String)>,
    info: Option<StreamInfo>,
    last_frame_at: Option<Timestamp>,
    /// First picture of this session.
    pictures_since: Option<Timestamp>,
}

/// A job that the pool has.
struct Pending {
    outcome: oneshot::Receiver<Outcome>,
    given: usize,
}

enum End {
    Stopped,
    ClipEnded,
}

impl Task {
    async fn run(mut self) {
        let options = self.shared.options.clone();
        let mut backoff = Backoff::new(options.backoff_first, options.backoff_longest);
        loop {
            self.pictures_since = None;
            (self.notes)(Doing::Session);
            // A panic over forged bytes costs this session, not the camera or its neighbours.
            let ended = AssertUnwindSafe(self.run_once()).catch_unwind().await;
            (self.notes)(Doing::Waiting);
            let fault = match ended {
                Ok(Ok(End::Stopped)) => break,
                Ok(Ok(End::ClipEnded)) => {
                    self.report(StreamState::Offline, "the clip has ended".to_owned());
                    break;
                }
                Ok(Err(fault)) => fault,
                Err(_) => Fault::offline("the stream could not be read: internal error"),
            };
            self.report(fault.state, fault.detail);
            // Slow answers to requests are no health: only the time with pictures counts.
            let lasted = self.pictures_since.map(|since| self.shared.clock.now().duration_since(since));
            if lasted.and_then(|lasted| Duration::try_from(lasted).ok()) >= Some(options.healthy_after) {
                backoff.reset();
            }
            let wait = match fault.state {
                StreamState::AuthFailed => None,
                StreamState::Busy | StreamState::CodecUnsupported => {
                    Some(options.busy_wait.mul_f64(0.5 + rand::random::<f64>()))
                }
                StreamState::Ok | StreamState::Degraded | StreamState::Offline => {
                    Some(backoff.next_delay(rand::random()))
                }
            };
            let waited = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = waited => {}
            }
        }
        self.mailbox.end();
    }

    /// One session, from connect to its end.
    async fn run_once(&mut self) -> Result<End, Fault> {
        let stop = self.stop.clone();
        let mut session = tokio::select! {
            () = stop.cancelled() => return Ok(End::Stopped),
            session = Session::open(&self.camera.source, &self.shared) => session?,
        };
        self.mailbox.count(|counts| counts.sessions += 1);
        let mut selector = PictureSelector::new(self.camera.decode, self.camera.ring_max_bytes, self.last_frame_at);
        let end = self.pump(&mut session, &mut selector).await;
        self.last_frame_at = selector.last_frame_at();
        session.close(&self.shared).await;
        end
    }

    async fn pump(&mut self, session: &mut Session, selector: &mut PictureSelector) -> Result<End, Fault> {
        let options = self.shared.options.clone();
        let stop = self.stop.clone();
        let mailbox = Arc::clone(&self.mailbox);
        let mut health =
            Health::new(SignedDuration::try_from(options.health_window).unwrap_or(SignedDuration::from_secs(10)));
        let silence = tokio::time::sleep(options.silence_limit);
        tokio::pin!(silence);
        let mut pending: Option<Pending> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(End::Stopped),
                () = &mut silence => {
                    let seconds = selector.rate.silence_limit(options.silence_limit).as_secs_f32();
                    return Err(Fault::offline(format!("no picture came for {seconds} s")));
                }
                outcome = outcome_of(&mut pending) => {
                    self.take_outcome(outcome, selector, &mut health)?;
                }
                received = session.next() => {
                    let Some(received) = received? else {
                        if pending.is_some() {
                            tokio::select! {
                                () = stop.cancelled() => return Ok(End::Stopped),
                                outcome = outcome_of(&mut pending) => self.take_outcome(outcome, selector, &mut health)?,
                            }
                        }
                        return Ok(End::ClipEnded);
                    };
                    self.take_in(received, session, selector, &mut health);
                    silence.set(tokio::time::sleep(selector.rate.silence_limit(options.silence_limit)));
                }
                () = mailbox.asked() => {}
            }
            if pending.is_none()
                && let Some(request) = mailbox.request()
                && let Some(job) = selector.next_job(request)
            {
                pending = Some(self.submit(job));
            }
        }
    }

    fn submit(&self, job: DecodeJob) -> Pending {
        let given = job.units.len();
        (self.notes)(Doing::Decoding);
        Pending { outcome: self.shared.pool.submit(job), given }
    }

    fn take_in(
        &mut self,
        mut received: Received,
        session: &Session,
        selector: &mut PictureSelector,
        health: &mut Health,
    ) {
        let window = health.window();
        window.units += 1;
        window.lossy += u32::from(received.lost_packets > 0);
        let oversize = received.data.len() > self.shared.options.max_access_unit_bytes;
        window.oversize += u32::from(oversize);
        self.mailbox.count(|counts| {
            counts.units += 1;
            counts.lost_packets += u64::from(received.lost_packets);
            counts.oversize += u64::from(oversize);
            counts.ring_dropped += std::mem::take(&mut selector.missed);
        });
        let now = received.at;
        self.pictures_since.get_or_insert(now);
        if let Some(parameters) = received.stream.take() {
            selector.restart(session.decoder_spec(parameters.codec, self.shared.options.max_pixels));
            self.describe(parameters, selector);
            if !matches!(self.state, Some((StreamState::Ok, _))) {
                self.report(StreamState::Ok, describe_session(session));
            }
        }
        let keyframe = received.keyframe;
        if oversize {
            selector.skip();
        } else {
            selector.push(received);
        }
        if keyframe {
            self.refresh_info(selector);
        }
        if let Some(window) = health.poll(now) {
            match window.complaint() {
                Some(complaint) => self.report(StreamState::Degraded, complaint),
                None => self.report(StreamState::Ok, describe_session(session)),
            }
        }
    }

    fn take_outcome(
        &mut self,
        finished: Option<(Outcome, usize)>,
        selector: &mut PictureSelector,
        health: &mut Health,
    ) -> Result<(), Fault> {
        (self.notes)(Doing::Session);
        // The decoder panicked or hangs.
        let (outcome, given) = finished.unwrap_or((Outcome { errors: 1, ..Outcome::default() }, 0));
        let window = health.window();
        window.decoded += outcome.decoded;
        window.decode_errors += outcome.errors;
        self.mailbox.count(|counts| {
            counts.decoded += u64::from(outcome.decoded);
            counts.decode_errors += u64::from(outcome.errors);
        });
        if let Some(detail) = outcome.unsupported {
            return Err(Fault::new(StreamState::CodecUnsupported, detail));
        }
        if let Some(frame) = selector.finish_job(outcome, given) {
            self.mailbox.put_frame(frame);
        }
        Ok(())
    }

    fn describe(&mut self, parameters: StreamParameters, selector: &PictureSelector) {
        let StreamParameters { codec, width, height } = parameters;
        let info = StreamInfo { codec: codec.name().to_owned(), width, height, frame_rate: None, keyframe_s: None };
        self.info = Some(info);
        self.refresh_info(selector);
    }

    /// Tells the measured pace when it is new or has changed by a tenth.
    fn refresh_info(&mut self, selector: &PictureSelector) {
        let Some(known) = &mut self.info else { return };
        let frame_rate = selector.rate.frame_rate();
        let keyframe_s = selector.rate.measured_keyframe_gap().map(|gap| gap.as_secs_f32());
        let first = known.frame_rate.is_none() && known.keyframe_s.is_none();
        if first || moved(known.frame_rate, frame_rate) || moved(known.keyframe_s, keyframe_s) {
            (known.frame_rate, known.keyframe_s) = (frame_rate, keyframe_s);
            self.mailbox.put_info(known.clone());
        }
    }

    /// Tells a state once; the detail alone is news only while something is wrong.
    fn report(&mut self, state: StreamState, detail: String) {
        let news = match &self.state {
            Some((known, _)) if *known == state && state == StreamState::Ok => false,
            Some((known, known_detail)) => *known != state || *known_detail != detail,
            None => true,
        };
        if !news {
            return;
        }
        self.state = Some((state, detail.clone()));
        self.mailbox.put_state(StreamReport { state, at: self.shared.clock.now(), detail });
    }
}

/// The outcome of the pending job, `None` in it if the job was lost; never returns without a job.
async fn outcome_of(pending: &mut Option<Pending>) -> Option<(Outcome, usize)> {
    let Some(job) = pending else { return std::future::pending().await };
    let outcome = (&mut job.outcome).await.ok();
    let given = job.given;
    *pending = None;
    outcome.map(|outcome| (outcome, given))
}

fn describe_session(session: &Session) -> String {
    session.transport().map_or_else(|| "clip".to_owned(), |transport| format!("RTP over {transport:?}"))
}

fn moved(known: Option<f32>, measured: Option<f32>) -> bool {
    match (known, measured) {
        (Some(known), Some(measured)) => (known - measured).abs() > known * 0.1,
        (None, Some(_)) => true,
        (Some(_) | None, None) => false,
    }
}
