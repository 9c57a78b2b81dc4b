//! Which pictures are decoded for a look.

use std::time::Duration;

use crate::config::DecodeMode;

/// Groups of pictures up to this length are decoded when a look wants them; longer ones all the time,
/// since a look would otherwise wait for minutes of pictures to be decoded.
const LONGEST_BURST: Duration = Duration::from_secs(12);

/// Keyframes that come every two seconds come after 2.01 s now and then.
const TOLERANCE: f64 = 1.1;

/// A decode mode that is not `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// The next keyframe.
    Keyframe,
    /// The last keyframe before the wanted moment and what follows it.
    Burst,
    /// Every picture, as it comes.
    Continuous,
}

/// What `mode` means for a stream with this keyframe gap (`None`: no keyframe seen yet) when the rules
/// can wait `max_gap`. `group_fits`: the ring can hold the group of pictures being received.
pub(super) fn effort(mode: DecodeMode, keyframe_gap: Option<Duration>, max_gap: Duration, group_fits: bool) -> Effort {
    match mode {
        DecodeMode::Keyframes => Effort::Keyframe,
        DecodeMode::Burst => Effort::Burst,
        DecodeMode::Continuous => Effort::Continuous,
        DecodeMode::Auto => match keyframe_gap {
            None => Effort::Keyframe,
            Some(gap) if gap <= max_gap.mul_f64(TOLERANCE) => Effort::Keyframe,
            Some(gap) if gap <= LONGEST_BURST && group_fits => Effort::Burst,
            Some(_) => Effort::Continuous,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_follows_the_measured_gap() {
        let auto = |gap, max_gap, fits| {
            effort(DecodeMode::Auto, Some(Duration::from_secs(gap)), Duration::from_secs(max_gap), fits)
        };
        assert_eq!(auto(2, 2, true), Effort::Keyframe);
        assert_eq!(auto(4, 2, true), Effort::Burst);
        assert_eq!(auto(4, 2, false), Effort::Continuous);
        assert_eq!(auto(30, 2, true), Effort::Continuous);
        assert_eq!(auto(30, 60, true), Effort::Keyframe);
        assert_eq!(effort(DecodeMode::Auto, None, Duration::ZERO, true), Effort::Keyframe);
        assert_eq!(effort(DecodeMode::Burst, None, Duration::ZERO, true), Effort::Burst);
    }
}
