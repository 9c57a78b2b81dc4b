//! One look at one camera, instead of watching.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

use super::gate::RemoteGate;
use super::link::Link;
use crate::media::boundary::WatchCamera;
use crate::media::live::Shared;
use crate::media::probe;
use crate::media::wire::{Ask, FrameMemory, Order, PULSE, ProbeAnswer, Report, Shape};

/// Looks, and says what was seen.
pub(super) async fn run(
    camera: &WatchCamera,
    patience: Duration,
    shared: &Shared,
    memory: &FrameMemory,
    (link, gate, mut turns): (&Link, &RemoteGate, mpsc::Receiver<u32>),
) -> io::Result<()> {
    let mut look = Box::pin(probe::look(&camera.source, patience, shared));
    let mut pulse = tokio::time::interval(PULSE);
    let looked = loop {
        tokio::select! {
            looked = &mut look => break looked,
            _ = pulse.tick() => {
                let decoding_is_stuck = shared.pool.is_stuck();
                link.say(&Report::Pulse { cameras: Vec::new(), decoding_is_stuck }).await?;
            }
            Some(ticket) = turns.recv() => link.say(&Report::Ask { ticket, ask: Ask::Leave }).await?,
            order = link.hear() => match order? {
                Order::Answer { ticket, value } => gate.answered(ticket, value),
                Order::Begin { .. } | Order::Look { .. } | Order::Forget { .. } | Order::Free { .. } | Order::Stop => {
                    return Err(io::Error::other("an order that is none for a look"));
                }
            },
        }
    };
    let answer = match looked {
        Ok(report) => {
            memory.write(0, &report.snapshot)?;
            let shape = Shape::of(&report.snapshot);
            let probe::ProbeReport { info, transport, authentication, remarks, .. } = report;
            Ok(Box::new(ProbeAnswer { info, transport, authentication, remarks, shape }))
        }
        Err(fault) => Err((fault.state, fault.detail)),
    };
    link.say(&Report::Probed { answer }).await
}
