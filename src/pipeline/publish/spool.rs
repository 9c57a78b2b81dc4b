//! The outbox into a directory.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::pipeline::progress::{Progress, REPORT_EVERY, Stage};
use crate::spool::{Item, Spool, SpoolError};
use crate::store::{Ack, OutboxMessage, Store, StoreError};

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

/// Writes what the outbox holds, now and whenever more comes, until `stop`; then what is left.
pub async fn run(store: Store, spool: Spool, progress: Progress, stop: CancellationToken) {
    let mut changed = store.changed();
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
            // The store is closed after this loop has ended.
            _ = changed.changed() => {}
        }
    }
    progress.retire(&Stage::Publish);
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
