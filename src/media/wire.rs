//! What a media worker and its gateway say to each other, one datagram a message, and the memory in
//! which the pictures lie.
//!
//! The worker reads cameras, so nothing that it says is believed unchecked: cameras by number, sizes
//! against the memory, accounts against those of its own cameras.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::fs::{MemfdFlags, SealFlags};
use serde::{Deserialize, Serialize};
use url::Url;

use super::boundary::{AuthKey, MediaCounts, ResolvedSource, StreamReport, WatchCamera};
use super::live::MediaOptions;
use super::probe::Authentication;
use crate::config::{DecodeMode, Secret, Transport};
use crate::domain::Timestamp;
use crate::domain::camera::{CameraId, LookPlan, StreamInfo, StreamState};
use crate::domain::frame::{ColorSpace, Frame};

/// Longest message in bytes; the longest honest one names all cameras of a worker.
pub(super) const MESSAGE_BYTES: usize = 64 << 10;

/// Pictures that may lie in the memory at a time: one is read while the next is written.
pub(super) const SLOTS: u8 = 2;

/// How often a worker says that it moves.
pub(super) const PULSE: Duration = Duration::from_secs(1);

/// From the gateway to a worker. Holds passwords: not to be shown.
#[derive(Serialize, Deserialize)]
pub(super) enum Order {
    /// The first one: give up all rights but those for these cameras, then watch them, or just look at the first of them
    /// for as long as `probe` says.
    Begin {
        now: Timestamp,
        options: MediaOptions,
        memory_bytes: u64,
        cameras: Vec<CameraOrder>,
        probe: Option<Duration>,
    },
    /// A picture of this camera is wanted.
    Look { camera: u16, plan: LookPlan },
    /// Leave this camera alone.
    Forget { camera: u16 },
    /// The picture in this slot has been read.
    Free { slot: u8 },
    /// The answer to an [`Ask`].
    Answer { ticket: u32, value: u32 },
    /// End every session politely, then end.
    Stop,
}

/// From a worker to the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Ready for [`Order::Begin`].
    Hello,
    /// Once a second: this worker moves, and each camera's counts and doings.
    Pulse {
        cameras: Vec<(u16, MediaCounts)>,
        decoding_is_stuck: bool,
    },
    State {
        camera: u16,
        report: StreamReport,
    },
    Info {
        camera: u16,
        info: StreamInfo,
    },
    /// A picture lies in the slot.
    Picture {
        camera: u16,
        slot: u8,
        shape: Shape,
    },
    Ended {
        camera: u16,
    },
    Ask {
        ticket: u32,
        ask: Ask,
    },
    /// What a probe has found, with its picture in the first slot; or the camera's state, and why there is nothing.
    Probed {
        answer: Result<Box<ProbeAnswer>, (StreamState, String)>,
    },
}

/// [`super::probe::ProbeReport`], as far as it is not concluded from the rest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProbeAnswer {
    pub info: StreamInfo,
    pub transport: Option<Transport>,
    pub authentication: Option<Authentication>,
    pub remarks: Vec<String>,
    pub shape: Shape,
}

/// What a worker asks about an account; answered with a number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// May one login be tried? 1 for yes. The turn lasts until [`Ask::Leave`] with the same ticket.
    Enter(AuthKey),
    /// The turn is over. Not answered.
    Leave,
    /// The login was refused; answered with how often it was.
    Refused(AuthKey),
    /// The login worked.
    Accepted(AuthKey),
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Shape {
    pub captured_at: Timestamp,
    pub width: u32,
    pub height: u32,
    pub color: ColorSpace,
}

impl Shape {
    pub(super) fn of(frame: &Frame) -> Self {
        let Frame { captured_at, width, height, color, .. } = *frame;
        Self { captured_at, width, height, color }
    }
}

/// [`WatchCamera`] with its password in the clear.
#[derive(Serialize, Deserialize)]
pub(super) struct CameraOrder {
    id: CameraId,
    source: SourceOrder,
    decode: DecodeMode,
    ring_max_bytes: usize,
}

#[derive(Serialize, Deserialize)]
enum SourceOrder {
    Rtsp { url: Url, username: Option<String>, password: Option<String>, transport: Transport },
    File { path: PathBuf, repeat: bool },
}

impl CameraOrder {
    pub(super) fn new(camera: &WatchCamera) -> Self {
        let source = match &camera.source {
            ResolvedSource::Rtsp { url, username, password, transport } => SourceOrder::Rtsp {
                url: url.clone(),
                username: username.clone(),
                password: password.as_ref().map(|password| password.expose().to_owned()),
                transport: *transport,
            },
            ResolvedSource::File { path, repeat } => SourceOrder::File { path: path.clone(), repeat: *repeat },
        };
        let WatchCamera { id, decode, ring_max_bytes, .. } = camera;
        Self { id: id.clone(), source, decode: *decode, ring_max_bytes: *ring_max_bytes }
    }

    pub(super) fn into_watch(self) -> WatchCamera {
        let source = match self.source {
            SourceOrder::Rtsp { url, username, password, transport } => {
                ResolvedSource::Rtsp { url, username, password: password.map(Secret::new), transport }
            }
            SourceOrder::File { path, repeat } => ResolvedSource::File { path, repeat },
        };
        WatchCamera { id: self.id, source, decode: self.decode, ring_max_bytes: self.ring_max_bytes }
    }
}

/// The bytes of a message. Fails for none of ours: they are plain data with text keys.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(message).map_err(io::Error::other)
}

/// Memory that both processes have: marks of what each camera is at, then the slots. Written and read
/// like a file, never mapped: a worker that goes wild can then change what the gateway has copied as
/// little as it can make it fault.
#[derive(Debug)]
pub(super) struct FrameMemory {
    file: File,
    slot_bytes: u64,
}

/// A page: more marks than a worker has cameras.
const MARKS_BYTES: u64 = 4096;

impl FrameMemory {
    /// Of a fixed size from now on; pages are taken when they are first written.
    pub(super) fn new(max_pixels: u32) -> io::Result<Self> {
        let fd = rustix::fs::memfd_create("gridwatch-frames", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let memory = Self::over(fd, max_pixels);
        memory.file.set_len(memory.bytes())?;
        rustix::fs::fcntl_add_seals(&memory.file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(memory)
    }

    /// The other side's view of the same memory.
    pub(super) fn over(fd: OwnedFd, max_pixels: u32) -> Self {
        // Three planes of at most 1.5 bytes a pixel, and what odd sizes round up.
        Self { file: File::from(fd), slot_bytes: u64::from(max_pixels) * 2 }
    }

    /// Size in bytes.
    fn bytes(&self) -> u64 {
        MARKS_BYTES + u64::from(SLOTS) * self.slot_bytes
    }

    /// Notes what a camera is at; a note that cannot be made only makes blame less exact.
    pub(super) fn mark(&self, camera: u16, mark: u8) {
        if u64::from(camera) < MARKS_BYTES
            && let Err(error) = self.file.write_all_at(&[mark], u64::from(camera))
        {
            tracing::debug!(%error, "a mark could not be written");
        }
    }

    /// What each of the first `cameras` is at.
    pub(super) fn marks(&self, cameras: usize) -> io::Result<Vec<u8>> {
        let mut marks = vec![0; cameras];
        self.file.read_exact_at(&mut marks, 0)?;
        Ok(marks)
    }

    /// Puts a picture into a slot.
    pub(super) fn write(&self, slot: u8, frame: &Frame) -> io::Result<()> {
        let mut at = self.start(slot);
        for plane in [&frame.y, &frame.u, &frame.v] {
            self.file.write_all_at(plane, at)?;
            at += plane.len() as u64;
        }
        Ok(())
    }

    /// Copies a picture out of a slot; refuses sizes that cannot lie in one.
    pub(super) fn read(&self, slot: u8, shape: Shape) -> io::Result<Frame> {
        let Shape { captured_at, width, height, color } = shape;
        let pixels = u64::from(width) * u64::from(height);
        let chroma = u64::from(width.div_ceil(2)) * u64::from(height.div_ceil(2));
        let bytes = pixels.saturating_add(chroma.saturating_mul(2));
        if slot >= SLOTS || pixels == 0 || pixels > self.slot_bytes / 2 || bytes > self.slot_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a picture that fits no slot"));
        }
        let mut at = self.start(slot);
        let mut plane = |bytes: u64| -> io::Result<Vec<u8>> {
            let mut plane = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut plane, at)?;
            at += bytes;
            Ok(plane)
        };
        let (y, u, v) = (plane(pixels)?, plane(chroma)?, plane(chroma)?);
        Ok(Frame { captured_at, width, height, color, y, u, v })
    }

    fn start(&self, slot: u8) -> u64 {
        MARKS_BYTES + u64::from(slot) * self.slot_bytes
    }
}

impl AsFd for FrameMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32) -> Frame {
        let chroma = (width.div_ceil(2) * height.div_ceil(2)) as usize;
        let color = ColorSpace { full_range: true, bt709: false };
        let planes = ((width * height) as usize, chroma);
        let captured_at = Timestamp::UNIX_EPOCH;
        Frame { captured_at, width, height, color, y: vec![1; planes.0], u: vec![2; planes.1], v: vec![3; planes.1] }
    }

    #[test]
    fn a_picture_comes_out_as_it_went_in() {
        let memory = FrameMemory::new(64 * 64).expect("memory");
        let other = FrameMemory::over(memory.as_fd().try_clone_to_owned().expect("a second one"), 64 * 64);
        for (slot, frame) in [(0, frame(64, 64)), (1, frame(3, 5))] {
            other.write(slot, &frame).expect("written");
            assert_eq!(memory.read(slot, Shape::of(&frame)).expect("read"), frame);
        }
    }

    #[test]
    fn sizes_that_a_worker_makes_up_are_refused() {
        let memory = FrameMemory::new(64 * 64).expect("memory");
        let honest = Shape::of(&frame(64, 64));
        for (slot, width, height) in
            [(2, 64, 64), (0, 65, 64), (0, u32::MAX, u32::MAX), (0, 0, 64), (0, 1, 64 * 64 + 1)]
        {
            assert!(memory.read(slot, Shape { width, height, ..honest }).is_err(), "{slot} {width} {height}");
        }
    }

    #[test]
    fn marks_are_seen_and_the_size_is_fixed() {
        let memory = FrameMemory::new(64 * 64).expect("memory");
        memory.mark(3, 1);
        assert_eq!(memory.marks(4).expect("read"), [0, 0, 0, 1]);
        assert!(memory.file.set_len(0).is_err(), "a worker cannot take the memory away");
    }
}
