//! From the outbox to the uplink: what goes next, as long as there is room for it.

use super::flight::{Lane, WINDOW};
use super::mqtt::MqttPublisher;
use crate::mqtt::SendError;
use crate::store::{OutboxMessage, Turn};

impl MqttPublisher {
    /// Event messages as far as the line and the broker take them, and pictures only when none of those waits.
    pub(super) async fn fill_window(&mut self) {
        if self.flight.settled() >= WINDOW {
            self.settle().await;
        }
        let now = self.desk.clock.now();
        while self.uplink.is_online() {
            let Some((turn, limit)) = self.flight.next_events(now) else { return };
            let Some(events) = self.next_of(turn, limit).await else { return };
            if !events.is_empty() {
                if !self.hand_over(events) {
                    return;
                }
                continue;
            }
            // Nothing urgent may be left and something still be overdue.
            if turn == Turn::Urgent {
                let Some(overdue) = self.next_of(Turn::Oldest, limit).await else { return };
                if !overdue.is_empty() {
                    if !self.hand_over(overdue) {
                        return;
                    }
                    continue;
                }
            }
            let picture = match self.flight.next_picture(now, self.uplink.line_rate()) {
                Some(turn) => self.next_of(turn, 1).await.unwrap_or_default(),
                None => Vec::new(),
            };
            if picture.is_empty() {
                if !self.flight.nothing_else_waits() {
                    return;
                }
            } else if !self.hand_over(picture) {
                return;
            }
        }
    }

    async fn next_of(&mut self, turn: Turn, limit: usize) -> Option<Vec<OutboxMessage>> {
        let batch = self.desk.store.next_of(turn, limit, self.flight.busy()).await;
        batch.inspect_err(|error| tracing::error!(%error, "the outbox cannot be read")).ok()
    }

    /// False: the line takes no more for now.
    fn hand_over(&mut self, messages: Vec<OutboxMessage>) -> bool {
        for message in messages {
            let (id, lane, bytes) = (message.id, Lane::of(&message), message.body.len() + message.topic.len());
            if !self.flight.fits(lane, bytes, self.uplink.line_rate()) {
                if lane == Lane::Picture {
                    self.flight.picture_must_wait(bytes);
                }
                return false;
            }
            match self.uplink.try_send(self.publication(message)) {
                Ok(()) => self.flight.handed_over(id, lane, bytes),
                Err(SendError::Full | SendError::Offline) => return false,
            }
        }
        true
    }
}
