//! Between a camera's task and the pipeline: one slot for each kind of message, and the request for the
//! next frame.
//!
//! A request is answered with one frame. It opens when the pipeline asks, closes when a frame that
//! fits is put here, and opens again when the pipeline asks after it has taken that frame, or asks for
//! something later than it. Asking once more while it is open changes the plan, nothing else: a call
//! that is cancelled leaves no trace, and nothing is decoded for a pipeline that is busy.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::boundary::{MediaCounts, SourceEvent, StreamReport};
use super::selector::Request;
use crate::domain::camera::{LookPlan, StreamInfo};
use crate::domain::frame::Frame;

/// Overflow policy: a newer message replaces an unread one of its kind; frames that are not asked for
/// are dropped and counted.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    counts: CountsHandle,
    arrived: Notify,
    asked: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    state: Option<StreamReport>,
    info: Option<StreamInfo>,
    frame: Option<Arc<Frame>>,
    ended: bool,
    request: Option<Request>,
}

/// Reads one camera's counts; stays valid after the camera is gone.
#[derive(Debug, Clone, Default)]
pub struct CountsHandle(Arc<Mutex<MediaCounts>>);

impl CountsHandle {
    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> MediaCounts {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, MediaCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// Answers the open request, unless the plan has moved past this frame meanwhile.
    pub(super) fn put_frame(&self, frame: Arc<Frame>) {
        let mut slots = self.slots();
        match &mut slots.request {
            Some(request) if request.open && frame.captured_at >= request.plan.at => {
                request.open = false;
                slots.frame = Some(frame);
                self.arrived.notify_one();
            }
            Some(_) | None => self.count(|counts| counts.replaced += 1),
        }
    }

    pub(super) fn end(&self) {
        self.slots().ended = true;
        self.arrived.notify_one();
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut MediaCounts)) {
        change(&mut self.counts.lock());
    }

    pub(super) fn set_counts(&self, counts: MediaCounts) {
        *self.counts.lock() = counts;
    }

    pub(super) fn counts(&self) -> &CountsHandle {
        &self.counts
    }

    /// What the pipeline wants; `None` until it has asked for the first time.
    pub(super) fn request(&self) -> Option<Request> {
        self.slots().request
    }

    /// Returns when the request has changed since the last call. Cancel-safe.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The next message; without a plan, no frame is asked for. Cancel-safe.
    pub(super) async fn next(&self, plan: Option<LookPlan>) -> SourceEvent {
        if let Some(plan) = plan {
            self.ask(plan);
        }
        loop {
            if let Some(event) = self.try_take() {
                return event;
            }
            self.arrived.notified().await;
        }
    }

    fn ask(&self, plan: LookPlan) {
        let mut slots = self.slots();
        if let Some(frame) = &slots.frame {
            if frame.captured_at >= plan.at {
                return;
            }
            slots.frame = None;
            self.count(|counts| counts.replaced += 1);
        }
        let request = Request { plan, open: true };
        if slots.request.replace(request) != Some(request) {
            self.asked.notify_one();
        }
    }

    fn try_take(&self) -> Option<SourceEvent> {
        let mut slots = self.slots();
        if let Some(state) = slots.state.take() {
            return Some(SourceEvent::State(state));
        }
        if let Some(info) = slots.info.take() {
            return Some(SourceEvent::Info(info));
        }
        if let Some(frame) = slots.frame.take() {
            return Some(SourceEvent::Frame(frame));
        }
        slots.ended.then_some(SourceEvent::Ended)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::camera::StreamState;
    use crate::domain::frame::ColorSpace;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn plan(second: i64) -> LookPlan {
        LookPlan { at: at(second), max_gap: Duration::from_secs(2) }
    }

    fn put(mailbox: &Mailbox, second: i64) {
        let color = ColorSpace { full_range: false, bt709: false };
        let frame = Frame { captured_at: at(second), width: 1, height: 1, color, y: vec![0], u: vec![0], v: vec![0] };
        mailbox.put_frame(Arc::new(frame));
    }

    /// Asks, and cancels the call if there is no answer yet.
    fn poll(mailbox: &Mailbox, plan: LookPlan) -> Option<SourceEvent> {
        mailbox.next(Some(plan)).now_or_never()
    }

    fn second_of(event: Option<SourceEvent>) -> Option<i64> {
        match event {
            Some(SourceEvent::Frame(frame)) => Some(frame.captured_at.as_second()),
            _ => None,
        }
    }

    fn open(mailbox: &Mailbox) -> bool {
        mailbox.request().is_some_and(|request| request.open)
    }

    #[test]
    fn one_frame_for_one_request_however_often_it_is_asked_and_cancelled() {
        let mailbox = Mailbox::default();
        put(&mailbox, 1);
        assert!(poll(&mailbox, plan(1)).is_none(), "nobody had asked for that frame");
        assert!(poll(&mailbox, plan(1)).is_none() && open(&mailbox));
        put(&mailbox, 1);
        put(&mailbox, 2);
        assert!(!open(&mailbox), "answered, though not fetched yet");
        assert_eq!(second_of(poll(&mailbox, plan(1))), Some(1));
        put(&mailbox, 3);
        assert!(!open(&mailbox), "the pipeline is busy with the frame");
        assert!(poll(&mailbox, plan(1)).is_none(), "the same plan is asked anew after a failed look");
        assert!(open(&mailbox));
        put(&mailbox, 4);
        assert_eq!(second_of(poll(&mailbox, plan(1))), Some(4));
        assert_eq!(mailbox.counts().counts().replaced, 3);
    }

    #[test]
    fn a_plan_that_moved_on_throws_the_older_frame_away_and_asks_again() {
        let mailbox = Mailbox::default();
        assert!(poll(&mailbox, plan(1)).is_none());
        put(&mailbox, 1);
        assert!(poll(&mailbox, plan(3)).is_none() && open(&mailbox), "fetched too late");
        put(&mailbox, 2);
        assert!(open(&mailbox), "decoded for the plan before");
        put(&mailbox, 3);
        assert_eq!(second_of(poll(&mailbox, plan(2))), Some(3), "good for an earlier plan too");
        assert_eq!(mailbox.counts().counts().replaced, 2);
    }

    #[tokio::test]
    async fn only_news_wakes_the_camera() {
        let mailbox = Mailbox::default();
        assert!(poll(&mailbox, plan(1)).is_none());
        mailbox.asked().await;
        assert!(poll(&mailbox, plan(1)).is_none());
        assert!(mailbox.asked().now_or_never().is_none(), "the same again is no news");
        assert!(poll(&mailbox, plan(2)).is_none());
        mailbox.asked().await;
    }

    #[test]
    fn states_come_before_frames_and_the_end_comes_last() {
        let mailbox = Mailbox::default();
        assert!(poll(&mailbox, plan(1)).is_none());
        put(&mailbox, 1);
        let report = |state| StreamReport { state, at: at(1), detail: String::new() };
        mailbox.put_state(report(StreamState::Ok));
        mailbox.put_state(report(StreamState::Offline));
        mailbox.end();
        let Some(SourceEvent::State(told)) = poll(&mailbox, plan(1)) else { panic!("a state") };
        assert_eq!(told.state, StreamState::Offline, "the newest wins");
        assert_eq!(second_of(poll(&mailbox, plan(1))), Some(1));
        assert!(matches!(poll(&mailbox, plan(1)), Some(SourceEvent::Ended)));
    }
}
