//! What ends a worker, and how it is noticed.

use std::fmt;
use std::os::unix::process::ExitStatusExt;

use super::process::{Gone, Process};

/// Pulses that may be missing: two are chance, five are a worker that hangs.
const MISSED_PULSES: u32 = 5;

/// What a worker did that cost it its place.
#[derive(Debug)]
pub(super) enum Failure {
    NotStarted(String),
    /// By somebody else: its cameras are not to blame.
    Killed,
    Died(String),
    Hangs,
    DecodersHang,
    Grew(u64),
    Lied(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(reason) => write!(f, "it could not be started: {reason}"),
            Self::Killed => f.write_str("somebody killed it"),
            Self::Died(how) => write!(f, "it died ({how})"),
            Self::Hangs => f.write_str("it did not move any more"),
            Self::DecodersHang => f.write_str("its decoders hung"),
            Self::Grew(bytes) => write!(f, "it took {} MiB of memory", bytes >> 20),
            Self::Lied(what) => write!(f, "it said what no worker says: {what}"),
        }
    }
}

/// Whether a worker may go on: it tells that it moves, and keeps within `most` bytes.
pub(super) fn sound(process: &Process, missed: u32, most: u64) -> Result<(), Failure> {
    if missed > MISSED_PULSES {
        return Err(Failure::Hangs);
    }
    match process.memory_in_use() {
        Some(bytes) if bytes > most => Err(Failure::Grew(bytes)),
        _ => Ok(()),
    }
}

pub(super) fn failure_of(gone: Gone) -> Failure {
    match gone {
        Gone::Ended(status) => match (status.signal(), status.code()) {
            (Some(libc::SIGKILL), _) => Failure::Killed,
            (Some(signal), _) => Failure::Died(format!("signal {signal}")),
            (None, code) => Failure::Died(format!("exit code {}", code.unwrap_or_default())),
        },
        Gone::Lied(what) => Failure::Lied(what),
    }
}

pub(super) fn unheard(gone: Option<Gone>) -> Failure {
    gone.map_or(Failure::Hangs, failure_of)
}
