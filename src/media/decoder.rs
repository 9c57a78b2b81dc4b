//! FFmpeg's software decoders, one thread each, held to our limits. The only file that touches decoded
//! pictures in FFmpeg's form.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next::codec::{self, Parameters, decoder, threading};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::color;
use ffmpeg_next::util::frame::video::Video;
use ffmpeg_next::{Discard, Packet};

use super::access_unit::{AccessUnit, Codec};
use crate::domain::Timestamp;
use crate::domain::frame::{ColorSpace, Frame};

/// Why a picture cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// This picture is damaged; another may do.
    #[error("damaged picture: {0}")]
    Damaged(String),
    /// The whole stream is of a kind that is not decoded.
    #[error("{0}")]
    Unsupported(String),
}

/// What it takes to make a decoder for a stream.
#[derive(Clone)]
pub(super) struct DecoderSpec {
    pub codec: Codec,
    pub max_pixels: u32,
    /// From a clip's header; live streams carry theirs in front of each keyframe.
    pub parameters: Option<Arc<Mutex<Parameters>>>,
}

impl fmt::Debug for DecoderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecoderSpec({}, {} pixels)", self.codec.name(), self.max_pixels)
    }
}

/// A decoder and the reference pictures it holds.
pub(super) struct Decoder {
    inner: decoder::Video,
    max_pixels: u32,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// A decoded picture still in FFmpeg's hands: cheap to keep, costs a copy to turn into a [`Frame`].
pub(super) struct Picture {
    video: Video,
    pub(super) captured_at: Timestamp,
}

impl Decoder {
    pub(super) fn new(spec: &DecoderSpec) -> Result<Self, DecodeError> {
        let unsupported =
            |error: ffmpeg_next::Error| DecodeError::Unsupported(format!("{}: {error}", spec.codec.name()));
        let codec = decoder::find(codec_id(spec.codec))
            .ok_or_else(|| DecodeError::Unsupported(format!("this FFmpeg has no {} decoder", spec.codec.name())))?;
        let mut context = match &spec.parameters {
            Some(parameters) => {
                let parameters = parameters.lock().unwrap_or_else(PoisonError::into_inner).clone();
                codec::Context::from_parameters(parameters).map_err(unsupported)?
            }
            None => codec::Context::new_with_codec(codec),
        };
        limit_pixels(&mut context, spec.max_pixels);
        context.set_threading(threading::Config { count: 1, ..Default::default() });
        let inner = context.decoder().open_as(codec).and_then(decoder::Opened::video).map_err(unsupported)?;
        Ok(Self { inner, max_pixels: spec.max_pixels })
    }

    /// Width and height as a clip's header gives them, if the header promises pictures that are decoded.
    pub(super) fn check_header(&self) -> Result<(u32, u32), DecodeError> {
        let (width, height) = (self.inner.width(), self.inner.height());
        self.check_size(width, height)?;
        // The header of an elementary stream need not tell.
        if self.inner.format() != Pixel::None {
            full_range(self.inner.format(), color::Range::Unspecified)?;
        }
        Ok((width, height))
    }

    fn check_size(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) <= u64::from(self.max_pixels) {
            return Ok(());
        }
        let limit = self.max_pixels;
        Err(DecodeError::Unsupported(format!(
            "pictures of {width}x{height} are larger than the limit of {limit} pixels"
        )))
    }

    /// Saves the work for pictures that no other picture refers to.
    pub(super) fn skip_non_reference(&mut self, skip: bool) {
        self.inner.skip_frame(if skip { Discard::NonReference } else { Discard::Default });
    }

    /// Feeds one picture; those that come out are given to `sink`, oldest first.
    pub(super) fn feed(&mut self, unit: &AccessUnit, sink: &mut impl FnMut(Picture)) -> Result<(), DecodeError> {
        let mut packet = Packet::copy(&unit.data);
        let pts = unit.captured_at.as_microsecond();
        packet.set_pts(Some(pts));
        packet.set_dts(None);
        self.inner.send_packet(&packet).map_err(|error| DecodeError::Damaged(error.to_string()))?;
        self.receive(sink)
    }

    /// Takes out what the decoder still holds back for reordering, and forgets everything.
    pub(super) fn drain(&mut self, sink: &mut impl FnMut(Picture)) -> Result<(), DecodeError> {
        let drained = match self.inner.send_eof() {
            Ok(()) => self.receive(sink),
            Err(error) => Err(DecodeError::Damaged(error.to_string())),
        };
        self.inner.flush();
        drained
    }

    /// Forgets everything; the next picture has to be a keyframe.
    pub(super) fn flush(&mut self) {
        self.inner.flush();
    }

    fn receive(&mut self, sink: &mut impl FnMut(Picture)) -> Result<(), DecodeError> {
        let mut damage = Ok(());
        loop {
            let mut video = Video::empty();
            if self.inner.receive_frame(&mut video).is_err() {
                // Wants more data, or is drained: neither is a fault.
                return damage;
            }
            self.check_size(video.width(), video.height())?;
            if video.is_corrupt() || video.has_decode_errors() {
                damage = Err(DecodeError::Damaged("missing or broken slices".to_owned()));
                continue;
            }
            let captured_at = video.pts().and_then(|us| Timestamp::from_microsecond(us).ok());
            if let Some(captured_at) = captured_at {
                sink(Picture { video, captured_at });
            }
        }
    }
}

impl Picture {
    /// Copies the planes into a frame without row padding.
    pub(super) fn to_frame(&self) -> Result<Frame, DecodeError> {
        let video = &self.video;
        let full_range = full_range(video.format(), video.color_range())?;
        let (width, height) = (video.width(), video.height());
        let plane = |index, width: u32, height: u32| tight(video.data(index), video.stride(index), width, height);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        Ok(Frame {
            captured_at: self.captured_at,
            width,
            height,
            color: ColorSpace { full_range, bt709: is_bt709(video.color_space(), height) },
            y: plane(0, width, height),
            u: plane(1, chroma_width, chroma_height),
            v: plane(2, chroma_width, chroma_height),
        })
    }
}

/// FFmpeg would write every damaged slice of every camera to stderr; damage is counted instead.
pub(super) fn silence_log() {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
}

/// Whether luma uses 0–255; refuses every layout but 8-bit 4:2:0.
fn full_range(format: Pixel, range: color::Range) -> Result<bool, DecodeError> {
    if format == Pixel::YUV420P || format == Pixel::YUVJ420P {
        return Ok(format == Pixel::YUVJ420P || range == color::Range::JPEG);
    }
    Err(DecodeError::Unsupported(format!("pixel format {format:?} is not decoded, only 8-bit 4:2:0")))
}

fn tight(data: &[u8], stride: usize, width: u32, height: u32) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let mut plane = Vec::with_capacity(width * height);
    for row in data.chunks(stride.max(1)).take(height) {
        plane.extend_from_slice(&row[..width.min(row.len())]);
    }
    plane
}

/// Cameras that say nothing follow the habit of broadcast: 709 from 720 lines on.
fn is_bt709(space: color::Space, height: u32) -> bool {
    if space == color::Space::Unspecified { height >= 720 } else { space == color::Space::BT709 }
}

fn codec_id(codec: Codec) -> codec::Id {
    match codec {
        Codec::H264 => codec::Id::H264,
        Codec::H265 => codec::Id::HEVC,
        Codec::Mjpeg => codec::Id::MJPEG,
        Codec::Mpeg2 => codec::Id::MPEG2VIDEO,
        Codec::Mpeg4 => codec::Id::MPEG4,
    }
}

/// FFmpeg refuses to allocate larger pictures, whatever a forged header says.
#[allow(unsafe_code, reason = "the binding has no setter for max_pixels")]
fn limit_pixels(context: &mut codec::Context, max_pixels: u32) {
    // SAFETY: the pointer is valid and exclusively ours for the lifetime of `context`, which is not
    // opened yet; the field is a plain integer that FFmpeg reads.
    unsafe { (*context.as_mut_ptr()).max_pixels = i64::from(max_pixels) };
}
