//! How to reach a broker.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::fault::{FaultKind, LinkFault};
use crate::config::model::Secret;
use crate::domain::Timestamp;
use crate::domain::backoff::Backoff;

/// One connection to a broker. Times are settable for tests; [`LinkOptions::new`] has the ones for use.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// MQTT client id: `{gateway}` for the uplink, `{gateway}-rx` for the downlink.
    pub client_id: String,
    /// As the broker knows us.
    pub username: Option<String>,
    /// Never logged.
    pub password: Option<Secret>,
    /// `None` is plain TCP.
    pub tls: Option<ResolvedTls>,
    /// Asked before each attempt; its answer replaces `password` and `tls`, so that what was rotated in its
    /// files is used without a restart.
    pub renew: Option<Renew>,
    /// Whether the answer of `renew` has changed is looked at this often; a connection that was made with another one
    /// is given up and made anew.
    pub renew_every: Duration,
    /// A time that is surely over: certificates are not judged as of an earlier one, whatever the system's clock says.
    pub surely_over: Option<SurelyOver>,
    /// Time between pings, whole seconds.
    pub keep_alive: Duration,
    /// A broker may switch pings off. The downlink then says its presence again this often, to hear whether anybody is
    /// there; the uplink has messages to be answered.
    pub probe_every: Duration,
    /// Name resolution, TCP, TLS and CONNACK together.
    pub connect_timeout: Duration,
    /// A message unanswered for this long, plus the time that the bytes before it may take, means that
    /// the connection is dead.
    pub ack_deadline: Duration,
    /// The slowest line that is not taken for a dead one, in bytes a second. A faster one is given four times the time
    /// that it took before.
    pub slowest_line: u32,
    /// Unanswered messages at once; the broker's receive maximum may lower it.
    pub window: u16,
    /// Ceiling of the first wait after a failure.
    pub backoff_first: Duration,
    /// Ceiling of any wait.
    pub backoff_longest: Duration,
    /// Shortest wait after the broker refused our name or password, or gave our session to another.
    pub refused_pause: Duration,
    /// A connection that lasted this long starts the waits anew.
    pub healthy_after: Duration,
    /// A broker that ends a connection which stood for `healthy_after` may have ended those of a whole county: the next
    /// attempt is spread over this time.
    pub spread_after_end: Duration,
    /// The first attempt is spread over this time: a whole village gets its power back at once.
    pub first_attempt_within: Duration,
    /// Largest packet taken from the broker, in bytes.
    pub max_incoming_bytes: u32,
}

/// Reads password and certificates anew. The error is in words and names the file.
#[derive(Clone)]
pub struct Renew(pub Arc<dyn Fn() -> Result<Credentials, String> + Send + Sync>);

/// Tells a time that is surely over, such as the last one that was known to be right.
#[derive(Clone)]
pub struct SurelyOver(pub Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl std::fmt::Debug for SurelyOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SurelyOver(_)")
    }
}

/// What may be rotated while we run.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// As in [`LinkOptions::password`].
    pub password: Option<Secret>,
    /// As in [`LinkOptions::tls`].
    pub tls: Option<ResolvedTls>,
}

impl Credentials {
    /// Tells whether two are the same, and nothing of what they are.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let tls = self.tls.as_ref();
        let client = tls.and_then(|tls| tls.client.as_ref());
        let parts = [
            self.password.as_ref().map(|password| password.expose().as_bytes()),
            tls.map(|_| &[][..]),
            tls.and_then(|tls| tls.ca.as_deref()),
            client.map(|client| client.cert.as_slice()),
            client.map(|client| client.key.expose().as_bytes()),
        ];
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            digest.update(part.unwrap_or_default());
        }
        digest.finalize().into()
    }
}

impl std::fmt::Debug for Renew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renew(_)")
    }
}

/// Certificates, already read from wherever they are kept. PEM.
#[derive(Clone, Default)]
pub struct ResolvedTls {
    /// Authorities that may sign the broker's certificate; `None` is the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate chain and its key.
    pub client: Option<ClientIdentity>,
}

/// What we show a broker that asks who we are. PEM.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Certificate chain, our own first.
    pub cert: Vec<u8>,
    /// Private key.
    pub key: Secret,
}

impl std::fmt::Debug for ResolvedTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResolvedTls")
            .field("ca", &self.ca.as_ref().map_or("system", |_| "own"))
            .field("client", &self.client.is_some())
            .finish()
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientIdentity(***)")
    }
}

impl LinkOptions {
    /// Plain TCP without a password, with the times for use in the field.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            client_id: client_id.into(),
            username: None,
            password: None,
            tls: None,
            renew: None,
            renew_every: Duration::from_secs(60),
            surely_over: None,
            keep_alive: Duration::from_secs(30),
            probe_every: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(30),
            ack_deadline: Duration::from_secs(30),
            slowest_line: 4096,
            window: 16,
            backoff_first: Duration::from_secs(1),
            backoff_longest: Duration::from_secs(300),
            refused_pause: Duration::from_secs(60),
            healthy_after: Duration::from_secs(60),
            spread_after_end: Duration::ZERO,
            first_attempt_within: Duration::ZERO,
            max_incoming_bytes: 64 * 1024,
        }
    }

    /// How long to wait after `fault`; `stood`: the connection had lasted for `healthy_after`.
    pub(super) fn wait_after(&self, fault: &LinkFault, stood: bool, backoff: &mut Backoff) -> Duration {
        if fault.kind == FaultKind::Renewed {
            return Duration::ZERO;
        }
        let ended_for_all = stood && matches!(fault.kind, FaultKind::Closed | FaultKind::Unavailable);
        let wait = if ended_for_all {
            backoff.delay_after_end_for_all(self.spread_after_end, rand::random())
        } else {
            backoff.next_delay(rand::random())
        };
        if fault.calls_for_a_pause() { wait.max(self.refused_pause) } else { wait }
    }

    /// `host:port`, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
