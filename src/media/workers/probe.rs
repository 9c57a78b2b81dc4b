//! One look at a camera by a worker of its own, for somebody who sets the camera up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Program;
use super::crew::{MEMORY_BYTES, Watched, introduce};
use super::failure::{Failure, failure_of, sound, unheard};
use super::office::Office;
use super::process::Process;
use crate::clock::Clock;
use crate::config::DecodeMode;
use crate::domain::camera::{CameraId, StreamState};
use crate::media::boundary::{AuthLedger, ResolvedSource, WatchCamera};
use crate::media::gate::LedgerGate;
use crate::media::ingest::Fault;
use crate::media::live::MediaOptions;
use crate::media::probe::{ProbeError, ProbeReport, name_of, ring_bytes};
use crate::media::wire::{CameraOrder, Order, PULSE, ProbeAnswer, Report};

/// For everything but the watching: connecting, logging in, asking again over UDP, ending the session.
const BESIDES: Duration = Duration::from_secs(120);

type Answer = Result<Box<ProbeAnswer>, (StreamState, String)>;

/// As [`crate::media::probe::probe`], without a byte of the camera in this process.
pub async fn probe(
    program: &Program,
    source: ResolvedSource,
    patience: Duration,
    options: MediaOptions,
    clock: Arc<dyn Clock>,
    auth: Arc<dyn AuthLedger>,
) -> Result<ProbeReport, ProbeError> {
    let source_name = name_of(&source);
    let fail = |fault: Fault| ProbeError { source_name: source_name.clone(), state: fault.state, detail: fault.detail };
    let Some(id) = CameraId::new("probed") else { return Err(fail(Fault::offline("it has no name"))) };
    let camera = WatchCamera { id, source, decode: DecodeMode::Keyframes, ring_max_bytes: ring_bytes(&options) };
    let memory_bytes = MEMORY_BYTES + camera.ring_max_bytes as u64;
    let watched = Watched::new(camera, Arc::default(), CancellationToken::new());
    let begin = Order::Begin {
        now: clock.now(),
        memory_bytes,
        cameras: vec![CameraOrder::new(&watched.camera)],
        probe: Some(patience),
        options: options.clone(),
    };
    let accounts = watched.account().into_iter().collect();
    let office = Office::new(Arc::new(LedgerGate::new(auth)), accounts);
    let mut process = Process::start(program, options.max_pixels)
        .map_err(|error| fail(gone(&Failure::NotStarted(error.to_string()))))?;
    let asked = async {
        introduce(&mut process, &begin).await?;
        serve(&mut process, memory_bytes, office).await
    };
    let answer = tokio::time::timeout(patience + BESIDES, asked).await.unwrap_or(Err(Failure::Hangs));
    let read = answer.and_then(|answer| read(answer, &process));
    process.kill().await;
    read.map_err(|failure| gone(&failure)).flatten().map_err(fail)
}

/// What a worker has answered, with its picture; or why it has seen nothing.
fn read(answer: Answer, process: &Process) -> Result<Result<ProbeReport, Fault>, Failure> {
    let answer = match answer {
        Ok(answer) => answer,
        Err((state, detail)) => return Ok(Err(Fault::new(state, plain(&detail)))),
    };
    let frame = process.memory.read(0, answer.shape).map_err(|error| Failure::Lied(error.to_string()))?;
    let ProbeAnswer { mut info, transport, authentication, remarks, .. } = *answer;
    info.codec = plain(&info.codec);
    let remarks = remarks.iter().map(|remark| plain(remark)).collect();
    Ok(Ok(ProbeReport::new(info, transport, authentication, Arc::new(frame), remarks)))
}

fn gone(failure: &Failure) -> Fault {
    let is_ours = matches!(failure, Failure::NotStarted(_) | Failure::Killed);
    let blame = if is_ours { "" } else { "; the camera sends what none should, or far too much of it" };
    Fault::offline(format!("the process that read the camera is gone: {failure}{blame}"))
}

/// A worker's own texts go to a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(super::crew::LONGEST_DETAIL).collect()
}

/// Answers the worker until it has its answer.
async fn serve(process: &mut Process, most: u64, mut office: Office) -> Result<Answer, Failure> {
    let mut buffer = Vec::new();
    let mut check = tokio::time::interval(PULSE);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut missed = 0;
    loop {
        tokio::select! {
            heard = process.hear(&mut buffer) => match heard.map_err(failure_of)? {
                Report::Pulse { decoding_is_stuck: true, .. } => return Err(Failure::DecodersHang),
                Report::Pulse { .. } => missed = 0,
                Report::Ask { ticket, ask } => office.take(ticket, ask).map_err(|lie| Failure::Lied(lie.to_owned()))?,
                Report::Probed { answer } => return Ok(answer),
                Report::Hello | Report::State { .. } | Report::Info { .. } | Report::Picture { .. } | Report::Ended { .. } => {
                    return Err(Failure::Lied("what it was not asked".to_owned()));
                }
            },
            (ticket, value) = office.answer() => {
                process.say(&Order::Answer { ticket, value }).await.map_err(unheard)?;
            }
            _ = check.tick() => {
                missed += 1;
                sound(process, missed, most)?;
            }
        }
    }
}
