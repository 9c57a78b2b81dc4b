//! Messages on their way, and what their answers mean for the outbox. Plain bookkeeping: time is an
//! argument, nothing here talks to anybody.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::config::ReleaseOn;
use crate::mqtt::{Refusal, RefusalKind, UplinkEvent};
use crate::store::{Ack, MessageId, OutboxMessage};

/// Messages handed to the uplink and not answered yet, at most.
pub(super) const WINDOW: usize = 16;

/// A message that the broker refuses for its own sake, or that ends every connection it is sent on, is
/// set aside after this many attempts. `resync` takes it back.
const MAX_TRIES: u32 = 3;

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

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Timestamp,
    length: SignedDuration,
}

/// What is known of messages beyond the outbox; forgotten with the process, which costs a duplicate.
#[derive(Debug, Default)]
pub struct Flight {
    sent: BTreeMap<MessageId, Lane>,
    settled: Vec<(MessageId, Ack)>,
    tries: BTreeMap<MessageId, u32>,
    paused: BTreeMap<Lane, Pause>,
    /// The platform gives receipts.
    receipts_seen: bool,
    /// A connection ended with messages on their way: one at a time until an answer, to find a culprit.
    careful: bool,
}

impl Flight {
    /// Nothing on its way; `receipts_seen`: the platform has given receipts before.
    #[must_use]
    pub fn new(receipts_seen: bool) -> Self {
        Self { receipts_seen, ..Self::default() }
    }

    /// Messages that may be handed over now.
    pub(super) fn room(&self, now: Timestamp) -> usize {
        if self.is_paused(Lane::Event, now) {
            return 0;
        }
        let window = if self.careful { 1 } else { WINDOW };
        window.saturating_sub(self.sent.len())
    }

    pub(super) fn is_paused(&self, lane: Lane, now: Timestamp) -> bool {
        self.paused.get(&lane).is_some_and(|pause| pause.until > now)
    }

    /// Messages that the outbox must not hand out now.
    pub(super) fn busy(&self) -> Vec<MessageId> {
        self.sent.keys().chain(self.settled.iter().map(|(id, _)| id)).copied().collect()
    }

    pub(super) fn handed_over(&mut self, id: MessageId, lane: Lane) {
        self.sent.insert(id, lane);
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
                    self.careful = false;
                    self.settled.push((id, if waits { Ack::BrokerAcked } else { Ack::Released }));
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
                    self.careful = true;
                    if alone {
                        self.failed(id, "the broker ends the connection whenever this message is sent");
                    }
                }
            }
            UplinkEvent::Connected(_) | UplinkEvent::Disconnected { .. } => {}
        }
    }

    fn landed(&mut self, token: u64) -> Option<(MessageId, Lane)> {
        self.sent.remove_entry(&MessageId(i64::try_from(token).ok()?))
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
            pause.length = (pause.length * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
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
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn flight_with(ids: &[i64]) -> Flight {
        let mut flight = Flight::new(false);
        for &id in ids {
            flight.handed_over(MessageId(id), Lane::Event);
        }
        flight
    }

    fn refusal(token: u64, kind: RefusalKind) -> UplinkEvent {
        let refusal = Refusal { code: 0x87, text: "no".to_owned(), kind };
        UplinkEvent::Refused { token, topic: "t".to_owned(), refusal }
    }

    #[test]
    fn a_missing_right_pauses_and_loses_nothing() {
        let mut flight = Flight::new(false);
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(flight.room(now), WINDOW);
            for id in 1..=3 {
                flight.handed_over(MessageId(id), Lane::Event);
            }
            for token in 1..=3 {
                flight.answered(&refusal(token, RefusalKind::HoldOff), ReleaseOn::Auto, now);
            }
            assert_eq!(flight.room(now), 0);
            let began = now;
            while flight.room(now) == 0 {
                now += SignedDuration::from_secs(1);
            }
            pauses.push(now.duration_since(began).as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        assert_eq!(flight.settled(), 0, "nothing is given up");
    }

    #[test]
    fn pictures_without_a_right_do_not_hold_events_back() {
        let mut flight = Flight::new(false);
        flight.handed_over(MessageId(1), Lane::Picture);
        flight.answered(&refusal(1, RefusalKind::HoldOff), ReleaseOn::Auto, at(0));
        assert!(flight.is_paused(Lane::Picture, at(1)));
        assert_eq!(flight.room(at(1)), WINDOW);
    }

    #[test]
    fn a_broken_line_accuses_nobody_but_a_repeated_culprit_is_set_aside() {
        let mut flight = flight_with(&[1, 2]);
        flight.answered(&UplinkEvent::Unsent { token: 1, suspect: true }, ReleaseOn::Auto, at(0));
        flight.answered(&UplinkEvent::Unsent { token: 2, suspect: false }, ReleaseOn::Auto, at(0));
        assert_eq!(flight.room(at(0)), 1, "one at a time from now on");
        for _ in 0..2 {
            flight.handed_over(MessageId(1), Lane::Event);
            flight.answered(&UplinkEvent::Unsent { token: 1, suspect: true }, ReleaseOn::Auto, at(0));
            assert_eq!(flight.settled(), 0);
        }
        flight.handed_over(MessageId(1), Lane::Event);
        flight.answered(&UplinkEvent::Unsent { token: 1, suspect: true }, ReleaseOn::Auto, at(0));
        assert!(matches!(flight.take_settled().as_slice(), [(MessageId(1), Ack::Quarantined { .. })]));
        flight.handed_over(MessageId(2), Lane::Event);
        flight.answered(&UplinkEvent::Acknowledged { token: 2 }, ReleaseOn::Auto, at(0));
        assert_eq!(flight.room(at(0)), WINDOW);
    }

    #[test]
    fn receipts_decide_what_an_acknowledgement_releases() {
        for (seen, release_on, waits) in [
            (false, ReleaseOn::Auto, false),
            (true, ReleaseOn::Auto, true),
            (true, ReleaseOn::Puback, false),
            (false, ReleaseOn::Receipt, true),
        ] {
            let mut flight = Flight::new(seen);
            flight.handed_over(MessageId(1), Lane::Event);
            flight.handed_over(MessageId(2), Lane::Picture);
            for token in 1..=2 {
                flight.answered(&UplinkEvent::Acknowledged { token }, release_on, at(0));
            }
            let expected = if waits { Ack::BrokerAcked } else { Ack::Released };
            assert_eq!(flight.take_settled(), [(MessageId(1), expected), (MessageId(2), Ack::Released)]);
        }
    }

    #[test]
    fn too_large_is_set_aside_at_once() {
        let mut flight = flight_with(&[1]);
        flight.answered(&refusal(1, RefusalKind::TooLarge), ReleaseOn::Auto, at(0));
        assert!(matches!(flight.take_settled().as_slice(), [(MessageId(1), Ack::Quarantined { .. })]));
        assert_eq!(flight.room(at(0)), WINDOW);
    }
}
