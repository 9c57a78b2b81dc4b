//! A clip file as a source, as fast as it goes.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::access_unit::AccessUnit;
use super::boundary::{FrameSource, SourceEvent, StreamReport};
use super::choice::{Effort, effort};
use super::decoder::{DecodeError, Decoder, Picture};
pub use super::file::ClipError;
use super::file::{ClipPacket, Demuxer};
use super::live::MediaOptions;
use crate::config::DecodeMode;
use crate::domain::camera::{LookPlan, StreamInfo, StreamState};
use crate::domain::frame::Frame;
use crate::domain::{SignedDuration, Timestamp};

/// The pictures of a clip: same file and same sequence of plans, same frames.
///
/// `captured_at` is `start` plus the picture's time in the clip. Reading and decoding block the task
/// that calls `next`; replay has nothing else to do.
pub struct ClipSource {
    start: Timestamp,
    mode: DecodeMode,
    info: StreamInfo,
    keyframe_gap: Duration,
    /// Number and time of every keyframe.
    keyframes: Vec<(u64, Timestamp)>,
    demuxer: Demuxer,
    decoder: Decoder,
    /// Number of the next picture to be read.
    next_seq: u64,
    /// The decoder has seen a keyframe and everything since.
    synced: bool,
    at_end: bool,
    decoded: VecDeque<Picture>,
    last: Option<Timestamp>,
    announcements: VecDeque<SourceEvent>,
    damaged: u64,
}

impl fmt::Debug for ClipSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClipSource({:?} from {}, next picture {})", self.info, self.start, self.next_seq)
    }
}

impl ClipSource {
    /// Opens and indexes a clip. Blocks for as long as it takes to read the file once.
    pub fn open(path: &Path, start: Timestamp, decode: DecodeMode) -> Result<Self, ClipError> {
        super::decoder::silence_log();
        let max_pixels = MediaOptions::default().max_pixels;
        let fail = |error: DecodeError| ClipError { path: path.to_owned(), reason: error.to_string() };
        let index = Index::read(Demuxer::open(path, max_pixels)?, start);
        if index.keyframes.is_empty() {
            return Err(ClipError { path: path.to_owned(), reason: "holds no keyframe".to_owned() });
        }
        let demuxer = Demuxer::open(path, max_pixels)?;
        let decoder = Decoder::new(&demuxer.spec).map_err(fail)?;
        let info = StreamInfo {
            codec: demuxer.parameters.codec.name().to_owned(),
            width: demuxer.parameters.width,
            height: demuxer.parameters.height,
            frame_rate: Some(demuxer.frame_rate()),
            keyframe_s: Some(index.keyframe_gap.as_secs_f32()),
        };
        let report = StreamReport { state: StreamState::Ok, at: start, detail: String::new() };
        let announcements = [SourceEvent::Info(info.clone()), SourceEvent::State(report)].into();
        Ok(Self {
            start,
            mode: decode,
            info,
            keyframe_gap: index.keyframe_gap,
            keyframes: index.keyframes,
            demuxer,
            decoder,
            next_seq: 0,
            synced: false,
            at_end: false,
            decoded: VecDeque::new(),
            last: None,
            announcements,
            damaged: 0,
        })
    }

    /// What the clip is.
    #[must_use]
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// Pictures that could not be decoded so far.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The picture that `plan` asks for; `None` when the clip has ended.
    pub fn look(&mut self, plan: LookPlan) -> Option<Arc<Frame>> {
        let wanted_at = self.last.map_or(plan.at, |last| plan.at.max(last + SignedDuration::from_micros(1)));
        let frame = match effort(self.mode, Some(self.keyframe_gap), plan.max_gap, true) {
            Effort::Keyframe => self.next_keyframe(wanted_at),
            Effort::Burst | Effort::Continuous => self.next_picture(wanted_at),
        }?;
        self.last = Some(frame.captured_at);
        Some(Arc::new(frame))
    }

    fn next_keyframe(&mut self, wanted_at: Timestamp) -> Option<Frame> {
        self.resync();
        loop {
            let unit = self.read()?;
            if !unit.keyframe || unit.captured_at < wanted_at {
                continue;
            }
            let decoded = &mut self.decoded;
            let mut sink = |picture| decoded.push_back(picture);
            let fed = self.decoder.feed(&unit, &mut sink);
            let drained = self.decoder.drain(&mut sink);
            self.damaged += u64::from(fed.and(drained).is_err());
            if let Some(frame) = self.take_decoded(wanted_at) {
                self.decoded.clear();
                return Some(frame);
            }
        }
    }

    fn next_picture(&mut self, wanted_at: Timestamp) -> Option<Frame> {
        let last_keyframe = self.keyframes.iter().rev().find(|(_, at)| *at <= wanted_at).map_or(0, |(seq, _)| *seq);
        if last_keyframe > self.next_seq {
            self.resync();
        }
        loop {
            if let Some(frame) = self.take_decoded(wanted_at) {
                return Some(frame);
            }
            if self.at_end {
                return None;
            }
            let unit = self.read();
            let decoded = &mut self.decoded;
            let mut sink = |picture| decoded.push_back(picture);
            let fed = match unit {
                Some(unit) if unit.seq < last_keyframe || !(self.synced || unit.keyframe) => continue,
                Some(unit) => {
                    self.synced = true;
                    self.decoder.feed(&unit, &mut sink)
                }
                None => self.decoder.drain(&mut sink),
            };
            if fed.is_err() {
                self.damaged += 1;
                self.resync();
            }
        }
    }

    fn take_decoded(&mut self, wanted_at: Timestamp) -> Option<Frame> {
        while let Some(picture) = self.decoded.pop_front() {
            if picture.captured_at < wanted_at {
                continue;
            }
            match picture.to_frame() {
                Ok(frame) => return Some(frame),
                Err(_) => self.damaged += 1,
            }
        }
        None
    }

    fn resync(&mut self) {
        self.decoder.flush();
        self.decoded.clear();
        self.synced = false;
    }

    fn read(&mut self) -> Option<AccessUnit> {
        let Some(packet) = self.demuxer.next() else {
            self.at_end = true;
            return None;
        };
        let seq = self.next_seq;
        self.next_seq += 1;
        let captured_at = captured_at(self.start, &packet);
        Some(AccessUnit { seq, captured_at, keyframe: packet.keyframe, data: packet.data })
    }
}

impl FrameSource for ClipSource {
    async fn next(&mut self, plan: LookPlan) -> SourceEvent {
        if let Some(announcement) = self.announcements.pop_front() {
            return announcement;
        }
        self.look(plan).map_or(SourceEvent::Ended, SourceEvent::Frame)
    }
}

struct Index {
    keyframes: Vec<(u64, Timestamp)>,
    keyframe_gap: Duration,
}

impl Index {
    fn read(mut demuxer: Demuxer, start: Timestamp) -> Self {
        let mut index = Self { keyframes: Vec::new(), keyframe_gap: Duration::ZERO };
        let mut seq = 0;
        let mut end = start;
        while let Some(packet) = demuxer.next() {
            let at = captured_at(start, &packet);
            end = end.max(at);
            if packet.keyframe {
                index.close_group(at);
                index.keyframes.push((seq, at));
            }
            seq += 1;
        }
        index.close_group(end);
        index
    }

    fn close_group(&mut self, at: Timestamp) {
        if let Some((_, opened_at)) = self.keyframes.last() {
            let gap = Duration::try_from(at.duration_since(*opened_at)).unwrap_or(Duration::ZERO);
            self.keyframe_gap = self.keyframe_gap.max(gap);
        }
    }
}

fn captured_at(start: Timestamp, packet: &ClipPacket) -> Timestamp {
    start.checked_add(SignedDuration::from_micros(packet.media_us)).unwrap_or(Timestamp::MAX)
}
