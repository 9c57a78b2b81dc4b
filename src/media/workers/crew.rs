//! The cameras that share a worker: keeps one running for them, and lets suspects go.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::blame::{Facts, suspects};
use super::failure::{Failure, failure_of, sound, unheard};
use super::office::Office;
use super::process::Process;
use super::{MediaOptions, Program};
use crate::clock::Clock;
use crate::domain::SignedDuration;
use crate::domain::backoff::Backoff;
use crate::domain::camera::StreamState;
use crate::media::boundary::{AuthKey, MediaCounts, ResolvedSource, StreamReport, WatchCamera};
use crate::media::gate::LedgerGate;
use crate::media::mailbox::Mailbox;
use crate::media::wire::{CameraOrder, Order, PULSE, Report, Shape};

/// What a worker may use besides its cameras' compressed pictures: code, threads, decoders of 4K.
pub(super) const MEMORY_BYTES: u64 = 144 << 20;

/// For a worker to start, and for it to end when it is asked to.
const START: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(4);

/// First wait after a worker died.
const AGAIN: Duration = Duration::from_millis(100);

/// A worker's own texts go into the log and to the platform.
pub(super) const LONGEST_DETAIL: usize = 300;

/// What all crews share.
#[derive(Debug)]
pub(super) struct Staff {
    pub program: Program,
    pub media: MediaOptions,
    pub clock: Arc<dyn Clock>,
    pub gate: Arc<LedgerGate>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// A camera, and where its messages go.
#[derive(Debug)]
pub(super) struct Watched {
    pub camera: WatchCamera,
    mailbox: Arc<Mailbox>,
    stop: CancellationToken,
    /// Counted by the workers before this one.
    before: MediaCounts,
    units: u64,
    lively: bool,
    ended: bool,
}

impl Watched {
    pub(super) fn new(camera: WatchCamera, mailbox: Arc<Mailbox>, stop: CancellationToken) -> Self {
        Self { camera, mailbox, stop, before: MediaCounts::default(), units: 0, lively: false, ended: false }
    }

    pub(super) fn account(&self) -> Option<AuthKey> {
        let ResolvedSource::Rtsp { url, username, password, .. } = &self.camera.source else { return None };
        let account = username.as_deref().unwrap_or_default();
        Some(AuthKey::new(url.host_str().unwrap_or_default(), account, password.as_ref()))
    }

    fn count(&mut self, counts: MediaCounts) {
        self.lively = counts.units > self.units;
        self.units = counts.units;
        self.mailbox.set_counts(self.before + counts);
    }

    /// Its worker is gone.
    fn orphan(&mut self) {
        self.before = self.mailbox.counts().counts();
        (self.units, self.lively) = (0, false);
    }

    /// Returns when a picture is wanted or the camera is to be left alone. Cancel-safe.
    async fn news(&self) {
        if self.ended {
            std::future::pending::<()>().await;
        }
        tokio::select! {
            () = self.mailbox.asked() => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Cameras with one worker.
pub(super) struct Crew {
    cameras: Vec<Watched>,
    staff: Arc<Staff>,
}

/// Why a worker is no more.
enum End {
    /// It was asked to.
    Stopped,
    /// With what each camera was at.
    Failed(Failure, Vec<u8>),
}

impl Crew {
    /// Begins to work for these cameras.
    pub(super) fn begin(cameras: Vec<Watched>, staff: &Arc<Staff>) {
        let crew = Self { cameras, staff: Arc::clone(staff) };
        staff.tasks.spawn(crew.run());
    }

    async fn run(mut self) {
        let mut backoff = Backoff::new(AGAIN, self.staff.media.backoff_longest);
        let stop = self.staff.stop.clone();
        while self.anybody_left() {
            let mut pulses = 0;
            let End::Failed(failure, marks) = self.work(&mut pulses).await else { break };
            self.tell(&failure);
            self.dismiss_suspects(&failure, &marks);
            let worked = Duration::from_secs(u64::from(pulses));
            if worked >= self.staff.media.healthy_after {
                backoff.reset();
            }
            if stop.run_until_cancelled(tokio::time::sleep(backoff.next_delay(rand::random()))).await.is_none() {
                break;
            }
        }
        for camera in &self.cameras {
            camera.mailbox.end();
        }
    }

    fn anybody_left(&mut self) -> bool {
        let gone = self.cameras.extract_if(.., |camera| camera.ended || camera.stop.is_cancelled());
        gone.for_each(|camera| camera.mailbox.end());
        !self.cameras.is_empty()
    }

    /// Starts a worker and serves it until its end.
    async fn work(&mut self, pulses: &mut u32) -> End {
        let mut process = match Process::start(&self.staff.program, self.staff.media.max_pixels) {
            Ok(process) => process,
            Err(error) => return End::Failed(Failure::NotStarted(error.to_string()), Vec::new()),
        };
        let end = match introduce(&mut process, &self.first_order()).await {
            Ok(()) => self.serve(&mut process, pulses).await,
            Err(failure) => Err(failure),
        };
        match end {
            Ok(()) => {
                if process.say(&Order::Stop).await.is_ok() {
                    process.wait(STOP).await;
                }
                End::Stopped
            }
            Err(failure) => {
                process.kill().await;
                let marks = process.memory.marks(self.cameras.len()).unwrap_or_default();
                End::Failed(failure, marks)
            }
        }
    }

    fn first_order(&self) -> Order {
        Order::Begin {
            now: self.staff.clock.now(),
            options: self.staff.media.clone(),
            memory_bytes: self.memory_bytes(),
            cameras: self.cameras.iter().map(|watched| CameraOrder::new(&watched.camera)).collect(),
            probe: None,
        }
    }

    fn memory_bytes(&self) -> u64 {
        let rings: usize = self.cameras.iter().map(|watched| watched.camera.ring_max_bytes).sum();
        MEMORY_BYTES + rings as u64
    }

    async fn serve(&mut self, process: &mut Process, pulses: &mut u32) -> Result<(), Failure> {
        let stop = self.staff.stop.clone();
        let accounts = self.cameras.iter().filter_map(Watched::account).collect();
        let mut office = Office::new(Arc::clone(&self.staff.gate), accounts);
        let mut buffer = Vec::new();
        let mut check = tokio::time::interval(PULSE);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut missed = 0;
        // What was asked of the worker before.
        for number in 0..self.cameras.len() {
            self.pass_on(number, process).await?;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                heard = process.hear(&mut buffer) => {
                    let report = heard.map_err(failure_of)?;
                    if matches!(report, Report::Pulse { .. }) {
                        missed = 0;
                        *pulses += 1;
                    }
                    self.take(report, process, &mut office).await?;
                }
                number = news(&self.cameras) => self.pass_on(number, process).await?,
                (ticket, value) = office.answer() => {
                    process.say(&Order::Answer { ticket, value }).await.map_err(unheard)?;
                }
                _ = check.tick() => {
                    missed += 1;
                    sound(process, missed, self.memory_bytes())?;
                }
            }
            if self.cameras.iter().all(|camera| camera.ended) {
                return Ok(());
            }
        }
    }

    /// Passes on what is wanted of one camera.
    async fn pass_on(&mut self, number: usize, process: &mut Process) -> Result<(), Failure> {
        let watched = &mut self.cameras[number];
        let camera = u16::try_from(number).unwrap_or(u16::MAX);
        let order = if watched.stop.is_cancelled() && !watched.ended {
            watched.ended = true;
            watched.mailbox.end();
            Order::Forget { camera }
        } else {
            match watched.mailbox.request() {
                Some(request) if request.open => Order::Look { camera, plan: request.plan },
                Some(_) | None => return Ok(()),
            }
        };
        process.say(&order).await.map_err(unheard)
    }

    async fn take(&mut self, report: Report, process: &mut Process, office: &mut Office) -> Result<(), Failure> {
        let lied = |what: &str| Failure::Lied(what.to_owned());
        let now = self.staff.clock.now();
        match report {
            Report::Hello | Report::Probed { .. } => return Err(lied("what it was not asked")),
            Report::Pulse { cameras, decoding_is_stuck } => {
                for (number, counts) in cameras {
                    self.camera(number)?.count(counts);
                }
                if decoding_is_stuck {
                    return Err(Failure::DecodersHang);
                }
            }
            Report::State { camera, report } => {
                let detail = report.detail.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect();
                let report = StreamReport { state: report.state, at: report.at.min(now), detail };
                self.camera(camera)?.mailbox.put_state(report);
            }
            Report::Info { camera, mut info } => {
                info.codec.truncate(info.codec.floor_char_boundary(32));
                self.camera(camera)?.mailbox.put_info(info);
            }
            Report::Picture { camera, slot, shape } => self.picture(camera, slot, shape, process).await?,
            Report::Ended { camera } => {
                let camera = self.camera(camera)?;
                camera.ended = true;
                camera.mailbox.end();
            }
            Report::Ask { ticket, ask } => office.take(ticket, ask).map_err(lied)?,
        }
        Ok(())
    }

    async fn picture(&mut self, camera: u16, slot: u8, shape: Shape, process: &mut Process) -> Result<(), Failure> {
        // A picture of the future would carry the rules with it.
        if shape.captured_at.duration_since(self.staff.clock.now()) > SignedDuration::from_secs(5) {
            return Err(Failure::Lied("a picture of the future".to_owned()));
        }
        let frame = process.memory.read(slot, shape).map_err(|error| Failure::Lied(error.to_string()))?;
        process.say(&Order::Free { slot }).await.map_err(unheard)?;
        self.camera(camera)?.mailbox.put_frame(Arc::new(frame));
        Ok(())
    }

    fn camera(&mut self, number: u16) -> Result<&mut Watched, Failure> {
        let camera = self.cameras.get_mut(usize::from(number));
        camera.ok_or_else(|| Failure::Lied("a camera that it does not have".to_owned()))
    }

    /// Suspects go on without the others: one alone, several in two halves, so that a few deaths at most
    /// find the culprit.
    fn dismiss_suspects(&mut self, failure: &Failure, marks: &[u8]) {
        if self.cameras.len() < 2 || matches!(failure, Failure::Killed) {
            return;
        }
        let facts = |(watched, doing): (&Watched, &u8)| Facts { doing: *doing, lively: watched.lively };
        let suspects = suspects(&self.cameras.iter().zip(marks).map(facts).collect::<Vec<_>>());
        let mut number = 0;
        let leaving = self.cameras.extract_if(.., |_| {
            number += 1;
            suspects.contains(&(number - 1))
        });
        let mut leaving: Vec<_> = leaving.collect();
        for watched in &leaving {
            tracing::warn!(camera = %watched.camera.id, "may have brought its media worker down and gets another one");
        }
        let rest = leaving.split_off(leaving.len().div_ceil(2));
        for crew in [leaving, rest] {
            if !crew.is_empty() {
                Self::begin(crew, &self.staff);
            }
        }
    }

    /// All learn that there are no pictures for a moment.
    fn tell(&mut self, failure: &Failure) {
        let names: Vec<_> = self.cameras.iter().map(|watched| watched.camera.id.as_str()).collect();
        tracing::error!(cameras = names.join(", "), reason = %failure, "a media worker is gone; another one is started");
        let at = self.staff.clock.now();
        for watched in &mut self.cameras {
            // Before its counts are read anew: another worker starts at nought.
            watched.orphan();
            let detail = format!("its media worker is gone: {failure}");
            watched.mailbox.put_state(StreamReport { state: StreamState::Offline, at, detail });
        }
    }
}

/// Gives a worker its first order once it is there.
pub(super) async fn introduce(process: &mut Process, begin: &Order) -> Result<(), Failure> {
    match tokio::time::timeout(START, process.hear(&mut Vec::new())).await {
        Ok(Ok(Report::Hello)) => process.say(begin).await.map_err(unheard),
        Ok(Ok(_)) => Err(Failure::Lied("something before it was greeted".to_owned())),
        Ok(Err(gone)) => Err(failure_of(gone)),
        Err(_) => Err(Failure::Hangs),
    }
}

/// The number of a camera of which there is news. Never returns without cameras. Cancel-safe.
async fn news(cameras: &[Watched]) -> usize {
    if cameras.is_empty() {
        return std::future::pending().await;
    }
    let each = cameras.iter().enumerate().map(|(number, camera)| {
        Box::pin(async move {
            camera.news().await;
            number
        })
    });
    futures::future::select_all(each).await.0
}
