//! Reads from the sequence parameter set what decides whether a stream is decoded at all, before any
//! decoder sees a byte of it.

use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, decode_nal};

use super::access_unit::Codec;

/// Size and sample format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureFormat {
    /// Pixels that are shown.
    pub width: u32,
    /// Pixels that are shown.
    pub height: u32,
    /// Pixels that are coded.
    pub coded_pixels: u64,
    pub bit_depth: u32,
    pub chroma_420: bool,
}

impl PictureFormat {
    /// The reason why such pictures are not decoded.
    pub(super) fn refusal(&self, codec: Codec, max_pixels: u32) -> Option<String> {
        let Self { width, height, bit_depth, .. } = *self;
        let name = codec.name();
        if bit_depth != 8 {
            return Some(format!("{name} with {bit_depth} bits a sample is not decoded: set the camera to 8 bits"));
        }
        if !self.chroma_420 {
            return Some(format!("{name} is only decoded with 4:2:0 colour"));
        }
        let too_large = self.coded_pixels > u64::from(max_pixels);
        too_large
            .then(|| format!("{name} pictures of {width}x{height} are larger than the limit of {max_pixels} pixels"))
    }
}

/// A parameter set that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("unreadable {codec} sequence parameter set: {reason}")]
pub(super) struct SpsError {
    codec: &'static str,
    reason: String,
}

/// Reads an SPS NAL unit, header included, without start code.
pub(super) fn read(codec: Codec, nal: &[u8]) -> Result<PictureFormat, SpsError> {
    // The library's reader underflows on units without payload.
    if nal.len() < 3 {
        return Err(SpsError { codec: codec.name(), reason: "too short".to_owned() });
    }
    let format = match codec {
        Codec::H264 => h264(nal),
        Codec::H265 => h265(nal).map_err(|error| format!("{error:?}")),
        Codec::Mjpeg | Codec::Mpeg2 | Codec::Mpeg4 => Err("codec has none".to_owned()),
    };
    format.map_err(|reason| SpsError { codec: codec.name(), reason })
}

fn h264(nal: &[u8]) -> Result<PictureFormat, String> {
    let rbsp = decode_nal(nal).map_err(|error| error.to_string())?;
    let sps = SeqParameterSet::from_bits(BitReader::new(&*rbsp)).map_err(|error| format!("{error:?}"))?;
    let (width, height) = sps.pixel_dimensions().map_err(|error| format!("{error:?}"))?;
    let chroma = &sps.chroma_info;
    let field_factor = if matches!(sps.frame_mbs_flags, h264_reader::nal::sps::FrameMbsFlags::Frames) { 1 } else { 2 };
    let rows = (u64::from(sps.pic_height_in_map_units_minus1) + 1) * field_factor;
    let macroblocks = (u64::from(sps.pic_width_in_mbs_minus1) + 1).saturating_mul(rows);
    Ok(PictureFormat {
        width,
        height,
        coded_pixels: macroblocks.saturating_mul(256),
        bit_depth: 8 + u32::from(chroma.bit_depth_luma_minus8.max(chroma.bit_depth_chroma_minus8)),
        chroma_420: chroma.chroma_format == ChromaFormat::YUV420,
    })
}

/// ITU-T H.265, 7.3.2.2, up to the bit depths.
fn h265(nal: &[u8]) -> Result<PictureFormat, BitReaderError> {
    let payload = nal.get(1..).unwrap_or_default();
    let rbsp = decode_nal(payload).map_err(|error| BitReaderError::ReaderErrorFor("sps", error))?;
    let mut bits = BitReader::new(&*rbsp);
    bits.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers_minus1: u8 = bits.read(3, "sps_max_sub_layers_minus1")?;
    bits.skip(1, "sps_temporal_id_nesting_flag")?;
    skip_profile_tier_level(&mut bits, sub_layers_minus1)?;
    bits.read_ue("sps_seq_parameter_set_id")?;
    let chroma_format_idc = bits.read_ue("chroma_format_idc")?;
    if chroma_format_idc == 3 {
        bits.skip(1, "separate_colour_plane_flag")?;
    }
    let coded_width = bits.read_ue("pic_width_in_luma_samples")?;
    let coded_height = bits.read_ue("pic_height_in_luma_samples")?;
    let mut window = [0; 4];
    if bits.read_bool("conformance_window_flag")? {
        for offset in &mut window {
            *offset = bits.read_ue("conf_win_offset")?;
        }
    }
    let luma = bits.read_ue("bit_depth_luma_minus8")?;
    let chroma = bits.read_ue("bit_depth_chroma_minus8")?;
    // The window counts chroma samples, which are two pixels wide and high in 4:2:0.
    let [left, right, top, bottom] = window.map(|offset: u32| offset.saturating_mul(2));
    Ok(PictureFormat {
        width: coded_width.saturating_sub(left.saturating_add(right)),
        height: coded_height.saturating_sub(top.saturating_add(bottom)),
        coded_pixels: u64::from(coded_width) * u64::from(coded_height),
        bit_depth: luma.max(chroma).saturating_add(8),
        chroma_420: chroma_format_idc == 1,
    })
}

/// 7.3.3 with profilePresentFlag = 1.
fn skip_profile_tier_level(bits: &mut impl BitRead, sub_layers_minus1: u8) -> Result<(), BitReaderError> {
    const PROFILE_BITS: u32 = 88;
    const LEVEL_BITS: u32 = 8;
    bits.skip(PROFILE_BITS + LEVEL_BITS, "general_profile_tier_level")?;
    let mut present = Vec::new();
    for _ in 0..sub_layers_minus1 {
        present.push((bits.read_bool("sub_layer_profile_present")?, bits.read_bool("sub_layer_level_present")?));
    }
    if sub_layers_minus1 > 0 {
        bits.skip(2 * (8 - u32::from(sub_layers_minus1)), "reserved_zero_2bits")?;
    }
    for (profile, level) in present {
        bits.skip(if profile { PROFILE_BITS } else { 0 }, "sub_layer_profile")?;
        bits.skip(if level { LEVEL_BITS } else { 0 }, "sub_layer_level")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn forged_parameter_sets_are_errors_not_panics(nal in prop::collection::vec(any::<u8>(), 0..200)) {
            for codec in [Codec::H264, Codec::H265] {
                if let Ok(format) = read(codec, &nal) {
                    format.refusal(codec, 1000);
                }
            }
        }
    }

    #[test]
    fn each_limit_is_named() {
        let good = PictureFormat { width: 64, height: 64, coded_pixels: 4096, bit_depth: 8, chroma_420: true };
        assert_eq!(good.refusal(Codec::H265, 4096), None);
        let refusal = |format: PictureFormat| format.refusal(Codec::H265, 4096).unwrap();
        assert!(refusal(PictureFormat { bit_depth: 10, ..good }).contains("10 bits"));
        assert!(refusal(PictureFormat { chroma_420: false, ..good }).contains("4:2:0"));
        assert!(refusal(PictureFormat { coded_pixels: 4097, ..good }).contains("64x64"));
    }
}
