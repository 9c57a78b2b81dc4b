//! Lets one unproven login of an account through at a time.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::boundary::{AuthKey, AuthLedger, MAX_AUTH_FAILURES};

/// Guards the two attempts that an account has.
///
/// Several cameras of one recorder share an account: without the gate they would all try a wrong
/// password at the same moment, before any of the failures is on record.
pub(super) trait LoginGate: Send + Sync + fmt::Debug {
    /// Waits for this account's turn; `None` when it is stopped.
    fn enter<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, Option<Turn>>;
    /// Puts a refused login on record; answers how many there are.
    fn refused<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32>;
    /// A login worked: this account need not queue any more.
    fn accepted<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()>;
}

/// Permission for one login; its outcome must be told to [`LoginGate::refused`] or
/// [`LoginGate::accepted`] while it is held.
pub(super) struct Turn {
    _until_dropped: Option<Box<dyn Any + Send>>,
}

impl Turn {
    /// Lasts as long as `guard`.
    pub(super) fn guarded_by(guard: impl Any + Send) -> Self {
        Self { _until_dropped: Some(Box::new(guard)) }
    }
}

/// The gate for all cameras of this gateway, over what is on record.
#[derive(Debug)]
pub(super) struct LedgerGate {
    ledger: Arc<dyn AuthLedger>,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    proven: BTreeSet<AuthKey>,
    turns: BTreeMap<AuthKey, Arc<tokio::sync::Mutex<()>>>,
}

impl LedgerGate {
    pub(super) fn new(ledger: Arc<dyn AuthLedger>) -> Self {
        Self { ledger, accounts: Mutex::default() }
    }

    fn turn(&self, key: &AuthKey) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut accounts = self.accounts();
        (!accounts.proven.contains(key)).then(|| Arc::clone(accounts.turns.entry(key.clone()).or_default()))
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoginGate for LedgerGate {
    fn enter<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, Option<Turn>> {
        Box::pin(async move {
            let turn = match self.turn(key) {
                Some(only_one) => Turn::guarded_by(only_one.lock_owned().await),
                None => Turn { _until_dropped: None },
            };
            (self.ledger.failures(key).await < MAX_AUTH_FAILURES).then_some(turn)
        })
    }

    fn refused<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        self.accounts().proven.remove(key);
        self.ledger.record_failure(key)
    }

    fn accepted<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let news = self.accounts().proven.insert(key.clone());
            if news {
                self.ledger.clear(key).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::media::auth::MemoryAuthLedger;

    fn key(password: &str) -> AuthKey {
        AuthKey::new("Camera.local", "admin", Some(&Secret::new(password.to_owned())))
    }

    #[tokio::test]
    async fn ten_cameras_with_one_wrong_password_make_two_attempts() {
        let gate = Arc::new(LedgerGate::new(Arc::new(MemoryAuthLedger::default())));
        let cameras = (0..10).map(|_| {
            let gate = Arc::clone(&gate);
            async move {
                let mut attempts = 0;
                while let Some(_turn) = gate.enter(&key("wrong")).await {
                    tokio::task::yield_now().await;
                    attempts += 1;
                    gate.refused(&key("wrong")).await;
                }
                attempts
            }
        });
        let attempts: u32 = futures::future::join_all(cameras).await.into_iter().sum();
        assert_eq!(attempts, 2);
        assert!(gate.enter(&key("right")).await.is_some());
    }
}
