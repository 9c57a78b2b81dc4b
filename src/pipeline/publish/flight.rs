//! Messages on their way, and what their answers mean for the outbox. Plain bookkeeping: time is an
//! argument, nothing here talks to anybody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::suspects::Suspects;
use crate::config::ReleaseOn;
use crate::mqtt::{Refusal, RefusalKind, UplinkEvent};
use crate::store::{Ack, MessageId, OutboxMessage, Turn};

/// Messages handed to the uplink and not answered yet, at most.
pub(super) const WINDOW: usize = 16;

/// A message that the broker refuses for its own sake, or that ends every connection it is sent on while others get
/// through, is set aside after this many attempts. `resync` takes it back.
const MAX_TRIES: u32 = 3;

/// Bytes on their way while nothing is known of the line: at 4 KiB a second they are answered within four seconds.
const FIRST_BYTES: usize = 16 * 1024;

/// What is on its way may take this share of a second: whatever is live waits no longer behind it.
const SHARE_OF_SECOND: (usize, usize) = (3, 4);

/// On the slowest lines one small message after another.
const FEWEST_BYTES: usize = 2 * 1024;

/// Every so many-th message is one that has waited longest, so that old ones get through as well.
const OLDEST_EVERY: u32 = 4;

/// A broker without room or rights for us is left alone this long at first, doubled up to the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// What travels together: rights and quotas are granted for a kind of topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Event,
    Picture,
}

impl Lane {
    pub(super) fn of(message: &OutboxMessage) -> Self {
        if message.evidence.is_some() { Self::Picture } else { Self::Event }
    }
}

/// A message on its way.
#[derive(Debug, Clone, Copy)]
struct Sent {
    lane: Lane,
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Timestamp,
    length: SignedDuration,
}

/// What is known of messages beyond the outbox; forgotten with the process, which costs a duplicate.
#[derive(Debug)]
pub struct Flight {
    sent: BTreeMap<MessageId, Sent>,
    settled: Vec<(MessageId, Ack)>,
    tries: BTreeMap<MessageId, u32>,
    paused: BTreeMap<Lane, Pause>,
    pauses: (SignedDuration, SignedDuration),
    suspects: Suspects,
    /// The platform gives receipts.
    receipts_seen: bool,
    /// Unanswered messages that the broker takes.
    window: usize,
    /// Event messages and pictures handed over so far.
    events: u32,
    pictures: u32,
    /// A picture for which there was no room beside what is on its way.
    large_picture: Option<usize>,
}

impl Flight {
    /// Nothing on its way; `receipts_seen`: the platform has given receipts before.
    #[must_use]
    pub fn new(receipts_seen: bool) -> Self {
        Self {
            sent: BTreeMap::new(),
            settled: Vec::new(),
            tries: BTreeMap::new(),
            paused: BTreeMap::new(),
            pauses: (FIRST_PAUSE, LONGEST_PAUSE),
            suspects: Suspects::default(),
            receipts_seen,
            window: WINDOW,
            events: 0,
            pictures: 0,
            large_picture: None,
        }
    }

    /// Leaves a broker that refuses alone for `first`, doubled up to `longest`, instead of 5 s and 5 min.
    #[must_use]
    pub fn pausing(mut self, first: SignedDuration, longest: SignedDuration) -> Self {
        self.pauses = (first, longest);
        self
    }

    /// When the next lane that is paused may be tried again.
    pub(super) fn resumes(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused.values().map(|pause| pause.until).filter(|until| *until > now).min()
    }

    /// Event messages that may be handed over now, and which ones.
    pub(super) fn next_events(&self, now: Timestamp) -> Option<(Turn, usize)> {
        let room = self.room(now);
        let until_oldest = OLDEST_EVERY - 1 - self.events % OLDEST_EVERY;
        match (room, until_oldest as usize) {
            (0, _) => None,
            (_, 0) => Some((Turn::Oldest, 1)),
            (room, urgent) => Some((Turn::Urgent, room.min(urgent))),
        }
    }

    /// The picture that may be handed over now that no event message waits.
    pub(super) fn next_picture(&self, now: Timestamp, rate: Option<u32>) -> Option<Turn> {
        let has_room =
            self.sent.is_empty() || self.large_picture.is_none_or(|bytes| self.fits(Lane::Picture, bytes, rate));
        let may = self.room(now) > 0 && !self.is_paused(Lane::Picture, now) && has_room;
        let oldest = self.pictures % OLDEST_EVERY == OLDEST_EVERY - 1;
        may.then_some(if oldest { Turn::OldestPicture } else { Turn::NewestPicture })
    }

    /// Whether so many bytes more would leave the line quick enough for what may come. Behind pictures event messages
    /// need not wait as well: they follow at once.
    pub(super) fn fits(&self, lane: Lane, bytes: usize, rate: Option<u32>) -> bool {
        let counts = |sent: &&Sent| lane == Lane::Picture || sent.lane == Lane::Event;
        let on_the_way: usize = self.sent.values().filter(counts).map(|sent| sent.bytes).sum();
        let (share, of) = SHARE_OF_SECOND;
        let most = rate.map_or(FIRST_BYTES, |rate| (rate as usize / of * share).max(FEWEST_BYTES));
        on_the_way == 0 || on_the_way + bytes <= most
    }

    pub(super) fn picture_must_wait(&mut self, bytes: usize) {
        self.large_picture = Some(bytes);
    }

    /// Nothing but messages in doubt waits; true if they may be tried again.
    pub(super) fn nothing_else_waits(&mut self) -> bool {
        self.sent.is_empty() && self.suspects.nothing_else()
    }

    fn room(&self, now: Timestamp) -> usize {
        if self.is_paused(Lane::Event, now) {
            return 0;
        }
        let window = if self.suspects.careful() { 1 } else { self.window };
        window.saturating_sub(self.sent.len())
    }

    pub(super) fn is_paused(&self, lane: Lane, now: Timestamp) -> bool {
        self.paused.get(&lane).is_some_and(|pause| pause.until > now)
    }

    /// Messages that the outbox must not hand out now.
    pub(super) fn busy(&self) -> Vec<MessageId> {
        let busy = self.sent.keys().chain(self.settled.iter().map(|(id, _)| id)).copied();
        busy.chain(self.suspects.doubted()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn handed_over(&mut self, id: MessageId, lane: Lane, bytes: usize) {
        self.sent.insert(id, Sent { lane, bytes });
        match lane {
            Lane::Event => self.events = self.events.wrapping_add(1),
            Lane::Picture => {
                self.pictures = self.pictures.wrapping_add(1);
                self.large_picture = None;
            }
        }
    }

    pub(super) fn receipt_seen(&mut self) {
        self.receipts_seen = true;
    }

    /// What is to be told to the outbox.
    pub(super) fn settled(&self) -> usize {
        self.settled.len()
    }

    pub(super) fn take_settled(&mut self) -> Vec<(MessageId, Ack)> {
        std::mem::take(&mut self.settled)
    }

    pub(super) fn put_back(&mut self, settled: Vec<(MessageId, Ack)>) {
        self.settled.splice(0..0, settled);
    }

    pub(super) fn answered(&mut self, event: &UplinkEvent, release_on: ReleaseOn, now: Timestamp) {
        match event {
            UplinkEvent::Acknowledged { token } => {
                if let Some((id, lane)) = self.landed(*token) {
                    let waits = lane == Lane::Event && self.waits_for_receipt(release_on);
                    self.tries.remove(&id);
                    self.paused.remove(&lane);
                    self.settled.push((id, if waits { Ack::BrokerAcked } else { Ack::Released }));
                    for culprit in self.suspects.got_through(id, MAX_TRIES) {
                        let reason = "the broker ends the connection whenever this message is sent".to_owned();
                        self.settled.push((culprit, Ack::Quarantined { reason }));
                    }
                }
            }
            UplinkEvent::Refused { token, refusal, .. } => {
                if let Some((id, lane)) = self.landed(*token) {
                    self.refused(id, lane, refusal, now);
                }
            }
            UplinkEvent::Unsent { token, suspect } => {
                let alone = self.sent.len() == 1;
                if let Some((id, _)) = self.landed(*token)
                    && *suspect
                {
                    self.suspects.ended_with(id, alone);
                }
            }
            UplinkEvent::Connected(granted) => self.window = WINDOW.min(usize::from(granted.receive_max)).max(1),
            UplinkEvent::Disconnected { .. } => {}
        }
    }

    fn landed(&mut self, token: u64) -> Option<(MessageId, Lane)> {
        let (id, sent) = self.sent.remove_entry(&MessageId(i64::try_from(token).ok()?))?;
        Some((id, sent.lane))
    }

    fn waits_for_receipt(&self, release_on: ReleaseOn) -> bool {
        match release_on {
            ReleaseOn::Puback => false,
            ReleaseOn::Receipt => true,
            ReleaseOn::Auto => self.receipts_seen,
        }
    }

    fn refused(&mut self, id: MessageId, lane: Lane, refusal: &Refusal, now: Timestamp) {
        match refusal.kind {
            RefusalKind::TooLarge => self.settled.push((id, Ack::Quarantined { reason: refusal.text.clone() })),
            RefusalKind::GiveUpAfter3 => {
                self.pause(lane, now);
                self.failed(id, &refusal.text);
            }
            RefusalKind::HoldOff => self.pause(lane, now),
        }
    }

    /// The other messages of a full window are refused together and count as one refusal.
    fn pause(&mut self, lane: Lane, now: Timestamp) {
        let pause = self.paused.entry(lane).or_insert(Pause { until: Timestamp::MIN, length: SignedDuration::ZERO });
        if pause.until <= now {
            let (first, longest) = self.pauses;
            pause.length = (pause.length * 2).clamp(first, longest);
            pause.until = now.saturating_add(pause.length).unwrap_or(Timestamp::MAX);
        }
    }

    fn failed(&mut self, id: MessageId, reason: &str) {
        let tries = self.tries.entry(id).or_default();
        *tries += 1;
        if *tries >= MAX_TRIES {
            self.tries.remove(&id);
            self.settled.push((id, Ack::Quarantined { reason: reason.to_owned() }));
        }
    }
}

#[cfg(test)]
mod tests;
