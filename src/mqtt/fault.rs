//! Why a connection ended, in words that name the culprit and never a secret.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enums are long and grow; the rest is shown as it is"
)]

use std::io;
use std::time::Duration;

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::tokio_rustls::rustls::{self, AlertDescription, CertificateError};
use rumqttc::{ConnectReturnCode, ConnectionError, DisconnectReasonCode, StateError, SubscribeReasonCode, TlsError};

/// Why a connection could not be made, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("broker {address}: {text}")]
pub struct LinkFault {
    /// `host:port`.
    pub address: String,
    /// Decides how soon to try again.
    pub kind: FaultKind,
    /// In words.
    pub text: String,
}

/// What kind of culprit a [`LinkFault`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No such host, nobody listens, no route.
    Unreachable,
    /// Our own certificates, keys or password cannot be used: nothing was tried.
    Credentials,
    /// Their certificate, ours in their eyes, or no TLS at the other end.
    Tls,
    /// No answer to our connecting in time.
    ConnectTimeout,
    /// The broker knows us and does not want us: name, password, rights, ban.
    Refused,
    /// The broker cannot have us now: busy, moved, shutting down.
    Unavailable,
    /// A message was not answered in time, or a ping was not.
    Silent,
    /// The connection was closed by the other side.
    Closed,
    /// Another client came with our client id.
    TakenOver,
    /// What came was not MQTT 5 as the standard has it.
    Protocol,
    /// Certificates or password were replaced in their files: the connection is made anew with them.
    Renewed,
    /// We were told to stop.
    Stopped,
}

impl LinkFault {
    pub(super) fn new(address: &str, kind: FaultKind, text: impl Into<String>) -> Self {
        Self { address: address.to_owned(), kind, text: text.into() }
    }

    pub(super) fn unanswered(address: &str, after: Duration) -> Self {
        Self::new(address, FaultKind::Silent, format!("a message was not answered within {after:.0?}"))
    }

    pub(super) fn stopped(address: &str) -> Self {
        Self::new(address, FaultKind::Stopped, "stopped")
    }

    pub(super) fn renewed(address: &str) -> Self {
        Self::new(address, FaultKind::Renewed, "certificates or password were replaced: connecting anew with them")
    }

    /// Trying again soon would lock an account or fight with a twin.
    pub(super) fn calls_for_a_pause(&self) -> bool {
        matches!(self.kind, FaultKind::Refused | FaultKind::TakenOver)
    }

    /// The broker itself ended the connection, perhaps because of what we sent.
    pub(super) fn may_be_our_message(&self) -> bool {
        matches!(self.kind, FaultKind::Closed | FaultKind::Protocol)
    }

    /// The same, while the connection was being made.
    pub(super) fn of_attempt(address: &str, error: &ConnectionError) -> Self {
        let mut fault = Self::of_connection(address, error);
        if fault.kind == FaultKind::Closed {
            fault.text.push_str(" before it had accepted us: does one side expect TLS and the other not?");
        }
        fault
    }

    pub(super) fn of_connection(address: &str, error: &ConnectionError) -> Self {
        let (kind, text) = match error {
            ConnectionError::Timeout(_) => (FaultKind::ConnectTimeout, "no answer to connecting in time".to_owned()),
            ConnectionError::Io(error) => of_io(error, FaultKind::Unreachable),
            ConnectionError::Tls(error) => of_tls(error),
            ConnectionError::ConnectionRefused(code) => of_connack(*code),
            ConnectionError::MqttState(error) => of_state(error),
            ConnectionError::NotConnAck(_) => (FaultKind::Protocol, "the first packet was no CONNACK".to_owned()),
            ConnectionError::RequestsDone => (FaultKind::Stopped, "stopped".to_owned()),
            other => (FaultKind::Protocol, other.to_string()),
        };
        Self::new(address, kind, text)
    }
}

fn of_state(error: &StateError) -> (FaultKind, String) {
    match error {
        StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)) => of_io(error, FaultKind::Closed),
        StateError::Deserialization(PacketError::InvalidConnectReturnCode(code)) => {
            (FaultKind::Protocol, format!("answered with reason code {code:#04x} where MQTT has none such"))
        }
        StateError::ConnectionAborted => (FaultKind::Closed, "closed the connection".to_owned()),
        StateError::AwaitPingResp => (FaultKind::Silent, "a ping was not answered".to_owned()),
        StateError::ServerDisconnect { reason_code, reason_string } => {
            of_disconnect(*reason_code, reason_string.as_deref())
        }
        StateError::ConnFail { reason } => of_connack(*reason),
        other => (FaultKind::Protocol, other.to_string()),
    }
}

fn of_connack(code: ConnectReturnCode) -> (FaultKind, String) {
    use ConnectReturnCode as Code;
    let (kind, words) = match code {
        Code::BadUserNamePassword => (FaultKind::Refused, "user name or password is wrong"),
        Code::NotAuthorized => (FaultKind::Refused, "not authorised to connect: user name, password or rights"),
        Code::Banned => (FaultKind::Refused, "this client is banned"),
        Code::BadClientId | Code::ClientIdentifierNotValid => (FaultKind::Refused, "the client id is not accepted"),
        Code::BadAuthenticationMethod => (FaultKind::Refused, "the authentication method is not accepted"),
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
            (FaultKind::Refused, "does not speak MQTT 5")
        }
        Code::UseAnotherServer | Code::ServerMoved => (FaultKind::Unavailable, "sends us to another server"),
        Code::ServiceUnavailable | Code::ServerUnavailable => (FaultKind::Unavailable, "is not available"),
        Code::ServerBusy => (FaultKind::Unavailable, "is busy"),
        Code::ConnectionRateExceeded => (FaultKind::Unavailable, "takes no more connections now"),
        Code::QuotaExceeded => (FaultKind::Unavailable, "a quota is exceeded"),
        Code::TopicNameInvalid | Code::QoSNotSupported | Code::RetainNotSupported | Code::PacketTooLarge => {
            return (FaultKind::Refused, format!("the will is not accepted: {code:?}"));
        }
        other => return (FaultKind::Unavailable, format!("refused the connection: {other:?}")),
    };
    (kind, words.to_owned())
}

fn of_disconnect(code: DisconnectReasonCode, said: Option<&str>) -> (FaultKind, String) {
    use DisconnectReasonCode as Code;
    let (kind, words) = match code {
        Code::SessionTakenOver => (FaultKind::TakenOver, "another client connected with our client id"),
        Code::NotAuthorized => (FaultKind::Refused, "withdrew the right to be connected"),
        Code::ServerBusy => (FaultKind::Unavailable, "is busy"),
        Code::ServerShuttingDown => (FaultKind::Unavailable, "is shutting down"),
        Code::KeepAliveTimeout => (FaultKind::Silent, "heard nothing from us within the keep-alive time"),
        Code::AdministrativeAction => (FaultKind::Unavailable, "was told to end the connection"),
        // Said of all that we sent, not of a message.
        Code::QuotaExceeded => (FaultKind::Unavailable, "a quota is exceeded"),
        Code::MessageRateTooHigh => (FaultKind::Unavailable, "gets messages too fast from us"),
        Code::ConnectionRateExceeded => (FaultKind::Unavailable, "takes no more connections now"),
        Code::MaximumConnectTime => (FaultKind::Unavailable, "ends connections after a time"),
        Code::UseAnotherServer | Code::ServerMoved => (FaultKind::Unavailable, "sends us to another server"),
        Code::PacketTooLarge => (FaultKind::Protocol, "a packet was too large for it"),
        other => {
            let said = said.map_or(String::new(), |said| format!(", it says: {said}"));
            return (FaultKind::Protocol, format!("ended the connection: {other:?}{said}"));
        }
    };
    (kind, said.map_or_else(|| words.to_owned(), |said| format!("{words} (it says: {said})")))
}

/// `None`: granted.
pub(super) fn subscription_refusal(code: SubscribeReasonCode) -> Option<String> {
    match code {
        SubscribeReasonCode::Success(_) => None,
        SubscribeReasonCode::NotAuthorized => Some("not authorised to subscribe".to_owned()),
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => Some("the broker takes no wildcards".to_owned()),
        SubscribeReasonCode::QuotaExceeded => Some("a quota at the broker is exceeded".to_owned()),
        other => Some(format!("refused: {other:?}")),
    }
}

fn of_io(error: &io::Error, otherwise: FaultKind) -> (FaultKind, String) {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return (FaultKind::Tls, tls_words(tls));
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (FaultKind::Unreachable, "nobody listens there".to_owned()),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            (FaultKind::Closed, "closed the connection".to_owned())
        }
        io::ErrorKind::TimedOut => (FaultKind::Silent, "the line is dead".to_owned()),
        _ => (otherwise, error.to_string()),
    }
}

fn of_tls(error: &TlsError) -> (FaultKind, String) {
    match error {
        TlsError::Io(error) => of_io(error, FaultKind::Tls),
        TlsError::TLS(error) => (FaultKind::Tls, tls_words(error)),
        TlsError::DNSName(_) => (FaultKind::Tls, "the host name cannot stand in a certificate".to_owned()),
        other => (FaultKind::Tls, other.to_string()),
    }
}

pub(super) fn tls_words(error: &rustls::Error) -> String {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired (or the clock of this box is ahead)".to_owned()
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is the clock of this box right?".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another host name".to_owned()
            }
            Bad::UnknownIssuer | Bad::BadSignature => {
                "its certificate is signed by an authority that is not among the trusted ones (ca_file)".to_owned()
            }
            Bad::Revoked => "its certificate was revoked".to_owned(),
            other => format!("its certificate is not accepted: {other}"),
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "asks for a client certificate and none is configured".to_owned()
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            // What OpenSSL answers to the certificate of another authority that bears the same name.
            | AlertDescription::DecryptError),
        ) => format!("does not accept our client certificate: {alert:?}"),
        rustls::Error::InvalidMessage(_) => "does not speak TLS on this port".to_owned(),
        other => format!("TLS: {other}"),
    }
}
