//! What the outbox holds, for a person: read without changing anything, also where a part of it cannot be read.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

use super::outbox::hexadecimal;
use super::pick::Pick;
use super::{Class, MessageId, StoreError, beside, database, gone, incidents, outbox, pictures, schema};
use crate::contract::command::NotKept;
use crate::contract::metrics::Accounting;
use crate::contract::sequence::{Epoch, Seq};
use crate::domain::Timestamp;
use crate::domain::incident::IncidentTransition;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// To be sent.
    Waiting,
    /// The broker has it; kept until the platform's receipt.
    AwaitingReceipt,
    /// Done with; kept so that it can be sent again.
    Delivered,
    /// Refused for good.
    Quarantined,
}

/// A message of the outbox, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMessage {
    /// Local key.
    pub id: MessageId,
    /// Number of an event message.
    pub seq: Option<Seq>,
    /// Lane.
    pub class: Class,
    /// Event, and its revision unless it is a picture.
    pub event: (Uuid, Option<u32>),
    /// Camera of the event, where that is known.
    pub camera: Option<String>,
    /// Where it goes.
    pub topic: String,
    /// Media type.
    pub content_type: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Where it stands.
    pub state: MessageState,
    /// It was delivered once.
    pub acknowledged: bool,
    /// How often the broker has taken it without a receipt.
    pub sends: u32,
    /// When it is sent again.
    pub due_at: Option<Timestamp>,
    /// Why it is in quarantine.
    pub reason: Option<String>,
    /// Size.
    pub bytes: u64,
    /// What a picture's message carries.
    pub picture: Option<KeptPicture>,
}

impl KeptMessage {
    /// Whether a person means this one.
    #[must_use]
    pub fn is(&self, pick: &Pick) -> bool {
        match pick {
            Pick::Number(number) => self.seq == Some(Seq(*number)),
            Pick::Event(event) => self.event.0 == *event,
            Pick::Picture(event, name) => {
                self.event.0 == *event && self.picture.as_ref().is_some_and(|picture| picture.name == *name)
            }
            Pick::Quarantined => self.state == MessageState::Quarantined,
        }
    }

    /// Last level of an event message's topic.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.seq.and_then(|_| self.topic.rsplit('/').next())
    }
}

/// A picture of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptPicture {
    /// Its name in the event.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// Whether it is kept still.
    pub kept: bool,
}

/// Something that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// In words.
    pub what: String,
    /// In words.
    pub why: String,
}

/// Everything that could be read, and what could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The oldest first.
    pub messages: Vec<KeptMessage>,
    /// Messages that a damaged database does not give.
    pub unreadable: Vec<Unreadable>,
}

/// A store that is only read, at one moment of it: what a running gateway writes meanwhile is not seen.
#[derive(Debug)]
pub struct Inspection {
    pub(super) connection: Connection,
    pub(super) directory: PathBuf,
    /// Deleted after the connection to it is closed.
    _copy: Option<TempDir>,
}

impl Inspection {
    /// Opens the store in `directory`, also beside a running gateway or on a disk that can only be read; `scratch`:
    /// where a copy may be made if there is no other way.
    pub fn open(directory: &Path, scratch: &Path) -> Result<Self, StoreError> {
        let (connection, copy) = beside::connect_to_read(directory, scratch)?;
        Self::begin(connection, directory, copy)
    }

    fn begin(connection: Connection, directory: &Path, copy: Option<TempDir>) -> Result<Self, StoreError> {
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection, directory: directory.to_owned(), _copy: copy })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Life of the outbox.
    pub fn epoch(&self) -> Result<Option<Epoch>, StoreError> {
        schema::read_epoch(&self.connection)
    }

    /// Version of the tables.
    pub fn schema_version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    /// What the database's own check finds; `None` if it finds nothing. Reads all of it.
    pub fn damage(&self) -> Result<Option<String>, StoreError> {
        let verdict: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((verdict != "ok").then_some(verdict))
    }

    /// What became of every message.
    pub fn accounting(&self) -> Result<Accounting, StoreError> {
        outbox::accounting(&self.connection)
    }

    /// Every message. A page that is damaged costs the messages on it and no others.
    #[must_use]
    pub fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        let (ids, broken) = self.ids();
        let last = ids.last().copied().unwrap_or(0);
        // Looked up one by one, since there is no going on after a page that cannot be read.
        let further = broken.as_ref().map(|_| last + 1..=self.highest_id(last));
        for id in ids.into_iter().chain(further.into_iter().flatten()) {
            match self.message(id) {
                Ok(found) => survey.messages.extend(found),
                Err(error) => {
                    survey.unreadable.push(Unreadable { what: format!("message {id}"), why: error.to_string() });
                }
            }
        }
        if let Some(error) = broken.filter(|_| survey.unreadable.is_empty()) {
            survey.unreadable.push(Unreadable { what: "a part of the outbox".to_owned(), why: error.to_string() });
        }
        survey
    }

    /// Keys in their order, up to where they cannot be read.
    fn ids(&self) -> (Vec<i64>, Option<rusqlite::Error>) {
        let mut ids = Vec::new();
        let mut read = || {
            let mut statement = self.connection.prepare("SELECT id FROM outbox NOT INDEXED ORDER BY id")?;
            for id in statement.query_map([], |row| row.get(0))? {
                ids.push(id?);
            }
            Ok(())
        };
        let broken = read().err();
        (ids, broken)
    }

    /// The highest key that was ever given, or a bound for looking beyond `last` if that is unknown.
    fn highest_id(&self, last: i64) -> i64 {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'";
        self.connection.query_row(sql, [], |row| row.get(0)).unwrap_or(last + 10_000)
    }

    fn message(&self, id: i64) -> Result<Option<KeptMessage>, StoreError> {
        let sql = "SELECT seq, class, event_id, revision, topic, content_type, created_ms, state, acked, sends, due_ms,
                   reason, length(body), evidence FROM outbox WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = statement.query_row([id], |row| {
            let message = KeptMessage {
                id: MessageId(id),
                seq: row.get::<_, Option<u64>>(0)?.map(Seq),
                class: Class::from_number(row.get(1)?),
                event: (row.get(2)?, row.get(3)?),
                camera: None,
                topic: row.get(4)?,
                content_type: row.get(5)?,
                written_at: moment(row, 6)?.unwrap_or_default(),
                state: match row.get(7)? {
                    0 => MessageState::Waiting,
                    1 => MessageState::AwaitingReceipt,
                    2 => MessageState::Delivered,
                    _ => MessageState::Quarantined,
                },
                acknowledged: row.get(8)?,
                sends: row.get(9)?,
                due_at: moment(row, 10)?,
                reason: row.get(11)?,
                bytes: row.get::<_, Option<u64>>(12)?.unwrap_or(0),
                picture: None,
            };
            Ok((message, row.get::<_, Option<i64>>(13)?))
        });
        let Some((mut message, evidence)) = row.optional()? else { return Ok(None) };
        if let Some(evidence) = evidence {
            let picture = self.pictures("evidence.id = ?1", evidence)?.pop();
            message.bytes = picture.as_ref().map_or(0, |picture| picture.bytes);
            message.picture = picture;
        }
        let mut camera = self.connection.prepare_cached("SELECT camera FROM event WHERE event_id = ?1")?;
        // Not worth a message: a damaged table of events leaves the message whole.
        message.camera = camera.query_row([message.event.0], |row| row.get(0)).ok();
        Ok(Some(message))
    }

    /// Every picture of an event.
    pub fn pictures_of(&self, event_id: Uuid) -> Result<Vec<KeptPicture>, StoreError> {
        self.pictures("event_id = ?1", event_id)
    }

    fn pictures(&self, which: &str, parameter: impl rusqlite::ToSql) -> Result<Vec<KeptPicture>, StoreError> {
        let sql = format!(
            "SELECT name, picture.id, bytes, sha256, present FROM evidence JOIN picture ON picture.id = picture
             WHERE {which} ORDER BY evidence.id"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([parameter], |row| {
            let file = pictures::file(&self.directory, row.get(1)?);
            Ok(KeptPicture { name: row.get(0)?, file, bytes: row.get(2)?, sha256: row.get(3)?, kept: row.get(4)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A message's bytes as they would leave.
    pub fn body(&self, message: &KeptMessage) -> Result<Vec<u8>, StoreError> {
        if let Some(picture) = &message.picture {
            return self.jpeg(picture);
        }
        let mut statement = self.connection.prepare_cached("SELECT body FROM outbox WHERE id = ?1")?;
        let body: Option<Vec<u8>> = statement.query_row([message.id.0], |row| row.get(0))?;
        Ok(body.unwrap_or_default())
    }

    /// A picture's bytes, if they are those that were stored.
    pub fn jpeg(&self, picture: &KeptPicture) -> Result<Vec<u8>, StoreError> {
        let bytes = std::fs::read(&picture.file).map_err(|error| database::file_error(&picture.file, error))?;
        if hexadecimal(&Sha256::digest(&bytes)) == picture.sha256 {
            Ok(bytes)
        } else {
            Err(StoreError::Altered(picture.file.clone()))
        }
    }

    /// Numbers from `first` to `last` that were given and are not kept any more.
    pub fn not_kept(&self, first: u64, last: u64) -> Result<Vec<NotKept>, StoreError> {
        Ok(gone::not_kept(&self.connection, first, last, usize::MAX)?.0)
    }

    /// Every step of an incident, the first one first.
    pub fn timeline(&self, event_id: Uuid) -> Result<Vec<IncidentTransition>, StoreError> {
        incidents::timeline(&self.connection, event_id)
    }

    /// The platform's latest word on an event, as it was understood.
    pub fn feedback(&self, event_id: Uuid) -> Result<Option<serde_json::Value>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT feedback FROM event WHERE event_id = ?1")?;
        let text: Option<Option<String>> = statement.query_row([event_id], |row| row.get(0)).optional()?;
        Ok(text.flatten().map(|text| serde_json::from_str(&text)).transpose()?)
    }
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}
