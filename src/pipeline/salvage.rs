//! What was not delivered, out of a store and into a directory: from a disk that is dying, or a copy of one.
//!
//! ```text
//! <directory>/<event_id>/<revision>.json   as in a spool directory
//! <directory>/<event_id>/<picture>.jpg
//! <directory>/manifest.json                written last: what there is, and what could not be read
//! <directory>/SHA256SUMS                   for `sha256sum -c`
//! ```
//! What cannot be read is left out and named; what cannot be written ends it. Every picture that is to be written has a row
//! in the store's audit before the first of them is, in one transaction; where the store cannot be written, or must not be,
//! the manifest says so (`audit`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contract::metrics::Accounting;
use crate::contract::sequence::{Epoch, Seq};
use crate::domain::Timestamp;
use crate::spool::{self, Item, Spool, SpoolError};
use crate::store::{Actor, AuditEntry, Deed, Inspection, KeptMessage, KeptPicture, MessageState, Store, Unreadable};

/// Name of the list of everything.
pub const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";

/// Why nothing, or not everything that could be read, was written.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// Files of something else would lie among ours.
    #[error("{0}: is not empty; name a folder that does not exist yet")]
    NotEmpty(PathBuf),
    /// The disk that is written to says no.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The same, of a message.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Not to be expected of plain data.
    #[error("the manifest: {0}")]
    Json(#[from] serde_json::Error),
}

/// What was written, and what could not be read: the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Salvage {
    /// By which program.
    pub written_by: String,
    /// When.
    pub at: Timestamp,
    /// Life of the outbox, if it could be read.
    pub epoch: Option<Epoch>,
    /// What became of every message, if it could be read.
    pub accounting: Option<Accounting>,
    /// In the order in which they were written.
    pub files: Vec<SavedFile>,
    /// Whether the store's audit names these pictures: `written`, or why not.
    pub audit: String,
    /// Empty if everything that was not delivered is here.
    pub unreadable: Vec<Unreadable>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SavedFile {
    /// Below the directory.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// Event.
    pub event_id: Uuid,
    /// Number of an event message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Where the message goes; absent of a picture that was delivered, and is here for its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Where the message stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
    /// Why it is in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Writes every message that was not delivered, and the pictures of its event, into `target`, which is made for its
/// owner alone. `audit`: the store's folder, for its audit; `None` writes nothing there. Blocks.
pub fn salvage(
    store: &Inspection,
    audit: Option<&Path>,
    target: &Path,
    at: Timestamp,
) -> Result<Salvage, SalvageError> {
    prepare(target)?;
    let mut run = Run {
        store,
        spool: Spool::new(target.to_owned())?,
        pictures: BTreeSet::new(),
        files: Vec::new(),
        unreadable: Vec::new(),
    };
    let survey = store.survey();
    run.unreadable.extend(survey.unreadable);
    let wanted: Vec<_> = survey.messages.iter().filter(|message| message.state != MessageState::Delivered).collect();
    let audit = match audit {
        None => "not written: it was not to be".to_owned(),
        Some(folder) => match Store::audit_beside(folder, &departures(store, &wanted), at) {
            Ok(()) => "written".to_owned(),
            Err(error) => format!("not written: {error}"),
        },
    };
    for message in wanted {
        run.message(message)?;
    }
    let epoch = run.told("the epoch", store.epoch().map(|epoch| epoch.ok_or("is missing")));
    let accounting = run.told("the accounting", store.accounting().map(Ok::<_, &str>));
    let Run { files, unreadable, .. } = run;
    let written_by = concat!("gridwatch ", env!("CARGO_PKG_VERSION")).to_owned();
    let salvage = Salvage { written_by, at, epoch, accounting, files, audit, unreadable };
    let mut sums = String::new();
    for file in &salvage.files {
        writeln!(sums, "{}  {}", file.sha256, file.file).expect("writing to a string");
    }
    let mut manifest = serde_json::to_vec_pretty(&salvage)?;
    manifest.push(b'\n');
    for (name, body) in [(SUMS, sums.as_bytes()), (MANIFEST, &manifest)] {
        let failed = |source| SalvageError::File { path: target.join(name), source };
        spool::write_whole(target, name, body).map_err(failed)?;
    }
    Ok(salvage)
}

/// The pictures that will be written, as far as they can be named.
fn departures(store: &Inspection, messages: &[&KeptMessage]) -> Vec<AuditEntry> {
    let mut entries = BTreeMap::new();
    for event_id in messages.iter().map(|message| message.event.0) {
        for picture in store.pictures_of(event_id).unwrap_or_default().into_iter().filter(|picture| picture.kept) {
            let subject = format!("{event_id}/{}", picture.name);
            let entry = AuditEntry::new(Actor::Person, Deed::Exported, &subject).of(picture.sha256);
            entries.insert(subject, entry);
        }
    }
    entries.into_values().collect()
}

/// A folder of our own: the pictures in it are of people's streets.
fn prepare(target: &Path) -> Result<(), SalvageError> {
    let failed = |source| SalvageError::File { path: target.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(target).map_err(failed)?;
    match fs::read_dir(target).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(SalvageError::NotEmpty(target.to_owned())),
    }
}

struct Run<'a> {
    store: &'a Inspection,
    spool: Spool,
    pictures: BTreeSet<(Uuid, String)>,
    files: Vec<SavedFile>,
    unreadable: Vec<Unreadable>,
}

impl Run<'_> {
    fn message(&mut self, message: &KeptMessage) -> Result<(), SalvageError> {
        let event_id = message.event.0;
        let Some(revision) = message.event.1 else {
            if let Some(picture) = &message.picture {
                return self.picture(event_id, picture, Some(message));
            }
            self.miss(format!("picture of event {event_id} (message {})", message.id.0), &"its row is missing");
            return Ok(());
        };
        let what = || format!("event {event_id}, revision {revision}");
        match self.store.body(message) {
            Err(error) => self.miss(what(), &error),
            Ok(body) if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() => {
                self.miss(what(), &"damaged, it is not JSON any more");
            }
            Ok(body) => self.save(event_id, Item::Event { revision }, &body, Some(message))?,
        }
        match self.store.pictures_of(event_id) {
            Err(error) => self.miss(format!("list of the pictures of event {event_id}"), &error),
            Ok(pictures) => pictures.iter().try_for_each(|picture| self.picture(event_id, picture, None))?,
        }
        Ok(())
    }

    /// Once, however many messages its event has.
    fn picture(
        &mut self,
        event_id: Uuid,
        picture: &KeptPicture,
        message: Option<&KeptMessage>,
    ) -> Result<(), SalvageError> {
        if !picture.kept || !self.pictures.insert((event_id, picture.name.clone())) {
            return Ok(());
        }
        match self.store.jpeg(picture) {
            Err(error) => {
                self.miss(format!("picture {} of event {event_id}", picture.name), &error);
                Ok(())
            }
            Ok(jpeg) => self.save(event_id, Item::Evidence { id: &picture.name }, &jpeg, message),
        }
    }

    fn save(
        &mut self,
        event_id: Uuid,
        item: Item<'_>,
        body: &[u8],
        message: Option<&KeptMessage>,
    ) -> Result<(), SalvageError> {
        let path = self.spool.write(event_id, item, body)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.files.push(SavedFile {
            file: format!("{event_id}/{name}"),
            bytes: body.len() as u64,
            sha256: Sha256::digest(body).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
            event_id,
            seq: message.and_then(|message| message.seq),
            topic: message.map(|message| message.topic.clone()),
            state: message.map(|message| message.state),
            reason: message.and_then(|message| message.reason.clone()),
        });
        Ok(())
    }

    fn told<T>(&mut self, what: &str, read: Result<Result<T, &str>, impl ToString>) -> Option<T> {
        match read {
            Ok(Ok(told)) => return Some(told),
            Ok(Err(why)) => self.miss(what.to_owned(), &why),
            Err(error) => self.miss(what.to_owned(), &error),
        }
        None
    }

    fn miss(&mut self, what: String, why: &impl ToString) {
        self.unreadable.push(Unreadable { what, why: why.to_string() });
    }
}
