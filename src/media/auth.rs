//! Refused logins, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;

use super::boundary::{AuthKey, AuthLedger};

/// A ledger that forgets when the process ends: for `probe` and for tests.
#[derive(Debug, Default)]
pub struct MemoryAuthLedger {
    failures: Mutex<BTreeMap<AuthKey, u32>>,
}

impl AuthLedger for MemoryAuthLedger {
    fn failures<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.get(key).copied().unwrap_or(0);
        Box::pin(async move { count })
    }

    fn record_failure<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        Box::pin(async move { count })
    }

    fn clear<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Box::pin(async {})
    }
}
