//! Lets one unproven login of an account through at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::boundary::{AuthKey, AuthLedger, MAX_AUTH_FAILURES};

/// Guards the two attempts that an account has, for all cameras of this process.
///
/// Several cameras of one recorder share an account: without the gate they would all try a wrong
/// password at the same moment, before any of the failures is on record.
#[derive(Debug)]
pub(super) struct LoginGate {
    ledger: Arc<dyn AuthLedger>,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    proven: BTreeSet<AuthKey>,
    turns: BTreeMap<AuthKey, Arc<tokio::sync::Mutex<()>>>,
}

/// Permission for one login; its outcome must be told to [`LoginGate::refused`] or
/// [`LoginGate::accepted`] while it is held.
#[derive(Debug)]
pub(super) struct Turn {
    _only_one: Option<OwnedMutexGuard<()>>,
}

impl LoginGate {
    pub(super) fn new(ledger: Arc<dyn AuthLedger>) -> Self {
        Self { ledger, accounts: Mutex::default() }
    }

    /// Waits for this account's turn; `None` when it is stopped.
    pub(super) async fn enter(&self, key: &AuthKey) -> Option<Turn> {
        let only_one = match self.turn(key) {
            Some(turn) => Some(turn.lock_owned().await),
            None => None,
        };
        (self.ledger.failures(key).await < MAX_AUTH_FAILURES).then_some(Turn { _only_one: only_one })
    }

    /// Puts a refused login on record; answers how many there are.
    pub(super) async fn refused(&self, key: &AuthKey) -> u32 {
        self.accounts().proven.remove(key);
        self.ledger.record_failure(key).await
    }

    /// A login worked: this account need not queue any more.
    pub(super) async fn accepted(&self, key: &AuthKey) {
        if self.accounts().proven.insert(key.clone()) {
            self.ledger.clear(key).await;
        }
    }

    fn turn(&self, key: &AuthKey) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut accounts = self.accounts();
        (!accounts.proven.contains(key)).then(|| Arc::clone(accounts.turns.entry(key.clone()).or_default()))
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
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
        let gate = Arc::new(LoginGate::new(Arc::new(MemoryAuthLedger::default())));
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
