//! Where a camera's task leaves what it has for the pipeline: one slot of each kind, the newest wins.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::boundary::{MediaCounts, SourceEvent, StreamReport};
use crate::domain::Timestamp;
use crate::domain::camera::StreamInfo;
use crate::domain::frame::Frame;

/// Overflow policy: a newer message replaces an unread one of its kind.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    state: Option<StreamReport>,
    info: Option<StreamInfo>,
    frame: Option<Arc<Frame>>,
    ended: bool,
    counts: MediaCounts,
}

impl Mailbox {
    pub(super) fn put_state(&self, report: StreamReport) {
        self.slots().state = Some(report);
        self.arrived.notify_one();
    }

    pub(super) fn put_info(&self, info: StreamInfo) {
        self.slots().info = Some(info);
        self.arrived.notify_one();
    }

    pub(super) fn put_frame(&self, frame: Arc<Frame>) {
        let mut slots = self.slots();
        if slots.frame.replace(frame).is_some() {
            slots.counts.replaced += 1;
        }
        drop(slots);
        self.arrived.notify_one();
    }

    pub(super) fn end(&self) {
        self.slots().ended = true;
        self.arrived.notify_one();
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut MediaCounts)) {
        change(&mut self.slots().counts);
    }

    pub(super) fn counts(&self) -> MediaCounts {
        self.slots().counts
    }

    /// The next message; frames from before `wanted_at` are thrown away. Cancel-safe.
    pub(super) async fn take(&self, wanted_at: Timestamp) -> SourceEvent {
        loop {
            if let Some(event) = self.try_take(wanted_at) {
                return event;
            }
            self.arrived.notified().await;
        }
    }

    fn try_take(&self, wanted_at: Timestamp) -> Option<SourceEvent> {
        let mut slots = self.slots();
        if let Some(state) = slots.state.take() {
            return Some(SourceEvent::State(state));
        }
        if let Some(info) = slots.info.take() {
            return Some(SourceEvent::Info(info));
        }
        if let Some(frame) = slots.frame.take() {
            if frame.captured_at >= wanted_at {
                return Some(SourceEvent::Frame(frame));
            }
            slots.counts.replaced += 1;
        }
        slots.ended.then_some(SourceEvent::Ended)
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::camera::StreamState;
    use crate::domain::frame::ColorSpace;

    fn frame(second: i64) -> Arc<Frame> {
        let color = ColorSpace { full_range: false, bt709: false };
        let captured_at = Timestamp::from_second(second).unwrap();
        Arc::new(Frame { captured_at, width: 1, height: 1, color, y: vec![0], u: vec![0], v: vec![0] })
    }

    #[tokio::test]
    async fn the_newest_frame_wins_and_old_ones_are_thrown_away() {
        let mailbox = Mailbox::default();
        mailbox.put_frame(frame(1));
        mailbox.put_frame(frame(2));
        let report = StreamReport { state: StreamState::Ok, at: Timestamp::UNIX_EPOCH, detail: String::new() };
        mailbox.put_state(report);
        let wanted_at = Timestamp::from_second(2).unwrap();
        assert!(matches!(mailbox.take(wanted_at).await, SourceEvent::State(_)));
        let SourceEvent::Frame(taken) = mailbox.take(wanted_at).await else { panic!("a frame") };
        assert_eq!(taken.captured_at, wanted_at);
        mailbox.put_frame(frame(3));
        mailbox.end();
        assert!(matches!(mailbox.take(Timestamp::from_second(4).unwrap()).await, SourceEvent::Ended));
        assert_eq!(mailbox.counts().replaced, 2);
    }
}
