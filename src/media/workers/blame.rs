//! Which cameras of a worker may have brought it down.

use crate::media::camera::Doing;

/// What was last known of one camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// As the worker noted it, in memory that outlives it: see `Doing`.
    pub doing: u8,
    /// Whether pictures came within the last second that was reported.
    pub lively: bool,
}

const WAITING: u8 = Doing::Waiting as u8;
const SESSION: u8 = Doing::Session as u8;

/// Those whose pictures were being decoded, and those in a session from which no pictures come: an endless
/// header, body or fragment is no picture. In order; possibly none.
pub(super) fn suspects(cameras: &[Facts]) -> Vec<usize> {
    let suspect = |facts: &Facts| match facts.doing {
        WAITING => false,
        SESSION => !facts.lively,
        // Decoding; or a mark that a worker gone wild has made.
        _ => true,
    };
    (0..cameras.len()).filter(|number| suspect(&cameras[*number])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVELY: Facts = Facts { doing: SESSION, lively: true };

    #[test]
    fn who_is_seen_at_work_is_no_suspect() {
        let mute = Facts { doing: SESSION, lively: false };
        let decoding = Facts { doing: 2, lively: true };
        let waiting = Facts { doing: WAITING, lively: false };
        assert_eq!(suspects(&[LIVELY, mute, waiting, LIVELY]), [1]);
        assert_eq!(suspects(&[LIVELY, decoding]), [1]);
        assert_eq!(suspects(&[LIVELY, waiting]), [] as [usize; 0]);
        assert_eq!(suspects(&[Facts { doing: 77, lively: true }]), [0]);
    }
}
