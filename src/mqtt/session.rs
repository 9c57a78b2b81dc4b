//! The client's half of a persistent session, for a client that has nothing in flight of its own.
//!
//! The library refuses to resume a session that the broker still has (`session_present`) unless it finds
//! its own half of it: packet ids of messages that it published and that are unanswered. The downlink
//! publishes nothing that must survive, and incoming messages of `QoS` 1 leave no trace in that state, so
//! its half is empty by construction: a new process can say so truthfully, without a file. What the
//! broker still holds for us (feedback of days) is delivered, and packet ids may be used for SUBSCRIBE.

use std::future::{Future, ready};
use std::pin::Pin;

use rumqttc::{PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Always answers: nothing in flight.
#[derive(Debug)]
pub(super) struct NothingInFlight {
    pub(super) session_expiry_s: u32,
}

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        Box::pin(ready(Ok(Some(PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(self.session_expiry_s),
            outgoing_inflight_upper_limit: None,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        }))))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }
}
