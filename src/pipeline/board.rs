//! What is known of every camera right now: read by the publisher for retained states, by `info`, and
//! by the status line. Nothing here survives a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::camera::{CameraId, StreamInfo, StreamState};
use crate::domain::incident::Kind;
use crate::domain::scene::ViewState;
use crate::media::boundary::{MediaCounts, StreamReport};
use crate::pipeline::coverage::Coverage;

/// One camera's latest facts.
#[derive(Debug, Clone)]
pub struct CameraFacts {
    /// Whether pictures arrive.
    pub stream: StreamState,
    /// What can be seen in them.
    pub view: ViewState,
    /// Since when both are as they are.
    pub since: Timestamp,
    /// In words.
    pub detail: String,
    /// What the stream is.
    pub info: Option<StreamInfo>,
    /// Latest picture that was analysed.
    pub last_frame_at: Option<Timestamp>,
    /// Watched share of time.
    pub coverage: Coverage,
    /// Looks analysed since the start.
    pub looks: u64,
    /// Looks that could not be analysed since the start.
    pub looks_failed: u64,
    /// What happened to its pictures before they were looks.
    pub media: MediaCounts,
    /// Kinds that the platform has muted, and until when.
    pub mutes: BTreeMap<Kind, Timestamp>,
}

/// Shared by all cameras and the publisher.
#[derive(Debug, Clone)]
pub struct Board {
    cameras: Arc<Mutex<BTreeMap<CameraId, CameraFacts>>>,
    /// The profile in force, and until when.
    profile: Arc<Mutex<Option<(String, Timestamp)>>>,
    changed: watch::Sender<u64>,
}

impl Board {
    /// Every camera offline until it says otherwise.
    #[must_use]
    pub fn new<'a>(cameras: impl Iterator<Item = &'a CameraId>, now: Timestamp) -> Self {
        let facts = CameraFacts {
            stream: StreamState::Offline,
            view: ViewState::Clear,
            since: now,
            detail: "not connected yet".to_owned(),
            info: None,
            last_frame_at: None,
            coverage: Coverage::new(now),
            looks: 0,
            looks_failed: 0,
            media: MediaCounts::default(),
            mutes: BTreeMap::new(),
        };
        let cameras = cameras.map(|id| (id.clone(), facts.clone())).collect();
        Self { cameras: Arc::new(Mutex::new(cameras)), profile: Arc::default(), changed: watch::Sender::new(0) }
    }

    /// Counts up when a camera's state changes in a way that the platform should hear of at once.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All cameras, in the order of their ids.
    #[must_use]
    pub fn read(&self) -> BTreeMap<CameraId, CameraFacts> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stream's state changed.
    pub fn stream(&self, camera: &CameraId, report: &StreamReport) {
        self.update(camera, |facts| {
            let new = facts.stream != report.state;
            if new {
                facts.since = report.at;
            }
            facts.stream = report.state;
            facts.detail.clone_from(&report.detail);
            new
        });
    }

    /// The stream turned out to be this; `true` if codec or size are new.
    #[must_use]
    pub fn info(&self, camera: &CameraId, info: &StreamInfo) -> bool {
        let mut news = false;
        self.update(camera, |facts| {
            news = facts
                .info
                .as_ref()
                .is_none_or(|old| (&old.codec, old.width, old.height) != (&info.codec, info.width, info.height));
            facts.info = Some(info.clone());
            news
        });
        news
    }

    /// A picture was analysed; `true` if the view has changed its state with it.
    #[must_use]
    pub fn looked(&self, camera: &CameraId, at: Timestamp, next_at: Timestamp, view: ViewState) -> bool {
        let mut view_changed = false;
        self.update(camera, |facts| {
            facts.looks += 1;
            facts.last_frame_at = Some(at);
            facts.coverage.looked(at, next_at);
            view_changed = facts.view != view;
            if view_changed {
                facts.view = view;
                facts.since = at;
            }
            view_changed
        });
        view_changed
    }

    /// A picture could not be analysed.
    pub fn look_failed(&self, camera: &CameraId) {
        self.update(camera, |facts| {
            facts.looks_failed += 1;
            false
        });
    }

    /// The platform has muted these kinds, and no others.
    pub fn muted(&self, camera: &CameraId, mutes: BTreeMap<Kind, Timestamp>) {
        self.update(camera, |facts| {
            let news = facts.mutes != mutes;
            facts.mutes = mutes;
            news
        });
    }

    /// Another profile is in force, until then; `None` is none.
    pub fn profile(&self, profile: Option<(String, Timestamp)>) {
        *self.profile.lock().unwrap_or_else(PoisonError::into_inner) = profile;
        self.changed.send_modify(|count| *count += 1);
    }

    /// The profile in force, and until when.
    #[must_use]
    pub fn profile_in_force(&self) -> Option<(String, Timestamp)> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts of the camera's pictures, as they stand.
    pub fn counted(&self, camera: &CameraId, media: MediaCounts) {
        self.update(camera, |facts| {
            facts.media = media;
            false
        });
    }

    fn update(&self, camera: &CameraId, change: impl FnOnce(&mut CameraFacts) -> bool) {
        let mut cameras = self.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        let news = cameras.get_mut(camera).is_some_and(change);
        drop(cameras);
        if news {
            self.changed.send_modify(|count| *count += 1);
        }
    }
}
