//! The outbox into a directory.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::pipeline::deliver::Shared;
use crate::pipeline::progress::{REPORT_EVERY, Stage};
use crate::spool::{Item, Spool, SpoolError};
use crate::store::{Ack, Carrier, OutboxMessage, Store, StoreError};

/// Messages written before their acknowledgements are committed together.
const BATCH: usize = 32;

/// After a directory that cannot be written.
const PAUSE: Duration = Duration::from_secs(30);

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the program stops")]
    Stopped,
}

/// Between two searches for what is too old.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

/// Writes what the outbox holds, now and whenever more comes, until `stop`; then what is left. What is
/// older than `keep` is deleted.
pub async fn run(shared: Shared, spool: Spool, keep: Duration, stop: CancellationToken) {
    let Shared { store, progress, .. } = shared;
    if let Err(error) = store.pictures_leave_by(Carrier::Spool).await {
        tracing::error!(%error, "the audit will call the spool a broker");
    }
    let mut changed = store.changed();
    let mut expire = tokio::time::interval(EXPIRE_EVERY);
    loop {
        progress.report(&Stage::Publish);
        changed.borrow_and_update();
        let pause = match round(&store, &spool).await {
            Ok(()) => REPORT_EVERY,
            Err(error) => {
                tracing::error!(%error, "events wait in the outbox");
                PAUSE.min(REPORT_EVERY)
            }
        };
        if stop.is_cancelled() {
            break;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            _ = expire.tick() => match store.age_now().await {
                Ok(now) => remove_old(&spool, now.saturating_sub(keep).unwrap_or(Timestamp::MIN)).await,
                Err(error) => tracing::error!(%error, "the spool cannot be tidied"),
            },
            // The store is closed after this loop has ended.
            _ = changed.changed() => {}
        }
    }
    progress.retire(&Stage::Publish);
}

async fn remove_old(spool: &Spool, before: Timestamp) {
    let spool = spool.clone();
    match tokio::task::spawn_blocking(move || spool.expire(before)).await {
        Ok(Ok(expired)) if expired.files > 0 => {
            tracing::warn!(files = expired.files, "events in the spool were too old and are deleted");
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "the spool cannot be tidied"),
        Err(error) => tracing::error!(%error, "the spool cannot be tidied"),
    }
}

async fn round(store: &Store, spool: &Spool) -> Result<(), RoundError> {
    loop {
        let batch = store.next_batch(BATCH, Vec::new()).await?;
        if batch.is_empty() {
            return Ok(());
        }
        let (spool, ids) = (spool.clone(), batch.iter().map(|message| message.id).collect::<Vec<_>>());
        tokio::task::spawn_blocking(move || batch.iter().try_for_each(|message| write(&spool, message)))
            .await
            .map_err(|_| RoundError::Stopped)??;
        store.acknowledge(ids.into_iter().map(|id| (id, Ack::Released)).collect()).await?;
    }
}

fn write(spool: &Spool, message: &OutboxMessage) -> Result<(), SpoolError> {
    let (event_id, revision) = message.event;
    let item = match (&message.evidence, revision) {
        (Some(id), _) => Item::Evidence { id },
        (None, revision) => Item::Event { revision: revision.unwrap_or_default() },
    };
    spool.write(event_id, item, &message.body).map(|path| tracing::debug!(path = %path.display(), "written"))
}
