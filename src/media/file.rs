//! Clip files: the demuxer, and the player that paces one like a camera.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale, codec, format, media};
use tokio::sync::mpsc;

use super::access_unit::Codec;
use super::decoder::{DecodeError, Decoder, DecoderSpec};
use super::ingest::{Fault, Received, StreamParameters};
use crate::clock::{Clock, until};
use crate::domain::camera::StreamState;
use crate::domain::{SignedDuration, Timestamp};

const MICROSECOND: Rational = Rational(1, 1_000_000);
/// Playlists and network protocols stay out: a clip is one local file.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,m4v,mjpeg,h264,hevc";
/// For elementary streams, which carry no times.
const ASSUMED_GAP_US: i64 = 40_000;

/// Why a clip cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("clip {}: {reason}", path.display())]
pub struct ClipError {
    /// The clip.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The compressed pictures of a clip, in decoding order.
pub(super) struct Demuxer {
    input: Input,
    stream: usize,
    time_base: Rational,
    start_time: i64,
    gap_us: i64,
    read: i64,
    pub(super) parameters: StreamParameters,
    pub(super) spec: DecoderSpec,
}

/// One picture of a clip.
#[derive(Debug)]
pub(super) struct ClipPacket {
    /// From the start of the clip.
    pub media_us: i64,
    pub keyframe: bool,
    pub data: Bytes,
}

impl Demuxer {
    pub(super) fn open(path: &Path, max_pixels: u32) -> Result<Self, ClipError> {
        let fail = |reason: String| ClipError { path: path.to_owned(), reason };
        let name = path.to_str().ok_or_else(|| fail("the path is not UTF-8".to_owned()))?;
        std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
        let mut options = Dictionary::new();
        options.set("protocol_whitelist", "file");
        options.set("format_whitelist", CONTAINERS);
        let input = format::input_with_dictionary(&format!("file:{name}"), options)
            .map_err(|error| fail(format!("not a clip that can be read ({error})")))?;
        let stream =
            input.streams().best(media::Type::Video).ok_or_else(|| fail("holds no video stream".to_owned()))?;
        let codec = allowed(stream.parameters().id())
            .ok_or_else(|| fail(format!("codec {:?} is not decoded", stream.parameters().id())))?;
        let spec = DecoderSpec { codec, max_pixels, parameters: Some(Arc::new(Mutex::new(stream.parameters()))) };
        let (width, height) = Decoder::new(&spec)
            .and_then(|decoder| decoder.check_header())
            .map_err(|error: DecodeError| fail(error.to_string()))?;
        let rate = stream.avg_frame_rate();
        let gap_us = if rate.numerator() > 0 && rate.denominator() > 0 {
            1_000_000 * i64::from(rate.denominator()) / i64::from(rate.numerator())
        } else {
            ASSUMED_GAP_US
        };
        let (index, time_base, start_time) = (stream.index(), stream.time_base(), stream.start_time());
        Ok(Self {
            stream: index,
            time_base,
            start_time: if start_time == ffmpeg_next::ffi::AV_NOPTS_VALUE { 0 } else { start_time },
            gap_us,
            read: 0,
            parameters: StreamParameters { codec, width, height },
            spec,
            input,
        })
    }

    /// `None` at the end of the clip; damaged stretches of the container are skipped.
    pub(super) fn next(&mut self) -> Option<ClipPacket> {
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.stream && packet.size() > 0 => {
                    self.read += 1;
                    let media_us = match packet.pts().or(packet.dts()) {
                        Some(pts) => (pts - self.start_time).rescale(self.time_base, MICROSECOND),
                        None => (self.read - 1) * self.gap_us,
                    };
                    let data = Bytes::copy_from_slice(packet.data().unwrap_or_default());
                    return Some(ClipPacket { media_us: media_us.max(0), keyframe: packet.is_key(), data });
                }
                Ok(()) => {}
                Err(_) => return None,
            }
        }
    }

    /// Pictures per second, by the header.
    pub(super) fn frame_rate(&self) -> f32 {
        let gap = Duration::from_micros(self.gap_us.max(1).unsigned_abs());
        1.0 / gap.as_secs_f32()
    }
}

fn allowed(id: codec::Id) -> Option<Codec> {
    [
        (codec::Id::H264, Codec::H264),
        (codec::Id::HEVC, Codec::H265),
        (codec::Id::MJPEG, Codec::Mjpeg),
        (codec::Id::MPEG2VIDEO, Codec::Mpeg2),
        (codec::Id::MPEG4, Codec::Mpeg4),
    ]
    .into_iter()
    .find_map(|(known, codec)| (known == id).then_some(codec))
}

/// Plays a clip in real time. The file is read on a thread of its own, a few pictures ahead.
#[derive(Debug)]
pub(super) struct FilePlayer {
    packets: mpsc::Receiver<Result<ClipPacket, ClipError>>,
    reader: tokio::task::JoinHandle<()>,
    parameters: Option<StreamParameters>,
    pub(super) spec: DecoderSpec,
    started_at: Timestamp,
    due: Option<ClipPacket>,
    clock: Arc<dyn Clock>,
}

const READ_AHEAD: usize = 8;

impl FilePlayer {
    pub(super) async fn open(
        path: PathBuf,
        repeat: bool,
        max_pixels: u32,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        if let Err(error) = tokio::fs::metadata(&path).await {
            return Err(Fault::offline(format!("clip {}: {error}", path.display())));
        }
        let unsupported = |error: ClipError| Fault::new(StreamState::CodecUnsupported, error.to_string());
        let opened = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || Demuxer::open(&path, max_pixels)).await
        };
        let demuxer = opened.map_err(|error| Fault::offline(error.to_string()))?.map_err(unsupported)?;
        let (parameters, spec) = (demuxer.parameters, demuxer.spec.clone());
        let (send, packets) = mpsc::channel(READ_AHEAD);
        let reader = tokio::task::spawn_blocking(move || read(&path, demuxer, repeat, &send));
        let started_at = clock.now();
        Ok(Self { packets, reader, parameters: Some(parameters), spec, started_at, due: None, clock })
    }

    /// The next picture when its time has come; `None` at the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Received>, Fault> {
        if self.due.is_none() {
            self.due = match self.packets.recv().await {
                Some(packet) => Some(packet.map_err(|error| Fault::offline(error.to_string()))?),
                None => return Ok(None),
            };
        }
        let media_us = self.due.as_ref().map_or(0, |packet| packet.media_us);
        let due_at = self.started_at + SignedDuration::from_micros(media_us);
        let wait = until(self.clock.as_ref(), due_at);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(self.due.take().map(|packet| Received {
            media_us,
            at: due_at,
            keyframe: packet.keyframe,
            lost_packets: 0,
            data: packet.data,
            stream: self.parameters.take(),
        }))
    }

    pub(super) async fn close(self, timeout: Duration) {
        let Self { packets, reader, .. } = self;
        drop(packets);
        if tokio::time::timeout(timeout, reader).await.is_err() {
            tracing::warn!("a clip's reader did not end in time");
        }
    }
}

/// Ends when the clip does or the player is gone.
fn read(path: &Path, mut demuxer: Demuxer, repeat: bool, packets: &mpsc::Sender<Result<ClipPacket, ClipError>>) {
    let (mut round_us, mut end_us) = (0, 0);
    loop {
        while let Some(mut packet) = demuxer.next() {
            packet.media_us += round_us;
            end_us = end_us.max(packet.media_us + demuxer.gap_us);
            if packets.blocking_send(Ok(packet)).is_err() {
                return;
            }
        }
        // A clip without pictures must not spin.
        if !repeat || end_us <= round_us {
            return;
        }
        round_us = end_us;
        demuxer = match Demuxer::open(path, demuxer.spec.max_pixels) {
            Ok(demuxer) => demuxer,
            Err(error) => {
                // The player may be gone; then nobody wants to know.
                drop(packets.blocking_send(Err(error)));
                return;
            }
        };
    }
}
