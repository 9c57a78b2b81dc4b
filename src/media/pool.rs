//! A few decode threads for all cameras. A job carries everything it needs, its decoder included.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Span;

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

/// How a job is done; another one in tests.
type Decode = fn(DecodeJob, Timestamp, &dyn Clock) -> Outcome;

/// Checks of [`DecodePool::replace_stuck`] that find a thread in the same job before it is given up.
const PATIENCE: u32 = 3;

/// The threads. They end when the pool is stopped or dropped, except those that hang.
#[derive(Debug)]
pub(super) struct DecodePool {
    jobs: Mutex<Option<SyncSender<Posted>>>,
    work: Arc<Work>,
    workers: Mutex<Vec<Worker>>,
    size: usize,
}

#[derive(Debug)]
struct Posted {
    job: DecodeJob,
    reply: oneshot::Sender<Outcome>,
    /// Names the camera.
    span: Span,
}

/// What the threads share.
#[derive(Debug)]
struct Work {
    queue: Mutex<Receiver<Posted>>,
    time_limit: Duration,
    clock: Arc<dyn Clock>,
    decode: Decode,
}

#[derive(Debug)]
struct Worker {
    thread: JoinHandle<()>,
    desk: Arc<Mutex<Desk>>,
    /// Hangs; its camera has been told.
    given_up: bool,
}

/// What a thread is at.
#[derive(Debug)]
enum Desk {
    Idle,
    Busy {
        reply: oneshot::Sender<Outcome>,
        span: Span,
        checks: u32,
    },
    /// The thread is to end if it ever comes back.
    GivenUp,
}

impl DecodePool {
    pub(super) fn start(threads: usize, time_limit: Duration, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        Self::start_with(threads, time_limit, clock, decode)
    }

    fn start_with(
        threads: usize,
        time_limit: Duration,
        clock: &Arc<dyn Clock>,
        decode: Decode,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let work = Arc::new(Work { queue: Mutex::new(queue), time_limit, clock: Arc::clone(clock), decode });
        let size = threads.max(1);
        let workers = (0..size).map(|_| Worker::start(&work)).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), work, workers: Mutex::new(workers), size })
    }

    /// Queues a job on behalf of the current span. The receiver fails if the decoder panicked or hangs,
    /// the queue was full or the pool stops; it waits for as long as there is other work.
    pub(super) fn submit(&self, job: DecodeJob) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        if let Some(jobs) = lock(&self.jobs).as_ref() {
            // A refused job drops `reply`, which is how the camera learns of it.
            drop(jobs.try_send(Posted { job, reply, span: Span::current() }));
        }
        outcome
    }

    /// Gives up threads that hang in a picture and starts others, up to as many as the pool has. To be
    /// called every time limit: counted, not timed, so that a stepped clock gives up nobody.
    pub(super) fn replace_stuck(&self) {
        let mut workers = lock(&self.workers);
        workers.retain(|worker| !worker.thread.is_finished());
        for worker in workers.iter_mut() {
            worker.given_up = worker.given_up || worker.check();
        }
        let hanging = workers.iter().filter(|worker| worker.given_up).count();
        for _ in workers.len() - hanging..self.size.min(2 * self.size - hanging) {
            match Worker::start(&self.work) {
                Ok(worker) => workers.push(worker),
                Err(error) => tracing::error!(%error, "no new decode thread could be started"),
            }
        }
    }

    /// Whether no thread is left that could take a job.
    pub(super) fn is_stuck(&self) -> bool {
        lock(&self.workers).iter().all(|worker| worker.given_up)
    }

    /// Lets the threads end after their current jobs.
    pub(super) fn close(&self) {
        lock(&self.jobs).take();
    }

    /// Whether every thread has ended that can.
    pub(super) fn is_finished(&self) -> bool {
        lock(&self.workers).iter().all(|worker| worker.given_up || worker.thread.is_finished())
    }
}

impl Worker {
    fn start(work: &Arc<Work>) -> std::io::Result<Self> {
        let desk = Arc::new(Mutex::new(Desk::Idle));
        let thread = {
            let (work, desk) = (Arc::clone(work), Arc::clone(&desk));
            std::thread::Builder::new().name("decode".to_owned()).spawn(move || work.run(&desk))?
        };
        Ok(Self { thread, desk, given_up: false })
    }

    /// Whether the thread hangs; then its job is answered.
    fn check(&self) -> bool {
        let mut desk = lock(&self.desk);
        let Desk::Busy { span, checks, .. } = &mut *desk else { return false };
        *checks += 1;
        if *checks < PATIENCE {
            return false;
        }
        span.in_scope(|| tracing::error!("a decoder hangs; its thread is given up"));
        *desk = Desk::GivenUp;
        true
    }
}

impl Work {
    fn run(&self, desk: &Mutex<Desk>) {
        loop {
            let posted = lock(&self.queue).recv();
            let Ok(Posted { job, reply, span }) = posted else { return };
            if reply.is_closed() {
                continue;
            }
            *lock(desk) = Desk::Busy { reply, span: span.clone(), checks: 0 };
            let _entered = span.entered();
            let deadline = self.clock.now() + self.time_limit;
            let done = catch_unwind(AssertUnwindSafe(|| (self.decode)(job, deadline, self.clock.as_ref())));
            let Desk::Busy { reply, .. } = std::mem::replace(&mut *lock(desk), Desk::Idle) else { return };
            if let Ok(outcome) = done {
                // The camera may have gone meanwhile.
                drop(reply.send(outcome));
            } else {
                tracing::error!("a decoder panicked; its camera starts afresh");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;

    use super::*;
    use crate::clock::SystemClock;
    use crate::media::access_unit::Codec;

    const LIMIT: Duration = Duration::from_secs(5);

    static HANG: AtomicBool = AtomicBool::new(false);

    fn job(keep: bool) -> DecodeJob {
        DecodeJob {
            spec: DecoderSpec { codec: Codec::H264, max_pixels: 1000, parameters: None },
            decoder: None,
            units: Vec::new(),
            keep,
            skip_non_reference: false,
            wanted_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Hangs in jobs with `keep` while it is told to.
    #[allow(clippy::needless_pass_by_value, reason = "stands in for `decode`")]
    fn pretend(job: DecodeJob, _: Timestamp, _: &dyn Clock) -> Outcome {
        while job.keep && HANG.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Outcome { decoded: 1, ..Outcome::default() }
    }

    fn pool(threads: usize) -> DecodePool {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        DecodePool::start_with(threads, LIMIT, &clock, pretend).unwrap()
    }

    async fn until(condition: impl Fn() -> bool) {
        let polled = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), polled).await.expect("in time");
    }

    fn busy(pool: &DecodePool) -> usize {
        lock(&pool.workers).iter().filter(|worker| matches!(*lock(&worker.desk), Desk::Busy { .. })).count()
    }

    fn check(pool: &DecodePool) {
        (0..PATIENCE).for_each(|_| pool.replace_stuck());
    }

    #[tokio::test]
    async fn hanging_threads_are_replaced_once_and_then_the_pool_is_stuck() {
        let pool = pool(2);
        HANG.store(true, Ordering::Relaxed);
        let stuck: Vec<_> = (0..2).map(|_| pool.submit(job(true))).collect();
        until(|| busy(&pool) == 2).await;
        let mut waiting = pool.submit(job(false));
        pool.replace_stuck();
        assert!((&mut waiting).now_or_never().is_none() && !pool.is_stuck(), "a heavy load is no hang");
        check(&pool);
        for outcome in stuck {
            assert!(outcome.await.is_err(), "the camera is told");
        }
        assert_eq!(waiting.await.unwrap().decoded, 1, "queueing costs nothing but time");
        assert!(!pool.is_stuck());

        let _stuck: Vec<_> = (0..2).map(|_| pool.submit(job(true))).collect();
        until(|| busy(&pool) == 2).await;
        check(&pool);
        assert!(pool.is_stuck(), "replacements are bounded");
        assert_eq!(lock(&pool.workers).len(), 4);

        HANG.store(false, Ordering::Relaxed);
        until(|| lock(&pool.workers).iter().all(|worker| worker.thread.is_finished())).await;
        pool.replace_stuck();
        assert!(!pool.is_stuck(), "threads that come back make room for new ones");
        assert_eq!(pool.submit(job(true)).await.unwrap().decoded, 1);
        pool.close();
        until(|| pool.is_finished()).await;
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_costs_no_thread() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let burst: Decode = |job, _, _| if job.keep { panic!("forged bytes") } else { Outcome::default() };
        let pool = DecodePool::start_with(1, LIMIT, &clock, burst).unwrap();
        assert!(pool.submit(job(true)).await.is_err());
        assert!(pool.submit(job(false)).await.is_ok());
    }
}
