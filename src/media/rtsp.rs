//! One RTSP session, from connect to TEARDOWN. Every request has a timeout of ours: the library has none.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, Described, PlayOptions, Session, SessionGroup, SessionOptions, SetupOptions,
    TcpTransportOptions, UdpTransportOptions,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParameters, VideoParametersCodec};
use url::Url;

use super::access_unit::{Codec, is_h265_irap};
use super::boundary::{AuthKey, MAX_AUTH_FAILURES, without_credentials};
use super::gate::LoginGate;
use super::ingest::{Fault, Received, StreamParameters};
use super::rate::FloodGuard;
use super::sps;
use crate::clock::Clock;
use crate::config::{Secret, Transport};
use crate::domain::camera::StreamState;

/// Where to log in, and as whom.
#[derive(Clone)]
pub(super) struct Login {
    pub url: Url,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub transport: Transport,
}

/// What a session may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub request_timeout: Duration,
    pub teardown_timeout: Duration,
    pub max_pixels: u32,
}

/// A session that plays.
pub(super) struct RtspSession {
    demuxed: Pin<Box<Demuxed>>,
    stream: usize,
    codec: Codec,
    max_pixels: u32,
    group: Arc<SessionGroup>,
    clock: Arc<dyn Clock>,
    transport: Transport,
    /// Parameter sets of the pictures being received, Annex B.
    parameter_sets: Option<Bytes>,
    first: bool,
    flood: FloodGuard,
}

impl fmt::Debug for RtspSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspSession({} over {:?})", self.codec.name(), self.transport)
    }
}

/// Connects, logs in and starts to play. A refused login is on record when this returns.
pub(super) async fn open(
    login: &Login,
    limits: Limits,
    gate: &dyn LoginGate,
    clock: Arc<dyn Clock>,
) -> Result<RtspSession, Fault> {
    match open_over(login, login.transport, limits, gate, &clock).await {
        Err(Refused { status: Some(461), .. }) if login.transport == Transport::Tcp => {
            open_over(login, Transport::Udp, limits, gate, &clock).await.map_err(|refused| refused.fault)
        }
        other => other.map_err(|refused| refused.fault),
    }
}

struct Refused {
    status: Option<u16>,
    fault: Fault,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { status: None, fault }
    }
}

async fn open_over(
    login: &Login,
    transport: Transport,
    limits: Limits,
    gate: &dyn LoginGate,
    clock: &Arc<dyn Clock>,
) -> Result<RtspSession, Refused> {
    let url = without_credentials(&login.url);
    if url.scheme() != "rtsp" {
        return Err(Fault::offline(format!("{}: addresses are not supported, only rtsp:", url.scheme())).into());
    }
    let account = login.username.as_deref().unwrap_or_default();
    let key = AuthKey::new(url.host_str().unwrap_or_default(), account, login.password.as_ref());
    let Some(turn) = gate.enter(&key).await else {
        return Err(stopped(&key).into());
    };
    let group = Arc::new(SessionGroup::default());
    let played = play(login, url, transport, limits, &group).await;
    let played = played.map_err(|refused| match refused.status {
        Some(401) => Refused { fault: Fault::offline(login_refused(login)), ..refused },
        _ => refused,
    });
    match &played {
        Err(Refused { status: Some(401), .. }) => {
            if gate.refused(&key).await >= MAX_AUTH_FAILURES {
                return Err(stopped(&key).into());
            }
        }
        // Any answer to an authenticated request but 401 means that the password was taken.
        Ok(_) | Err(Refused { status: Some(453 | 461), .. }) => gate.accepted(&key).await,
        Err(_) => {}
    }
    drop(turn);
    let (playing, stream, codec) = match played {
        Ok(played) => played,
        Err(refused) => {
            end_session(&group, limits.teardown_timeout).await;
            return Err(refused);
        }
    };
    Ok(RtspSession {
        demuxed: Box::pin(playing),
        stream,
        codec,
        max_pixels: limits.max_pixels,
        group,
        clock: Arc::clone(clock),
        transport,
        parameter_sets: None,
        first: true,
        flood: FloodGuard::default(),
    })
}

/// In words, with what is most likely missing.
fn login_refused(login: &Login) -> String {
    match (&login.username, &login.password) {
        (None, _) => "the camera asks for a login, and no user name is given".to_owned(),
        (Some(name), None) => format!("the camera refused the login of `{name}`: no password is given"),
        (Some(name), Some(_)) => format!("the camera refused the login of `{name}`: check its name and password"),
    }
}

fn stopped(key: &AuthKey) -> Fault {
    let account = if key.account.is_empty() { "no user name" } else { key.account.as_str() };
    let detail = format!(
        "{} refused the login of `{account}` {MAX_AUTH_FAILURES} times; no more attempts until the configuration changes",
        key.host
    );
    Fault::new(StreamState::AuthFailed, detail)
}

async fn play(
    login: &Login,
    url: Url,
    transport: Transport,
    limits: Limits,
    group: &Arc<SessionGroup>,
) -> Result<(Demuxed, usize, Codec), Refused> {
    let credentials = login.username.as_ref().map(|username| Credentials {
        username: username.clone(),
        password: login.password.as_ref().map_or_else(String::new, |password| password.expose().to_owned()),
    });
    let options = SessionOptions::default()
        .creds(credentials)
        .session_group(Arc::clone(group))
        .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")).to_owned());
    let timeout = limits.request_timeout;
    let mut session = within(timeout, "describe", Session::describe(url, options)).await?;
    let (stream, codec) = choose_video(&session)?;
    check_parameters(&session.streams()[stream], codec, limits.max_pixels)?;
    let over = match transport {
        Transport::Tcp => retina::client::Transport::Tcp(TcpTransportOptions::default()),
        Transport::Udp => retina::client::Transport::Udp(UdpTransportOptions::default()),
    };
    let setup = SetupOptions::default().transport(over).frame_format(FrameFormat::SIMPLE);
    within(timeout, "set-up", session.setup(stream, setup)).await?;
    let playing = within(timeout, "play", session.play(PlayOptions::default())).await?;
    let demuxed = playing.demuxed().map_err(|error| refused("play", &error))?;
    Ok((demuxed, stream, codec))
}

async fn within<T>(
    timeout: Duration,
    request: &str,
    answer: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, Refused> {
    match tokio::time::timeout(timeout, unbroken(request, answer)).await {
        Ok(answer) => answer?.map_err(|error| refused(request, &error)),
        Err(_) => Err(Fault::offline(format!("no answer to {request} within {} s", timeout.as_secs_f32())).into()),
    }
}

/// What the library gives, or a fault where it panics: its parsers assert what a camera need not keep to, and one camera must not
/// take the task of another with it. What has panicked is dropped by whoever gets the fault.
async fn unbroken<T>(request: &str, work: impl Future<Output = T>) -> Result<T, Fault> {
    let broken =
        |_| Fault::offline(format!("{request}: what the camera says cannot be understood, and broke its parser"));
    AssertUnwindSafe(work).catch_unwind().await.map_err(broken)
}

fn refused(request: &str, error: &retina::Error) -> Refused {
    let status = error.status_code();
    // The lines after the first are addresses and packet positions.
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    let fault = match status {
        Some(403) => Fault::new(StreamState::Busy, format!("{request}: forbidden (403), or no session left")),
        Some(453) => Fault::new(StreamState::Busy, format!("{request}: the camera has no bandwidth left (453)")),
        Some(404) => Fault::offline(format!("{request}: the camera knows no such stream (404): check the path")),
        Some(461) => Fault::offline(format!("{request}: the camera refuses this transport (461)")),
        Some(code @ 300..=399) => {
            Fault::offline(format!("{request}: the camera sends us elsewhere ({code}), which is not followed"))
        }
        Some(_) | None => Fault::offline(format!("{request}: {reason}")),
    };
    Refused { status, fault }
}

fn choose_video(session: &Session<Described>) -> Result<(usize, Codec), Fault> {
    let video = || session.streams().iter().enumerate().filter(|(_, stream)| stream.media() == "video");
    let known = video().find_map(|(index, stream)| match stream.encoding_name() {
        "h264" => Some((index, Codec::H264)),
        "h265" => Some((index, Codec::H265)),
        _ => None,
    });
    known.ok_or_else(|| {
        let offered: Vec<_> = video().map(|(_, stream)| stream.encoding_name()).collect();
        if offered.is_empty() {
            return Fault::offline("the camera's description names no video stream");
        }
        let detail = format!("the camera sends {}; only h264 and h265 are decoded", offered.join(", "));
        Fault::new(StreamState::CodecUnsupported, detail)
    })
}

/// `None` while the camera has not said what it sends.
fn check_parameters(
    stream: &retina::client::Stream,
    codec: Codec,
    max_pixels: u32,
) -> Result<Option<(StreamParameters, Bytes)>, Fault> {
    let Some(ParametersRef::Video(video)) = stream.parameters() else { return Ok(None) };
    let Some(sps) = sps_of(video) else { return Ok(None) };
    let unsupported = |detail: String| Fault::new(StreamState::CodecUnsupported, detail);
    let format = sps::read(codec, sps).map_err(|error| unsupported(error.to_string()))?;
    if let Some(refusal) = format.refusal(codec, max_pixels) {
        return Err(unsupported(refusal));
    }
    let parameters = StreamParameters { codec, width: format.width, height: format.height };
    Ok(Some((parameters, Bytes::copy_from_slice(video.extra_data()))))
}

fn sps_of(video: &VideoParameters) -> Option<&[u8]> {
    match video.codec_params() {
        VideoParametersCodec::H264 { sps, .. } | VideoParametersCodec::H265 { sps, .. } => Some(sps),
        VideoParametersCodec::Jpeg | _ => None,
    }
}

impl RtspSession {
    /// What RTP goes over in the end.
    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// The next picture. The end of the stream is a fault: cameras do not end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Received, Fault> {
        loop {
            let item = unbroken("stream", self.demuxed.next()).await?;
            if self.flood.exceeded(self.clock.now()) {
                return Err(Fault::offline(
                    "the camera floods us: it sends far more pictures or reports a second than any camera",
                ));
            }
            match item {
                Some(Ok(CodecItem::VideoFrame(frame))) if frame.stream_id() == self.stream => {
                    if let Some(received) = self.receive(frame)? {
                        return Ok(received);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(refused("stream", &error).fault),
                None => return Err(Fault::offline("the camera closed the connection")),
            }
        }
    }

    fn receive(&mut self, frame: VideoFrame) -> Result<Option<Received>, Fault> {
        let received_at = self.clock.now();
        let mut stream = None;
        if (frame.has_new_parameters() || self.parameter_sets.is_none())
            && let Some((parameters, sets)) =
                check_parameters(&self.demuxed.streams()[self.stream], self.codec, self.max_pixels)?
            && self.parameter_sets.as_ref() != Some(&sets)
        {
            stream = Some(parameters);
            self.parameter_sets = Some(sets);
        }
        let Some(parameter_sets) = &self.parameter_sets else { return Ok(None) };
        let open_group = self.codec == Codec::H265 && !frame.is_random_access_point() && is_h265_irap(frame.data());
        let keyframe = frame.is_random_access_point() || open_group;
        // The first picture of a session reports packets as lost that were sent before it began.
        let lost_packets = if std::mem::take(&mut self.first) { 0 } else { u32::from(frame.loss()) };
        let ticks = i128::from(frame.timestamp().elapsed()) * 1_000_000;
        let media_us = i64::try_from(ticks / i128::from(frame.timestamp().clock_rate().get())).unwrap_or(0);
        let data = if open_group {
            Bytes::from([parameter_sets.as_ref(), frame.data()].concat())
        } else {
            Bytes::from(frame.into_data())
        };
        Ok(Some(Received { media_us, at: received_at, keyframe, lost_packets, data, stream }))
    }

    /// Ends the session at the camera, which may have only few of them.
    pub(super) async fn close(self, timeout: Duration) {
        let Self { demuxed, group, .. } = self;
        drop(demuxed);
        end_session(&group, timeout).await;
    }
}

/// Waits until the camera has confirmed TEARDOWN of the dropped session, if there was one.
async fn end_session(group: &SessionGroup, timeout: Duration) {
    let confirmed = tokio::time::timeout(timeout, group.await_teardown()).await;
    if !matches!(confirmed, Ok(Ok(()))) {
        tracing::debug!("the camera did not confirm TEARDOWN");
    }
}
