//! A few decode threads for all cameras. A job carries everything it needs, its decoder included.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::access_unit::AccessUnit;
use super::decoder::{DecodeError, Decoder, DecoderSpec, Picture};
use crate::clock::{Clock, until};
use crate::domain::Timestamp;
use crate::domain::frame::Frame;

/// More cameras than any box has; each camera has at most one job here.
const QUEUE: usize = 1024;

/// Pictures to decode.
#[derive(Debug)]
pub(super) struct DecodeJob {
    pub spec: DecoderSpec,
    /// What earlier jobs of this camera left; `None` starts afresh.
    pub decoder: Option<Decoder>,
    /// In decoding order; without `decoder`, the first is a keyframe.
    pub units: Vec<AccessUnit>,
    /// Give the decoder back instead of draining it.
    pub keep: bool,
    pub skip_non_reference: bool,
    /// Only the newest picture from this moment on is wanted.
    pub wanted_at: Timestamp,
}

/// What became of a job.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub decoder: Option<Decoder>,
    pub frame: Option<Frame>,
    /// Units that were fed; fewer than given when the time limit was reached.
    pub fed: usize,
    pub decoded: u32,
    pub errors: u32,
    /// The stream is of a kind that is not decoded.
    pub unsupported: Option<String>,
}

/// The threads. They end when the pool is stopped or dropped.
#[derive(Debug)]
pub(super) struct DecodePool {
    jobs: Mutex<Option<SyncSender<Posted>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

type Posted = (DecodeJob, oneshot::Sender<Outcome>);

impl DecodePool {
    pub(super) fn start(threads: usize, time_limit: Duration, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads.max(1))
            .map(|index| {
                let (queue, clock) = (Arc::clone(&queue), Arc::clone(clock));
                std::thread::Builder::new()
                    .name(format!("decode-{index}"))
                    .spawn(move || work(&queue, time_limit, clock.as_ref()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads) })
    }

    /// Queues a job. The receiver fails if the decoder panicked, the queue was full or the pool stops.
    pub(super) fn submit(&self, job: DecodeJob) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        if let Some(jobs) = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A refused job drops `reply`, which is how the camera learns of it.
            drop(jobs.try_send((job, reply)));
        }
        outcome
    }

    /// Lets the threads end after their current jobs.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether every thread has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).iter().all(JoinHandle::is_finished)
    }
}

fn work(queue: &Mutex<Receiver<Posted>>, time_limit: Duration, clock: &dyn Clock) {
    loop {
        let posted = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, reply)) = posted else { return };
        if reply.is_closed() {
            continue;
        }
        let deadline = clock.now() + time_limit;
        if let Ok(outcome) = std::panic::catch_unwind(AssertUnwindSafe(|| decode(job, deadline, clock))) {
            // The camera may have gone meanwhile.
            drop(reply.send(outcome));
        } else {
            tracing::error!("a decoder panicked; its camera starts afresh");
        }
    }
}

fn decode(job: DecodeJob, deadline: Timestamp, clock: &dyn Clock) -> Outcome {
    let mut outcome = Outcome::default();
    let mut decoder = match job.decoder.map_or_else(|| Decoder::new(&job.spec), Ok) {
        Ok(decoder) => decoder,
        Err(error) => {
            outcome.note(error);
            return outcome;
        }
    };
    decoder.skip_non_reference(job.skip_non_reference);
    let mut newest: Option<Picture> = None;
    let mut pictures = 0;
    let mut sink = |picture: Picture| {
        pictures += 1;
        if picture.captured_at >= job.wanted_at {
            newest = Some(picture);
        }
    };
    let mut intact = true;
    for unit in &job.units {
        outcome.fed += 1;
        if let Err(error) = decoder.feed(unit, &mut sink) {
            outcome.note(error);
            intact = false;
        }
        if !intact || until(clock, deadline).is_zero() {
            break;
        }
    }
    if job.keep && intact {
        outcome.decoder = Some(decoder);
    } else if intact && let Err(error) = decoder.drain(&mut sink) {
        outcome.note(error);
    }
    outcome.decoded = pictures;
    match newest.map(|picture| picture.to_frame()) {
        Some(Ok(frame)) => outcome.frame = Some(frame),
        Some(Err(error)) => outcome.note(error),
        None => {}
    }
    outcome
}

impl Outcome {
    fn note(&mut self, error: DecodeError) {
        self.errors += 1;
        match error {
            DecodeError::Unsupported(detail) => self.unsupported = Some(detail),
            DecodeError::Damaged(detail) => tracing::debug!(detail, "picture not decoded"),
        }
    }
}
