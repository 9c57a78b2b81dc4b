//! One compressed picture.

use bytes::Bytes;

use crate::domain::Timestamp;

/// Codecs that are decoded; the last three only from clip files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    Mjpeg,
    Mpeg2,
    Mpeg4,
}

impl Codec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
            Self::Mpeg2 => "mpeg2video",
            Self::Mpeg4 => "mpeg4",
        }
    }
}

/// All bytes of one picture, as the decoder wants them.
#[derive(Debug, Clone)]
pub(super) struct AccessUnit {
    /// Counts up by one within a session.
    pub seq: u64,
    /// Best estimate of the moment of exposure.
    pub captured_at: Timestamp,
    /// Can be decoded without any earlier picture.
    pub keyframe: bool,
    /// Live: Annex B, with parameter sets in front of keyframes.
    pub data: Bytes,
}

/// Whether an Annex B access unit of H.265 is an IRAP picture: one that decoding can start at. Open
/// groups begin with CRA pictures, which the RTSP library does not mark.
pub(super) fn is_h265_irap(annex_b: &[u8]) -> bool {
    let first_slice = nal_headers(annex_b).map(|header| (header >> 1) & 0x3f).find(|kind| *kind < 32);
    first_slice.is_some_and(|kind| (16..=23).contains(&kind))
}

/// First byte of every NAL unit.
fn nal_headers(annex_b: &[u8]) -> impl Iterator<Item = u8> {
    annex_b.windows(4).filter(|window| window[..3] == [0, 0, 1]).map(|window| window[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irap_pictures_are_known_by_their_first_slice() {
        let unit = |kinds: &[u8]| -> Vec<u8> { kinds.iter().flat_map(|kind| [0, 0, 0, 1, kind << 1, 1, 9]).collect() };
        assert!(is_h265_irap(&unit(&[32, 33, 34, 21])), "CRA behind parameter sets");
        assert!(is_h265_irap(&unit(&[39, 19])), "IDR behind SEI");
        assert!(!is_h265_irap(&unit(&[1])), "trailing picture");
        assert!(!is_h265_irap(&unit(&[8])), "RASL picture");
        assert!(!is_h265_irap(&unit(&[32, 33, 34])), "no slice at all");
        assert!(!is_h265_irap(&[]));
    }
}
