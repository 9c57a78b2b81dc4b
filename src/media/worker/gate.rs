//! The gate of all workers is the gateway's: here it is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::link::Link;
use crate::media::boundary::{AuthKey, MAX_AUTH_FAILURES};
use crate::media::gate::{LoginGate, Turn};
use crate::media::wire::{Ask, Report};

/// Asks the gateway, and waits for its answers.
pub(super) struct RemoteGate {
    link: Arc<Link>,
    tickets: AtomicU32,
    waiting: Mutex<BTreeMap<u32, oneshot::Sender<u32>>>,
    over: mpsc::Sender<u32>,
}

/// More logins than a worker has cameras.
const TURNS: usize = 256;

impl fmt::Debug for RemoteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteGate")
    }
}

impl RemoteGate {
    /// The gate, and the tickets of turns that are over: the gateway is to be told of each.
    pub(super) fn new(link: Arc<Link>) -> (Self, mpsc::Receiver<u32>) {
        let (over, turns) = mpsc::channel(TURNS);
        (Self { link, tickets: AtomicU32::new(0), waiting: Mutex::default(), over }, turns)
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn answered(&self, ticket: u32, value: u32) {
        let asker = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        // The camera may have been stopped meanwhile.
        asker.map(|asker| asker.send(value).unwrap_or_default()).unwrap_or_default();
    }

    fn ticket(&self) -> u32 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// The answer; `None` when the gateway is gone.
    async fn ask(&self, ticket: u32, ask: Ask) -> Option<u32> {
        let (asker, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, asker);
        self.link.say(&Report::Ask { ticket, ask }).await.ok()?;
        answer.await.ok()
    }
}

impl LoginGate for RemoteGate {
    fn enter<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, Option<Turn>> {
        Box::pin(async move {
            let ticket = self.ticket();
            // Also when this call is dropped while it waits.
            let leaving = Leaving { over: self.over.clone(), ticket };
            let answer = self.ask(ticket, Ask::Enter(key.clone())).await;
            (answer == Some(1)).then(|| Turn::guarded_by(leaving))
        })
    }

    fn refused<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, u32> {
        // Without an answer no further attempt is made.
        Box::pin(async move { self.ask(self.ticket(), Ask::Refused(key.clone())).await.unwrap_or(MAX_AUTH_FAILURES) })
    }

    fn accepted<'a>(&'a self, key: &'a AuthKey) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.ask(self.ticket(), Ask::Accepted(key.clone())).await;
        })
    }
}

/// Ends a turn when it is dropped.
struct Leaving {
    over: mpsc::Sender<u32>,
    ticket: u32,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.over.try_send(self.ticket).is_err() {
            tracing::debug!("a login is over as this worker ends");
        }
    }
}
