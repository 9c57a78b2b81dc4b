//! The MQTT 5 transport: two connections to one broker, and nothing that must survive a crash.
//!
//! - [`Uplink`] publishes. Clean start, a new client for every connection, a bounded window of
//!   unanswered messages, a deadline for each answer. Whoever keeps the messages keeps them until the
//!   answer is [`UplinkEvent::Acknowledged`]; this module remembers nothing across a connection.
//! - [`Downlink`] receives. Persistent session at the broker, the will, one acknowledgement for each
//!   message once its consumer has said so.
//!
//! No type of the MQTT library leaves this module.

mod check;
mod client;
mod downlink;
mod fault;
mod flight;
mod message;
mod options;
mod rate;
mod session;
mod tls;
mod trusted_time;
mod uplink;

pub use check::{BrokerReport, Grant, check_broker};
pub use downlink::{Downlink, DownlinkEvent, DownlinkOptions, SESSION_EXPIRY, Will};
pub use fault::{FaultKind, LinkFault};
pub use message::{Connected, Incoming, Publication, Qos, Refusal, RefusalKind};
pub use options::{ClientIdentity, Credentials, LinkOptions, Renew, ResolvedTls, SurelyOver};
pub use uplink::{Births, SendError, Uplink, UplinkEvent};
