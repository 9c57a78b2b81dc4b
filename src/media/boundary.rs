//! The messages between the pipeline and whatever reads cameras.
//!
//! Nothing here holds a type of the RTSP or decoding library, so that the other side can become a
//! process of its own without a change on this side.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::{DecodeMode, Secret, Transport};
use crate::domain::Timestamp;
use crate::domain::camera::{CameraId, LookPlan, StreamInfo, StreamState};
use crate::domain::frame::Frame;

/// Gives the pictures of one camera or clip.
pub trait FrameSource: Send {
    /// The next thing that happens, given when the next picture is wanted. Cancel-safe: a call that
    /// is dropped loses nothing, and the next call may bring another plan.
    ///
    /// Each frame that is returned answers the request for it: the next call asks for another, later one,
    /// even with the same plan. Until then the source makes no further frame.
    fn next(&mut self, plan: LookPlan) -> impl Future<Output = SourceEvent> + Send;
}

/// What a source has to say.
#[derive(Debug, Clone)]
pub enum SourceEvent {
    /// A picture at or after the wanted moment.
    Frame(Arc<Frame>),
    /// The state of the stream changed.
    State(StreamReport),
    /// The stream turned out to be this, or changed into it.
    Info(StreamInfo),
    /// A clip has ended, or the source was stopped: nothing follows.
    Ended,
}

/// A change of a stream's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The new state.
    pub state: StreamState,
    /// Since when.
    pub at: Timestamp,
    /// In words a field installer understands; never holds a credential.
    pub detail: String,
}

/// Order to watch one camera. Plain data, so that it can be sent to another process.
#[derive(Debug, Clone)]
pub struct WatchCamera {
    /// On every log line.
    pub id: CameraId,
    /// Where the pictures come from, with the secret read.
    pub source: ResolvedSource,
    /// How much is decoded.
    pub decode: DecodeMode,
    /// Compressed pictures kept, in bytes.
    pub ring_max_bytes: usize,
}

/// A source whose secret has been read.
#[derive(Clone)]
pub enum ResolvedSource {
    /// A camera.
    Rtsp {
        /// Credentials in it are removed before use.
        url: Url,
        /// Login name.
        username: Option<String>,
        /// Login password.
        password: Option<Secret>,
        /// RTP over what; TCP falls back to UDP when the camera answers 461.
        transport: Transport,
    },
    /// A clip, played in real time.
    File {
        /// The clip.
        path: PathBuf,
        /// Start again at its end.
        repeat: bool,
    },
}

impl fmt::Debug for ResolvedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp { url, transport, .. } => write!(f, "Rtsp({} over {transport:?})", without_credentials(url)),
            Self::File { path, repeat } => write!(f, "File({}, repeat: {repeat})", path.display()),
        }
    }
}

/// The URL without user name and password: the only form that may be shown.
#[must_use]
pub fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only for URLs that cannot hold credentials.
    if url.set_username("").is_ok() && url.set_password(None).is_ok() {
        return url;
    }
    url
}

/// An account on a device. Ports are left out on purpose: a lock-out is the device's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AuthKey {
    /// Host name or address, lower case.
    pub host: String,
    /// Login name; empty without one.
    pub account: String,
    /// SHA-256 of host, account and password, hexadecimal: another password is another key, which
    /// lifts the stop.
    pub fingerprint: String,
}

impl AuthKey {
    /// The key of one login.
    #[must_use]
    pub fn new(host: &str, account: &str, password: Option<&Secret>) -> Self {
        let host = host.to_ascii_lowercase();
        let mut digest = Sha256::new();
        for part in [host.as_str(), account, password.map_or("", Secret::expose)] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let fingerprint = digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Self { host, account: account.to_owned(), fingerprint }
    }
}

/// Counts refused logins per account and host, durably where the implementation is: a service that
/// restarts for ever must not lock an account.
///
/// An implementation that cannot write must count in memory instead and say so in the log.
pub trait AuthLedger: Send + Sync + fmt::Debug {
    /// Refused logins since the last success.
    fn failures<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32>;
    /// Counts one more, durably before it returns; answers the new count.
    fn record_failure<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32>;
    /// A login worked.
    fn clear<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()>;
}

/// Refused logins after which an account is left alone.
pub const MAX_AUTH_FAILURES: u32 = 2;

/// What happened to one camera's pictures since it is watched. Every loss has its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MediaCounts {
    /// Pictures received, compressed.
    pub units: u64,
    /// RTP packets that the sequence numbers say were lost.
    pub lost_packets: u64,
    /// Access units over the size limit, dropped.
    pub oversize: u64,
    /// Access units that left the ring before they were decoded.
    pub ring_dropped: u64,
    /// Pictures decoded.
    pub decoded: u64,
    /// Access units or pictures that the decoder refused, or gave back damaged.
    pub decode_errors: u64,
    /// Frames that were older than the plan when they were ready or fetched.
    pub replaced: u64,
    /// Connections made.
    pub sessions: u64,
}

impl std::ops::Add for MediaCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            units: self.units.saturating_add(other.units),
            lost_packets: self.lost_packets.saturating_add(other.lost_packets),
            oversize: self.oversize.saturating_add(other.oversize),
            ring_dropped: self.ring_dropped.saturating_add(other.ring_dropped),
            decoded: self.decoded.saturating_add(other.decoded),
            decode_errors: self.decode_errors.saturating_add(other.decode_errors),
            replaced: self.replaced.saturating_add(other.replaced),
            sessions: self.sessions.saturating_add(other.sessions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_password_is_another_key_and_none_is_readable() {
        let key = |password: &str| AuthKey::new("Camera.local", "admin", Some(&Secret::new(password.to_owned())));
        assert_eq!(key("one"), key("one"));
        assert_ne!(key("one"), key("two"));
        assert!(!format!("{:?}", key("hunter2")).contains("hunter2"));
        assert_eq!(key("one").host, "camera.local");
    }
}
