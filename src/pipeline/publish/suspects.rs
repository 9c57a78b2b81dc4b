//! Which message it is that a broker cannot stand.
//!
//! A broker that closes the connection may mean a message, or be ill itself. One at a time, then: a message with which
//! a connection ended waits until another one has got through. Only that proves anything against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::MessageId;

/// A message whose guilt has not been proved by the time that so many others got through is under suspicion no more:
/// it may not even be there any more.
const FORGET_AFTER: u32 = 64;

/// Messages with which a connection ended.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Connections that ended although others of their time stood; and others that got through since.
    proved: BTreeMap<MessageId, (u32, u32)>,
    /// Ended the connection when they were sent last, and nothing has got through since.
    doubted: BTreeSet<MessageId>,
    /// A connection ended with several messages on their way.
    unclear: bool,
}

impl Suspects {
    /// One at a time is sent, to find the culprit.
    pub(super) fn careful(&self) -> bool {
        self.unclear || !self.doubted.is_empty() || !self.proved.is_empty()
    }

    /// Not to be sent before another one has got through.
    pub(super) fn doubted(&self) -> impl Iterator<Item = MessageId> {
        self.doubted.iter().copied()
    }

    /// A connection ended with this message first in the line, and others behind it or not.
    pub(super) fn ended_with(&mut self, id: MessageId, alone: bool) {
        if alone {
            self.doubted.insert(id);
        } else {
            self.unclear = true;
        }
    }

    /// The broker has taken a message; those that have now been proved unbearable `most` times.
    pub(super) fn got_through(&mut self, id: MessageId, most: u32) -> Vec<MessageId> {
        self.unclear = false;
        self.doubted.remove(&id);
        self.proved.remove(&id);
        for (_, others) in self.proved.values_mut() {
            *others += 1;
        }
        for culprit in std::mem::take(&mut self.doubted) {
            let (times, others) = self.proved.entry(culprit).or_default();
            *times += 1;
            *others = 0;
        }
        let unbearable = self.proved.iter().filter(|(_, (times, _))| *times >= most).map(|(id, _)| *id).collect();
        self.proved.retain(|_, (times, others)| *times < most && *others < FORGET_AFTER);
        unbearable
    }

    /// Nothing else waits: whoever is in doubt gets another chance, and nothing is proved.
    pub(super) fn nothing_else(&mut self) -> bool {
        !std::mem::take(&mut self.doubted).is_empty()
    }
}
