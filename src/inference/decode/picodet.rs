//! `PicoDet`, exported without its post-processing: the heads of `NanoDet` with points in the middle of
//! the cells.

use super::nanodet::Heads;
use super::{Candidate, DecodeError, Outputs, Scope};
use crate::inference::manifest::{Center, Picodet};

pub(super) fn decode(params: &Picodet, outputs: Outputs<'_>, scope: &Scope) -> Result<Vec<Candidate>, DecodeError> {
    let heads = Heads {
        scores: &params.scores,
        boxes: &params.boxes,
        strides: &params.strides,
        bins: params.reg_max + 1,
        center: Center::CellMiddle,
    };
    heads.decode(outputs, scope)
}
