//! Refused logins, kept in the store.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::media::auth::MemoryAuthLedger;
use crate::media::boundary::{AuthKey, AuthLedger};
use crate::store::{self, Store};

/// Counts in the store, and in memory while the store refuses.
#[derive(Debug)]
pub struct StoreLedger {
    store: Store,
    memory: MemoryAuthLedger,
}

impl StoreLedger {
    /// Counts in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, memory: MemoryAuthLedger::default() }
    }
}

fn stored(key: &AuthKey) -> store::AuthKey {
    store::AuthKey { host: key.host.clone(), account: key.account.clone(), fingerprint: key.fingerprint.clone() }
}

impl AuthLedger for StoreLedger {
    fn failures<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        Box::pin(async move {
            let kept = self.store.auth_failures(stored(key)).await.unwrap_or_else(|error| {
                tracing::error!(host = key.host, %error, "refused logins cannot be read");
                0
            });
            kept.max(self.memory.failures(key).await)
        })
    }

    fn record_failure<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        Box::pin(async move {
            let in_memory = self.memory.record_failure(key).await;
            match self.store.record_auth_failure(stored(key)).await {
                Ok(kept) => kept.max(in_memory),
                Err(error) => {
                    tracing::error!(host = key.host, %error, "a refused login cannot be written; it counts until the next start");
                    in_memory
                }
            }
        })
    }

    fn clear<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.memory.clear(key).await;
            if let Err(error) = self.store.clear_auth(stored(key)).await {
                tracing::error!(host = key.host, %error, "an accepted login cannot be recorded");
            }
        })
    }
}

/// What a store held when it was read, and what happens in this process: for trying cameras beside a
/// running gateway.
#[derive(Debug, Default)]
pub struct ReadLedger {
    kept: BTreeMap<AuthKey, u32>,
    memory: MemoryAuthLedger,
}

impl ReadLedger {
    /// Begins with what was read.
    #[must_use]
    pub fn new(kept: Vec<(store::AuthKey, u32)>) -> Self {
        let key = |key: store::AuthKey| AuthKey { host: key.host, account: key.account, fingerprint: key.fingerprint };
        let kept = kept.into_iter().map(|(stored, failures)| (key(stored), failures)).collect();
        Self { kept, memory: MemoryAuthLedger::default() }
    }

    fn kept(&self, key: &AuthKey) -> u32 {
        self.kept.get(key).copied().unwrap_or(0)
    }
}

impl AuthLedger for ReadLedger {
    fn failures<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        Box::pin(async move { self.kept(key).saturating_add(self.memory.failures(key).await) })
    }

    fn record_failure<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        Box::pin(async move { self.kept(key).saturating_add(self.memory.record_failure(key).await) })
    }

    fn clear<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()> {
        self.memory.clear(key)
    }
}
