//! The gateway's side of its media workers: who shares one, and that each of them lives.
//!
//! ```text
//! watch ─▶ gather ─▶ crew (up to 8 cameras) ─▶ process ◀─ wire ─▶ worker
//!                      ▲                          │ died, hung, grew, lied
//!                      └── suspects: a crew of their own ◀── blame
//! ```

mod blame;
mod crew;
mod failure;
mod office;
mod probe;
mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::boundary::{AuthLedger, ResolvedSource, WatchCamera};
use super::gate::LedgerGate;
use super::live::{CameraSource, MediaOptions};
use super::mailbox::Mailbox;
use crate::clock::Clock;
pub use probe::probe;

use crew::{Crew, Staff, Watched};

/// Cameras of one worker: each process costs some megabytes, each death its neighbours a reconnect.
const CAMERAS: usize = 8;

/// For compressed pictures, of all cameras of one worker together.
const RINGS_BYTES: usize = 64 << 20;

/// Cameras that are watched within this time share workers.
const GATHER: Duration = Duration::from_millis(100);

/// More cameras than any box has.
const MOST_CAMERAS: usize = 1024;

/// How a worker is started: this very program, with its own log.
#[derive(Debug, Clone)]
pub struct Program {
    /// What is run.
    pub path: PathBuf,
    /// The command of a worker, and what it says about the log.
    pub arguments: Vec<String>,
    /// All that a worker sees of the environment: passwords may be in the rest.
    pub environment: Vec<(String, String)>,
}

impl Program {
    /// The program that runs now, also when its file has been replaced meanwhile.
    #[must_use]
    pub fn this(arguments: Vec<String>, environment: Vec<(String, String)>) -> Self {
        Self { path: PathBuf::from("/proc/self/exe"), arguments, environment }
    }
}

/// Reads cameras in processes of their own. No byte of a camera is looked at in this one.
#[derive(Debug)]
pub struct Workers {
    gathered: mpsc::Sender<Watched>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Workers {
    /// None yet: they are started for the cameras that are watched. Call it within a tokio runtime.
    #[must_use]
    pub fn start(program: Program, media: MediaOptions, clock: Arc<dyn Clock>, auth: Arc<dyn AuthLedger>) -> Self {
        let (gathered, cameras) = mpsc::channel(MOST_CAMERAS);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let gate = Arc::new(LedgerGate::new(auth));
        let staff = Arc::new(Staff { program, media, clock, gate, tasks: tasks.clone(), stop: stop.clone() });
        tasks.spawn(gather(cameras, staff));
        Self { gathered, tasks, stop }
    }

    /// As [`super::live::Media::watch`].
    #[must_use]
    pub fn watch(&self, camera: WatchCamera) -> CameraSource {
        let (mailbox, stop) = (Arc::new(Mailbox::default()), self.stop.child_token());
        let watched = Watched::new(camera, Arc::clone(&mailbox), stop.clone());
        if self.gathered.try_send(watched).is_err() {
            tracing::error!("more than {MOST_CAMERAS} cameras at a time; one is not watched");
            mailbox.end();
        }
        CameraSource::new(mailbox, stop)
    }

    /// Stops every camera, politely, and waits for the workers to end; `false` when the deadline passed first.
    pub async fn stop(self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Makes crews of the cameras that come together.
async fn gather(mut cameras: mpsc::Receiver<Watched>, staff: Arc<Staff>) {
    let stop = staff.stop.clone();
    let work = async {
        while let Some(first) = cameras.recv().await {
            tokio::time::sleep(GATHER).await;
            let mut crew = vec![first];
            while let Ok(next) = cameras.try_recv() {
                if !fits(&crew, &next) {
                    Crew::begin(std::mem::take(&mut crew), &staff);
                }
                crew.push(next);
            }
            Crew::begin(crew, &staff);
        }
    };
    stop.run_until_cancelled(work).await;
}

fn fits(crew: &[Watched], next: &Watched) -> bool {
    let rings: usize = crew.iter().chain([next]).map(|watched| watched.camera.ring_max_bytes).sum();
    // A clip is opened by its path, a camera never: the two do not share rights.
    let alike = |watched: &Watched| {
        matches!(watched.camera.source, ResolvedSource::File { .. })
            == matches!(next.camera.source, ResolvedSource::File { .. })
    };
    crew.len() < CAMERAS && rings <= RINGS_BYTES && crew.iter().all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DecodeMode, Transport};
    use crate::domain::camera::CameraId;

    fn watched(source: ResolvedSource, ring_max_bytes: usize) -> Watched {
        let id = CameraId::new("c").expect("an id");
        let camera = WatchCamera { id, source, decode: DecodeMode::Auto, ring_max_bytes };
        Watched::new(camera, Arc::default(), CancellationToken::new())
    }

    fn camera(ring_max_bytes: usize) -> Watched {
        let url = "rtsp://camera.local/".parse().expect("a URL");
        watched(ResolvedSource::Rtsp { url, username: None, password: None, transport: Transport::Tcp }, ring_max_bytes)
    }

    #[test]
    fn a_worker_is_full_by_number_by_rings_or_by_kind() {
        let crew = |cameras: usize, ring: usize| (0..cameras).map(|_| camera(ring)).collect::<Vec<_>>();
        assert!(fits(&crew(7, 8 << 20), &camera(8 << 20)));
        assert!(!fits(&crew(8, 1 << 20), &camera(1 << 20)));
        assert!(!fits(&crew(3, 16 << 20), &camera(32 << 20)));
        let clip = || watched(ResolvedSource::File { path: "clip.mp4".into(), repeat: true }, 1 << 20);
        assert!(!fits(&crew(1, 1 << 20), &clip()));
        assert!(fits(&[clip()], &clip()));
    }
}
