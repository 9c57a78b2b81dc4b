//! One thread that owns every model session and answers one picture at a time.
//!
//! A session cannot be run concurrently and more threads gain nothing on a small box. Each camera
//! waits for its answer before it asks again, so the queue never holds more than one picture a camera.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::domain::frame::Frame;
use crate::domain::geometry::Polygon;
use crate::inference::{Detections, Detector};
use crate::pipeline::progress::{Progress, REPORT_EVERY, Stage};

/// Detectors by the manifest they were loaded from.
pub type Detectors = BTreeMap<PathBuf, Box<dyn Detector>>;

/// Why there are no detections for a picture.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The thread has ended.
    #[error("the inference thread has stopped")]
    Stopped,
    /// No such model was loaded.
    #[error("no model was loaded from {0}")]
    UnknownModel(PathBuf),
    /// The model refused the picture.
    #[error("detection failed: {0}")]
    Failed(String),
}

struct Request {
    model: Arc<Path>,
    frame: Arc<Frame>,
    masks: Arc<[Polygon]>,
    answer: oneshot::Sender<Result<Detections, InferError>>,
}

/// Asks the inference thread.
#[derive(Clone)]
pub struct Inferrer {
    requests: mpsc::Sender<Request>,
}

impl fmt::Debug for Inferrer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inferrer").finish_non_exhaustive()
    }
}

impl Inferrer {
    /// Boxes of one picture, with `masks` blackened before the model sees it.
    pub async fn detect(
        &self,
        model: &Arc<Path>,
        frame: &Arc<Frame>,
        masks: &Arc<[Polygon]>,
    ) -> Result<Detections, InferError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { model: model.clone(), frame: frame.clone(), masks: masks.clone(), answer };
        self.requests.send(request).await.map_err(|_| InferError::Stopped)?;
        answered.await.map_err(|_| InferError::Stopped)?
    }
}

/// The running thread; it ends when every [`Inferrer`] is dropped.
#[derive(Debug)]
pub struct InferenceThread {
    thread: std::thread::JoinHandle<()>,
}

impl InferenceThread {
    /// Starts the thread with room for one picture of each of `cameras`.
    pub fn start(detectors: Detectors, cameras: usize, progress: Progress) -> std::io::Result<(Self, Inferrer)> {
        let (requests, queue) = mpsc::channel(cameras.max(1));
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("inference".to_owned())
            .spawn(move || serve(detectors, queue, &progress, &runtime))?;
        Ok((Self { thread }, Inferrer { requests }))
    }

    /// Waits for the thread; blocks, so call it when the last [`Inferrer`] is gone.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the inference thread panicked");
        }
    }
}

fn serve(
    mut detectors: Detectors,
    mut queue: mpsc::Receiver<Request>,
    progress: &Progress,
    runtime: &tokio::runtime::Handle,
) {
    loop {
        progress.report(&Stage::Inference);
        let next = runtime.block_on(async { tokio::time::timeout(REPORT_EVERY, queue.recv()).await });
        let request = match next {
            Err(_idle) => continue,
            Ok(None) => break,
            Ok(Some(request)) => request,
        };
        if request.answer.is_closed() {
            continue;
        }
        let answer = match detectors.get_mut(&*request.model) {
            None => Err(InferError::UnknownModel(request.model.to_path_buf())),
            Some(detector) => detector
                .detect_all(&request.frame, &request.masks)
                .map_err(|error| InferError::Failed(error.to_string())),
        };
        if request.answer.send(answer).is_err() {
            tracing::debug!("nobody waits for this picture any more");
        }
    }
    progress.retire(&Stage::Inference);
}
