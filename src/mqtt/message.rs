//! What goes out, what comes in, and what a broker says about it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Delivery guarantee; the third of MQTT is not used: our own outbox does better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// At most once.
    AtMostOnce,
    /// At least once.
    AtLeastOnce,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Comes back in the answer; 0 asks for none.
    pub token: u64,
    /// Full topic name, no wildcards.
    pub topic: String,
    /// Body, sent as it is.
    pub payload: Bytes,
    /// Delivery guarantee.
    pub qos: Qos,
    /// The broker keeps it for later subscribers; an empty payload clears what it keeps.
    pub retain: bool,
    /// The broker throws it away after this; whole seconds.
    pub expiry: Option<Duration>,
    /// Media type.
    pub content_type: Option<String>,
    /// Names the request that this answers.
    pub correlation_data: Option<Bytes>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
}

impl Publication {
    /// At least once, not retained, without expiry.
    #[must_use]
    pub fn new(token: u64, topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            token,
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            expiry: None,
            content_type: None,
            correlation_data: None,
            response_topic: None,
        }
    }

    /// The broker keeps it for later subscribers.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// At most once.
    #[must_use]
    pub fn at_most_once(mut self) -> Self {
        self.qos = Qos::AtMostOnce;
        self
    }

    /// The broker throws it away after `expiry`.
    #[must_use]
    pub fn expires_in(mut self, expiry: Duration) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Names the media type of the payload.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }
}

/// What the broker granted when it accepted a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Largest packet it takes, in bytes, header included; `None` is no limit of its own.
    pub max_packet_size: Option<u32>,
    /// Unanswered messages it takes at once.
    pub receive_max: u16,
    /// Its own keep-alive instead of ours; zero is no pings at all.
    pub server_keep_alive: Option<Duration>,
    /// It still had our session.
    pub session_present: bool,
    /// It keeps retained messages.
    pub retain_available: bool,
    /// How long it keeps our session, where it differs from what was asked.
    pub session_expiry: Option<Duration>,
}

/// What a refusal asks of whoever keeps the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The broker cannot take it now: try again later.
    HoldOff,
    /// Trying again will hardly help: three tries, then set it aside.
    GiveUpAfter3,
    /// Larger than the broker takes: never sent, and never will be as it is.
    TooLarge,
}

/// A message that was not taken although the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// MQTT 5 reason code, e.g. `0x87`.
    pub code: u8,
    /// In words, with what the broker itself said.
    pub text: String,
    /// What to do about it.
    pub kind: RefusalKind,
}

/// A message received.
#[derive(Debug)]
pub struct Incoming {
    /// Topic name.
    pub topic: String,
    /// Body.
    pub payload: Bytes,
    /// Where the sender wants the answer.
    pub response_topic: Option<String>,
    /// To be copied into the answer.
    pub correlation_data: Option<Bytes>,
    /// Media type, as the sender says.
    pub content_type: Option<String>,
    /// What was left of its life when the broker passed it on.
    pub expiry: Option<Duration>,
    /// Kept by the broker from before the subscription.
    pub retain: bool,
    /// May have been delivered before.
    pub duplicate: bool,
    pub(super) came: Instant,
    pub(super) receipt: Option<super::client::Receipt>,
}

impl Incoming {
    /// Time since it came: its life goes on while it waits here.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.came.elapsed()
    }

    /// Tells the broker that it may forget the message. Call it when the message's effect is durable:
    /// one that is dropped unacknowledged comes again with the next connection. The same happens when
    /// the connection it came by is gone.
    pub fn ack(mut self) {
        if let Some(receipt) = self.receipt.take() {
            receipt.acknowledge();
        }
    }
}
