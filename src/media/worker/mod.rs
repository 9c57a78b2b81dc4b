//! A media worker: the process that reads a few cameras, so that the gateway itself never does.
//!
//! ```text
//! stdin  ◀── Order ── gateway      stdout: the memory for pictures      stderr: the log
//! stdin  ─── Report ─▶
//! ```
//!
//! It knows the passwords of its own cameras and nothing else of the gateway, gives up its rights before it
//! reads the first byte of a camera, and ends with the gateway.

mod gate;
mod link;
mod probe;
mod sandbox;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::boundary::{SourceEvent, WatchCamera};
use super::live::{Media, Shared};
use super::mailbox::Mailbox;
use super::wire::{Ask, FrameMemory, Order, PULSE, Report, SLOTS, Shape};
use crate::clock::SystemClock;
use crate::domain::camera::LookPlan;
use gate::RemoteGate;
use link::Link;

/// For sessions to end politely, when the gateway asks to stop.
const STOP: Duration = Duration::from_secs(3);

/// Reads cameras for the gateway that started this process, until it says to stop. Fails if this process was
/// started by anybody else, or if the gateway is gone.
pub fn run() -> io::Result<()> {
    sandbox::end_with_the_gateway()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let link = Arc::new(Link::over(io::stdin().as_fd().try_clone_to_owned()?)?);
    link.say(&Report::Hello).await?;
    let Order::Begin { now, options, memory_bytes, cameras, probe } = link.hear().await? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the first order was not to begin"));
    };
    let clock = Arc::new(SystemClock::started_at(now));
    let memory = Arc::new(FrameMemory::over(io::stdout().as_fd().try_clone_to_owned()?, options.max_pixels));
    let cameras: Vec<WatchCamera> = cameras.into_iter().map(super::wire::CameraOrder::into_watch).collect();
    sandbox::give_up_rights(&cameras, memory_bytes);
    let (gate, turns) = RemoteGate::new(Arc::clone(&link));
    let gate = Arc::new(gate);
    if let (Some(patience), [camera, ..]) = (probe, &cameras[..]) {
        let shared = Shared::start(options, clock, Arc::clone(&gate) as _)?;
        return probe::run(camera, patience, &shared, &memory, (&link, &gate, turns)).await;
    }
    let media = Media::start_behind(Arc::clone(&gate) as _, options, clock)?;
    let worker = Worker::start(&link, &memory, &media, cameras);
    worker.run(&link, &gate, turns, &media).await?;
    media.stop(STOP).await;
    Ok(())
}

/// The cameras, as far as orders concern them.
struct Worker {
    cameras: Vec<Camera>,
    free_slots: mpsc::Sender<u8>,
    tasks: TaskTracker,
}

struct Camera {
    mailbox: Arc<Mailbox>,
    plans: watch::Sender<Option<LookPlan>>,
    stop: CancellationToken,
}

impl Worker {
    fn start(link: &Arc<Link>, memory: &Arc<FrameMemory>, media: &Media, cameras: Vec<WatchCamera>) -> Self {
        let (free_slots, slots) = mpsc::channel(usize::from(SLOTS));
        for slot in 0..SLOTS {
            // There is room for all of them.
            free_slots.try_send(slot).unwrap_or_default();
        }
        let slots = Arc::new(Mutex::new(slots));
        let tasks = TaskTracker::new();
        let watched = (0..).zip(cameras).map(|(number, camera)| {
            let mailbox = Arc::new(Mailbox::default());
            let (plans, wanted) = watch::channel(None);
            let notes = {
                let memory = Arc::clone(memory);
                Arc::new(move |doing| memory.mark(number, doing as u8))
            };
            let stop = media.watch_into(camera, &mailbox, notes);
            let courier = Courier {
                number,
                link: Arc::clone(link),
                memory: Arc::clone(memory),
                slots: Arc::clone(&slots),
                mailbox: Arc::clone(&mailbox),
            };
            tasks.spawn(courier.run(wanted));
            Camera { mailbox, plans, stop }
        });
        let cameras = watched.collect();
        Self { cameras, free_slots, tasks }
    }

    /// Follows orders until the one to stop.
    async fn run(
        &self,
        link: &Link,
        gate: &RemoteGate,
        mut turns: mpsc::Receiver<u32>,
        media: &Media,
    ) -> io::Result<()> {
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            tokio::select! {
                _ = pulse.tick() => link.say(&self.pulse(media)).await?,
                Some(ticket) = turns.recv() => link.say(&Report::Ask { ticket, ask: Ask::Leave }).await?,
                order = link.hear() => match order? {
                    Order::Look { camera, plan } => {
                        if let Some(camera) = self.cameras.get(usize::from(camera)) {
                            camera.plans.send_replace(Some(plan));
                        }
                    }
                    Order::Forget { camera } => {
                        if let Some(camera) = self.cameras.get(usize::from(camera)) {
                            camera.stop.cancel();
                        }
                    }
                    Order::Free { slot } => self.free_slots.try_send(slot).map_err(io::Error::other)?,
                    Order::Answer { ticket, value } => gate.answered(ticket, value),
                    Order::Stop => break,
                    Order::Begin { .. } => return Err(io::Error::other("told to begin twice")),
                },
            }
        }
        self.tasks.close();
        Ok(())
    }

    fn pulse(&self, media: &Media) -> Report {
        let counts = (0..).zip(&self.cameras).map(|(number, camera)| (number, camera.mailbox.counts().counts()));
        Report::Pulse { cameras: counts.collect(), decoding_is_stuck: media.decoding_is_stuck() }
    }
}

/// Carries one camera's messages to the gateway.
struct Courier {
    number: u16,
    link: Arc<Link>,
    memory: Arc<FrameMemory>,
    slots: Arc<Mutex<mpsc::Receiver<u8>>>,
    mailbox: Arc<Mailbox>,
}

impl Courier {
    async fn run(self, mut wanted: watch::Receiver<Option<LookPlan>>) {
        let mut plan = None;
        loop {
            let event = tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        plan = *wanted.borrow_and_update();
                        continue;
                    }
                    Err(_) => return,
                },
                event = self.mailbox.next(plan) => event,
            };
            if matches!(event, SourceEvent::Frame(_)) {
                // One picture for one order.
                plan = None;
            }
            let ended = matches!(event, SourceEvent::Ended);
            if let Err(error) = self.carry(event).await {
                tracing::error!(%error, "the gateway cannot be told");
                return;
            }
            if ended {
                return;
            }
        }
    }

    async fn carry(&self, event: SourceEvent) -> io::Result<()> {
        let camera = self.number;
        let report = match event {
            SourceEvent::State(report) => Report::State { camera, report },
            SourceEvent::Info(info) => Report::Info { camera, info },
            SourceEvent::Ended => Report::Ended { camera },
            SourceEvent::Frame(frame) => {
                let slot = self.slots.lock().await.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
                self.memory.write(slot, &frame)?;
                Report::Picture { camera, slot, shape: Shape::of(&frame) }
            }
        };
        self.link.say(&report).await
    }
}
