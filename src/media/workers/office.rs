//! Answers what a worker asks about accounts. Only those of its own cameras are any of its business.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use crate::media::boundary::AuthKey;
use crate::media::gate::{LedgerGate, LoginGate, Turn};
use crate::media::wire::Ask;

/// Logins that may be under way at a time: a worker has fewer cameras.
const MOST_ASKED: usize = 64;

/// One worker's turns and questions; all end with it.
pub(super) struct Office {
    gate: Arc<LedgerGate>,
    accounts: Vec<AuthKey>,
    asked: JoinSet<(u32, u32, Option<Turn>)>,
    waiting: BTreeMap<u32, AbortHandle>,
    turns: BTreeMap<u32, Turn>,
}

impl Office {
    pub(super) fn new(gate: Arc<LedgerGate>, accounts: Vec<AuthKey>) -> Self {
        Self { gate, accounts, asked: JoinSet::new(), waiting: BTreeMap::new(), turns: BTreeMap::new() }
    }

    /// Takes a question; an error is what no worker asks.
    pub(super) fn take(&mut self, ticket: u32, ask: Ask) -> Result<(), &'static str> {
        if self.asked.len() + self.turns.len() >= MOST_ASKED {
            return Err("asked about too many logins at a time");
        }
        let key = match &ask {
            Ask::Enter(key) | Ask::Refused(key) | Ask::Accepted(key) => key.clone(),
            Ask::Leave => {
                self.turns.remove(&ticket);
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    waiting.abort();
                }
                return Ok(());
            }
        };
        if !self.accounts.contains(&key) {
            return Err("asked about an account that is not its own");
        }
        let gate = Arc::clone(&self.gate);
        let answer = async move {
            match ask {
                Ask::Enter(_) => {
                    let turn = gate.enter(&key).await;
                    (ticket, u32::from(turn.is_some()), turn)
                }
                Ask::Refused(_) => (ticket, gate.refused(&key).await, None),
                Ask::Accepted(_) | Ask::Leave => {
                    gate.accepted(&key).await;
                    (ticket, 0, None)
                }
            }
        };
        let handle = self.asked.spawn(answer);
        self.waiting.insert(ticket, handle);
        Ok(())
    }

    /// The next answer: ticket and value. Never returns without a question. Cancel-safe.
    pub(super) async fn answer(&mut self) -> (u32, u32) {
        loop {
            match self.asked.join_next().await {
                Some(Ok((ticket, value, turn))) => {
                    // Whoever has left meanwhile gets no turn.
                    if self.waiting.remove(&ticket).is_some()
                        && let Some(turn) = turn
                    {
                        self.turns.insert(ticket, turn);
                    }
                    return (ticket, value);
                }
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
