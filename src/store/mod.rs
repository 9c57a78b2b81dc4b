//! What must survive a power cut: outbox, timeline, evidence files, analyzer state, authentication stops.
//!
//! # On disk, under `state_dir`
//! ```text
//! lock                    held (flock) by the one process that keeps house here
//! gridwatch.db, -wal      SQLite, WAL, synchronous=FULL: a commit that returned survives a power cut
//! evidence/<id>.jpg       pictures; the name is the integer key of a `picture` row
//! evidence/<id>.tmp       a picture being written
//! ballast                 space to fall back on when the disk is full
//! mark                    how far the outbox had come, so that a log that lost its end is noticed
//! *.bad-<n>               a damaged database and its pictures, set aside; only the latest is kept
//! ```
//! A picture is written to `.tmp`, synced, renamed, its folder synced, and only then gets its row. Its
//! row goes into `garbage` in the transaction that lets go of it, and leaves `garbage` when the file is
//! gone. At start garbage is collected and files without a row are deleted. So every file is in exactly
//! one of: has a row, is garbage, is an orphan of a crash.
//!
//! `outbox.id` is the local key of a message, never used twice. `outbox.seq` numbers event messages for
//! the platform; numbers that will never be sent stand in `gone` and are told in the next event, those that were
//! delivered and deleted since are named to whoever asks for them. States:
//! ```text
//! pending ──BrokerAcked──▶ awaiting receipt ──due again──▶ (sent again) ──receipt──▶ released
//!    └────────Released────────────────────────────────────────────────────────────▶ released
//!    └──Quarantined──▶ quarantined         released, quarantined ──resync, requeue──▶ pending
//! ```
//! Invariant: produced = acknowledged + pending + superseded + quarantined + lost. A row that was once
//! acknowledged stays acknowledged when it is sent again; rows and counters change in one transaction.
//!
//! Deleted for age: pictures that were delivered or never became a message, kept snapshots, and closed
//! incidents whose messages were all acknowledged.
//!
//! Given up for space, first to last: pictures of closed incidents that were delivered; of closed
//! incidents not yet delivered; of open incidents that were delivered; kept snapshots; pictures of open
//! incidents. In the database: acknowledged messages, timelines of closed incidents but their last step,
//! closed incidents without messages, timelines of open incidents but their first and last step,
//! quarantined messages, pending updates, pending closed, pending opened; the oldest first each time. A
//! quarter of the space is for pending messages whatever else takes it. Every message dropped is counted in
//! the transaction that drops it.
//!
//! `audit` is the hash-chained audit ([`audit`]). `outbox.audited` says that a picture's departure is written down there,
//! which happens before the message is handed out; it is taken back when the message is done with.
//!
//! One connection on one thread behind a queue of [`QUEUE`] jobs; a full queue makes the caller wait. Other processes
//! only read ([`Inspection`]), or take messages back in one transaction ([`Store::requeue_beside`]).

mod again;
mod age;
mod aside;
mod audit;
mod beside;
mod cameras;
mod commit;
mod database;
mod deleted;
mod doubt;
mod error;
mod gone;
mod incidents;
mod inspect;
mod lock;
mod mark;
mod mending;
mod outbox;
mod pick;
mod pictures;
mod quota;
mod records;
mod requeue;
mod retention;
mod schema;
mod seal;
mod space;
mod standing;
mod turns;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::model::Storage;
use crate::contract::feedback::Feedback;
use crate::contract::grid_event::{EvidenceEntry, Transport};
use crate::contract::metrics::Accounting;
use crate::contract::sequence::Seq;
use crate::domain::camera::CameraId;
use crate::domain::incident::{IncidentTransition, SnapshotId};
pub use audit::{Actor, AuditEntry, AuditRow, Broken, Carrier, Deed, Verified, verify as verify_audit};
use database::Database;
pub use doubt::Misdated;
pub use error::StoreError;
pub use inspect::{Inspection, KeptMessage, KeptPicture, MessageState, Survey, Unreadable};
pub use pick::{Pick, PickError};
pub use records::{
    Ack, AuthKey, Class, Commit, Draft, EventRecord, FeedbackOutcome, Housekeeping, MessageId, NewPicture, OpenReport,
    OutboxMessage, Pending, PictureMeta, Render, SnapshotUse,
};
pub use requeue::Requeued;
pub use retention::{Deleted, Files, Kept, Retention};
pub use turns::Turn;

/// Jobs that may wait for the store's thread.
pub const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// Handle of the store; clones share the one thread.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    changed: watch::Receiver<u64>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store, repairs what a crash left, and starts its thread. Blocks for as long
    /// as the check of the database takes.
    pub fn open(config: &Storage, clock: Arc<dyn Clock>) -> Result<(Self, OpenReport), StoreError> {
        let (wake, changed) = watch::channel(0);
        let (mut database, report) = Database::open(config, clock, wake)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let run = move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut database);
                if database.closed {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(run);
        let thread = thread.map_err(|source| StoreError::File { path: config.state_dir.clone(), source })?;
        Ok((Self { jobs, changed, thread: Arc::new(Mutex::new(Some(thread))) }, report))
    }

    async fn call<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        // A caller that went away does not want the answer; the work is done all the same.
        let job: Job = Box::new(move |database| {
            let result = job(database);
            if let Err(error) = &result {
                database.give_up_if_damaged(error);
            }
            drop(answer.send(result));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Changes whenever there may be something to send.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Keeps a picture of a camera; a picture of the same name is replaced.
    pub async fn keep_snapshot(
        &self,
        camera: CameraId,
        snapshot: SnapshotId,
        picture: NewPicture,
    ) -> Result<(), StoreError> {
        self.call(move |db| db.keep_snapshot(&camera, snapshot, &picture)).await
    }

    /// Lets a kept picture go; events that use it keep it.
    pub async fn discard_snapshot(&self, camera: CameraId, snapshot: SnapshotId) -> Result<(), StoreError> {
        self.call(move |db| db.discard_snapshot(&camera, snapshot)).await
    }

    /// What is known of kept pictures; those not kept are missing from the answer.
    pub async fn snapshot_meta(
        &self,
        camera: CameraId,
        snapshots: Vec<SnapshotId>,
    ) -> Result<Vec<(SnapshotId, PictureMeta)>, StoreError> {
        self.call(move |db| db.snapshot_meta(&camera, &snapshots)).await
    }

    /// Pictures of an event in the order of their names' numbers; those given up say `Gone`.
    pub async fn evidence_of(&self, event_id: Uuid, transport: Transport) -> Result<Vec<EvidenceEntry>, StoreError> {
        self.call(move |db| db.evidence_of(event_id, transport)).await
    }

    /// Writes what one look changed. When this returns, it survives a power cut. The numbers are those
    /// of the drafts, in order. A step whose event and revision are there already is left out with its
    /// drafts, so that a commit may be repeated.
    pub async fn commit(&self, commit: Commit) -> Result<Vec<Seq>, StoreError> {
        self.call(move |db| db.commit(&commit)).await
    }

    /// Up to `limit` messages to send now, most urgent first, without those in `in_flight`.
    pub async fn next_batch(&self, limit: usize, in_flight: Vec<MessageId>) -> Result<Vec<OutboxMessage>, StoreError> {
        self.call(move |db| db.next_batch(limit, &in_flight)).await
    }

    /// Records what became of attempts, in one transaction.
    pub async fn acknowledge(&self, acks: Vec<(MessageId, Ack)>) -> Result<(), StoreError> {
        self.call(move |db| db.acknowledge(&acks)).await
    }

    /// The platform has this revision: lets it and earlier ones that were sent go. Returns how many.
    pub async fn receipt(&self, event_id: Uuid, revision: u32) -> Result<u64, StoreError> {
        self.call(move |db| db.receipt(event_id, revision)).await
    }

    /// Whether the platform has ever sent a receipt.
    pub async fn receipts_seen(&self) -> Result<bool, StoreError> {
        self.call(Database::receipts_seen).await
    }

    /// Messages that wait.
    pub async fn pending(&self) -> Result<Pending, StoreError> {
        self.call(Database::pending).await
    }

    /// Makes messages pending again, in one transaction, from a process beside a running gateway, which finds them
    /// at its next look into the outbox. The accounting holds: what was delivered once stays so.
    pub fn requeue_beside(state_dir: &Path, picks: &[Pick]) -> Result<Vec<Requeued>, StoreError> {
        requeue::requeue_beside(state_dir, picks)
    }

    /// Sends a picture again; false if it is not there any more.
    pub async fn requeue_evidence(&self, event_id: Uuid, id: String) -> Result<bool, StoreError> {
        self.call(move |db| db.requeue_evidence(event_id, &id)).await
    }

    /// What became of every message.
    pub async fn accounting(&self) -> Result<Accounting, StoreError> {
        self.call(Database::accounting).await
    }

    /// How often the accounting was found wrong in this life of the outbox: never, unless there is a mistake.
    pub async fn accounting_mismatches(&self) -> Result<u64, StoreError> {
        self.call(Database::accounting_mismatches).await
    }

    /// Lost messages by reason.
    pub async fn losses(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.call(Database::losses).await
    }

    /// Highest number given to an event.
    pub async fn last_seq(&self) -> Result<Seq, StoreError> {
        self.call(Database::last_seq).await
    }

    /// The analyzer's state as it was committed last.
    pub async fn load_analyzer(&self, camera: CameraId) -> Result<Option<String>, StoreError> {
        self.call(move |db| db.load_analyzer(&camera)).await
    }

    /// Every step of an incident, the first one first.
    pub async fn timeline(&self, event_id: Uuid) -> Result<Vec<IncidentTransition>, StoreError> {
        self.call(move |db| db.timeline(event_id)).await
    }

    /// An incident as it stands.
    pub async fn latest_event(&self, event_id: Uuid) -> Result<Option<EventRecord>, StoreError> {
        self.call(move |db| db.latest_event(event_id)).await
    }

    /// Latest steps of a camera's incidents that are not closed, the oldest incident first.
    pub async fn open_events(&self, camera: CameraId) -> Result<Vec<IncidentTransition>, StoreError> {
        self.call(move |db| db.open_events(&camera)).await
    }

    /// Records the platform's word; the highest `seq` of an event wins. A verdict (rejected, false alarm,
    /// handled, closed) counts as not applied until it is marked.
    pub async fn record_feedback(&self, feedback: Feedback) -> Result<FeedbackOutcome, StoreError> {
        self.call(move |db| db.record_feedback(&feedback)).await
    }

    /// Verdicts on a camera's incidents that its analyzer has not applied; the latest of each incident.
    pub async fn unapplied_feedback(&self, camera: CameraId) -> Result<Vec<Feedback>, StoreError> {
        self.call(move |db| db.unapplied_feedback(&camera)).await
    }

    /// The verdict of this number, and those before it, have taken effect or can have none.
    pub async fn mark_applied(&self, event_id: Uuid, seq: u64) -> Result<(), StoreError> {
        self.call(move |db| db.mark_applied(event_id, seq)).await
    }

    /// Deletes what is too old, gives up what is too much, checks the accounting. To be called every
    /// minute.
    pub async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.call(Database::housekeep).await
    }

    /// Does what was asked before, folds the log into the database and ends the thread: other clones of
    /// the handle get [`StoreError::Closed`].
    pub async fn close(self) -> Result<(), StoreError> {
        let result = self.call(Database::close).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has told so on its own; its database is as safe as after a crash.
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
        result
    }
}
