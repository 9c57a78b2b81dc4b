//! Lines to journald in its own protocol, so that they can be found by camera, incident, or kind.
//!
//! A datagram is one line: `FIELD=value` each, or, where the value has line breaks, `FIELD`, its length in 64 bits
//! (little-endian) and the value. `MESSAGE` is the sentence with its values, as on a terminal: what a person reads is
//! whole, what a machine reads is beside it.

use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::messages;

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// No value needs more; a datagram has its limit.
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Fields that are this module's own or journald's; values of the same name go into the message alone.
const RESERVED: [&str; 5] = ["MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "TARGET"];

/// Hands every event to journald.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    /// Lines that journald did not take since it last took one.
    refused: AtomicU64,
}

impl Journal {
    /// Fails where nobody listens at `path`.
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A journal that hangs must not stop the box.
        socket.set_nonblocking(true)?;
        let journal = Self { socket, path: path.to_owned(), refused: AtomicU64::new(0) };
        // Without fields it is dropped there.
        journal.socket.send_to(b"", &journal.path)?;
        Ok(journal)
    }

    fn send(&self, line: &Line) {
        // By its path each time: journald may have been started anew.
        if self.socket.send_to(&line.0, &self.path).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            let mut line = Line::new(4);
            line.field("MESSAGE", &format!("the journal did not take {refused} lines before this one"));
            drop(self.socket.send_to(&line.0, &self.path));
        }
    }
}

/// One datagram.
struct Line(Vec<u8>);

impl Line {
    fn new(priority: u8) -> Self {
        let mut line = Self(Vec::with_capacity(512));
        line.field("PRIORITY", &priority.to_string());
        line.field("SYSLOG_IDENTIFIER", "gridwatch");
        line
    }

    fn field(&mut self, name: &str, value: &str) {
        let mut end = value.len().min(MAX_VALUE_BYTES);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value[..end];
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

/// What an event or a span carries.
#[derive(Debug, Default)]
struct Values {
    message: String,
    named: Vec<(&'static str, String)>,
}

impl Values {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else if let Some(known) = self.named.iter_mut().find(|(name, _)| *name == field.name()) {
            known.1 = value;
        } else {
            self.named.push((field.name(), value));
        }
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

/// `event_id` is `EVENT_ID`; names that journald does not take have none.
fn journal_name(name: &str) -> Option<String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let name = name.to_ascii_uppercase();
    (plain && begins && name.len() <= 64 && !RESERVED.contains(&name.as_str())).then_some(name)
}

/// As syslog counts.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl<S> Layer<S> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut values = Values::default();
        attributes.record(&mut values);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(values);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(values) = span.extensions_mut().get_mut::<Values>()
        {
            record.record(values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Values::default();
        event.record(&mut own);
        let mut line = Line::new(priority(*event.metadata().level()));
        let (mut message, mut after) = (String::new(), String::new());
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            for (name, value) in extensions.get::<Values>().map(|values| &values.named[..]).unwrap_or_default() {
                // The event's own word is nearer.
                if own.named.iter().any(|(other, _)| other == name) {
                    continue;
                }
                message.extend(["[", value, "] "]);
                if let Some(name) = journal_name(name) {
                    line.field(&name, value);
                }
            }
        }
        for (name, value) in &own.named {
            after.extend([" ", name, "=", value]);
            if let Some(name) = journal_name(name) {
                line.field(&name, value);
            }
        }
        line.field("TARGET", event.metadata().target());
        if let Some(id) = messages::id_of(&own.message) {
            line.field("MESSAGE_ID", &id.simple().to_string());
        }
        line.field("MESSAGE", &(message + &own.message + &after));
        self.send(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::domain::camera::CameraId;
    use crate::telemetry::camera_span;

    /// What journald would read in a datagram.
    fn parse(mut bytes: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while let Some(at) = bytes.iter().position(|byte| b"=\n".contains(byte)) {
            let name = String::from_utf8(bytes[..at].to_vec()).expect("text");
            let (start, length) = if bytes[at] == b'=' {
                (at + 1, bytes[at + 1..].iter().position(|byte| *byte == b'\n').expect("an end"))
            } else {
                let length = u64::from_le_bytes(bytes[at + 1..at + 9].try_into().expect("eight bytes"));
                (at + 9, usize::try_from(length).expect("small"))
            };
            fields.insert(name, String::from_utf8(bytes[start..start + length].to_vec()).expect("text"));
            bytes = &bytes[start + length + 1..];
        }
        fields
    }

    #[test]
    fn journald_gets_fields_and_people_get_a_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        assert!(Journal::connect(&path).is_err(), "nobody listens");
        let journald = UnixDatagram::bind(&path).expect("a socket");
        let journal = Journal::connect(&path).expect("connected");
        let mut buffer = vec![0; 65536];
        assert_eq!(journald.recv(&mut buffer).expect("the first, empty one"), 0);
        let camera = CameraId::new("gate-1").expect("an id");
        with_default(tracing_subscriber::registry().with(journal), || {
            let _camera = camera_span(&camera).entered();
            tracing::info!(event_id = "0a", seq = 7, message_id = "forged", kind = "dumping", "incident opened");
            tracing::error!(detail = "a\nb", "something else");
        });
        let mut next = || {
            let length = journald.recv(&mut buffer).expect("a line");
            parse(&buffer[..length])
        };
        let fields = next();
        let field = |name: &str| fields.get(name).map(String::as_str);
        assert_eq!(
            (field("CAMERA"), field("EVENT_ID"), field("SEQ"), field("PRIORITY"), field("KIND")),
            (Some("gate-1"), Some("0a"), Some("7"), Some("6"), Some("dumping"))
        );
        let known = messages::id_of("incident opened").map(|id| id.simple().to_string());
        assert!(known.is_some());
        assert_eq!(fields.get("MESSAGE_ID"), known.as_ref());
        assert_eq!(field("MESSAGE"), Some("[gate-1] incident opened event_id=0a seq=7 message_id=forged kind=dumping"));
        let fields = next();
        assert_eq!((fields["DETAIL"].as_str(), fields["PRIORITY"].as_str()), ("a\nb", "3"));
        assert!(!fields.contains_key("MESSAGE_ID"));
    }

    #[test]
    fn a_journal_that_hangs_costs_lines_and_says_how_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let journald = UnixDatagram::bind(&path).expect("a socket");
        let journal = Journal::connect(&path).expect("connected");
        with_default(tracing_subscriber::registry().with(journal), || {
            // The kernel's queue holds some hundred datagrams at the most.
            (0..5000).for_each(|n| tracing::info!(n, "line"));
            let mut buffer = vec![0; 65536];
            journald.set_nonblocking(true).expect("set");
            while journald.recv(&mut buffer).is_ok() {}
            tracing::info!("after");
            let length = journald.recv(&mut buffer).expect("the line itself");
            assert_eq!(parse(&buffer[..length])["MESSAGE"], "after");
            let length = journald.recv(&mut buffer).expect("the count");
            assert!(parse(&buffer[..length])["MESSAGE"].starts_with("the journal did not take "));
        });
    }
}
