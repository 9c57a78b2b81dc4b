//! What one session of a camera has given so far, and which of it is decoded for the look that is wanted.
//!
//! ```text
//! unit ─▶ stream clock ─▶ ring ─┐
//! request ──────────────────────┴▶ next_job: keyframe │ burst │ continuous ─▶ pool ─▶ finish_job ─▶ frame
//! ```
//! At most one job is with the pool; the decoder travels with it.

use std::sync::Arc;

use super::access_unit::AccessUnit;
use super::choice::{Effort, effort};
use super::decoder::{Decoder, DecoderSpec};
use super::gop_ring::GopRing;
use super::ingest::Received;
use super::pool::{DecodeJob, Outcome};
use super::rate::RateMeter;
use super::stream_clock::StreamClock;
use crate::config::DecodeMode;
use crate::domain::camera::LookPlan;
use crate::domain::frame::Frame;
use crate::domain::{SignedDuration, Timestamp};

/// What the pipeline wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// The latest plan.
    pub plan: LookPlan,
    /// No frame was given for it yet.
    pub open: bool,
}

/// State of one session.
#[derive(Debug)]
pub(super) struct PictureSelector {
    mode: DecodeMode,
    spec: Option<DecoderSpec>,
    pub(super) ring: GopRing,
    pub(super) rate: RateMeter,
    clock: StreamClock,
    next_seq: u64,
    decoder: Option<Decoder>,
    /// First picture that `decoder` has not been fed.
    cursor: u64,
    /// Keyframes before this number have been tried, or are known to be useless.
    fresh_from: u64,
    job: Option<Effort>,
    last_frame_at: Option<Timestamp>,
    /// Pictures that left the ring before the decoder that needed them got them.
    pub(super) missed: u64,
}

impl PictureSelector {
    /// `last_frame_at`: of the session before, since frames never go back in time.
    pub(super) fn new(mode: DecodeMode, ring_max_bytes: usize, last_frame_at: Option<Timestamp>) -> Self {
        Self {
            mode,
            spec: None,
            ring: GopRing::new(ring_max_bytes),
            rate: RateMeter::default(),
            clock: StreamClock::default(),
            next_seq: 0,
            decoder: None,
            cursor: 0,
            fresh_from: 0,
            job: None,
            last_frame_at,
            missed: 0,
        }
    }

    /// The stream begins, or goes on with other parameters: what came before cannot be decoded with
    /// what follows.
    pub(super) fn restart(&mut self, spec: DecoderSpec) {
        self.spec = Some(spec);
        self.ring.clear();
        self.decoder = None;
        self.fresh_from = self.next_seq;
    }

    /// Takes in a picture.
    pub(super) fn push(&mut self, received: Received) {
        let captured_at = self.clock.observe(received.media_us, received.at);
        self.rate.observe(received.at, received.keyframe);
        let seq = self.next_seq;
        self.next_seq += 1;
        self.ring.push(AccessUnit { seq, captured_at, keyframe: received.keyframe, data: received.data });
    }

    /// A picture was left out: what refers to it cannot be decoded.
    pub(super) fn skip(&mut self) {
        self.next_seq += 1;
        self.decoder = None;
        self.fresh_from = self.next_seq;
    }

    /// What is to be decoded now, if anything, and if nothing is being decoded. While no frame is wanted,
    /// only a decoder that has to see every picture goes on, and gives none.
    pub(super) fn next_job(&mut self, Request { plan, open }: Request) -> Option<DecodeJob> {
        if self.job.is_some() {
            return None;
        }
        let newest = self.ring.newest()?;
        let (newest_seq, newest_at) = (newest.seq, newest.captured_at);
        let wanted_at = match self.last_frame_at {
            _ if !open => Timestamp::MAX,
            Some(last) => plan.at.max(last + SignedDuration::from_micros(1)),
            None => plan.at,
        };
        let gap = self.rate.keyframe_gap(newest_at);
        let effort = effort(self.mode, gap, plan.max_gap, self.ring.group_fits());
        let spec = self.spec.clone()?;
        let (decoder, units) = match effort {
            Effort::Keyframe | Effort::Burst if !open => return None,
            Effort::Keyframe => {
                self.decoder = None;
                let keyframe = self.ring.keyframe_from(wanted_at).filter(|unit| unit.seq >= self.fresh_from)?;
                (None, vec![keyframe.clone()])
            }
            Effort::Burst if newest_at < wanted_at => return None,
            Effort::Burst => self.resume(true)?,
            Effort::Continuous => self.resume(false)?,
        };
        self.job = Some(effort);
        self.cursor = match effort {
            Effort::Keyframe => units[0].seq + 1,
            Effort::Burst | Effort::Continuous => newest_seq + 1,
        };
        let keep = effort != Effort::Keyframe;
        let skip_non_reference = effort == Effort::Continuous;
        Some(DecodeJob { spec, decoder, units, keep, skip_non_reference, wanted_at })
    }

    /// The decoder and the pictures to go on with; without a usable decoder, from the last keyframe.
    /// `leap`: a later keyframe saves decoding what lies before it.
    fn resume(&mut self, leap: bool) -> Option<(Option<Decoder>, Vec<AccessUnit>)> {
        let keyframe = self.ring.last_keyframe().map(|unit| unit.seq).filter(|seq| *seq >= self.fresh_from);
        if self.decoder.is_some() {
            let first = self.ring.first_seq()?;
            let missed = first.saturating_sub(self.cursor);
            let leap = leap && keyframe.is_some_and(|seq| seq > self.cursor);
            if missed == 0 && !leap {
                let units = self.ring.from(self.cursor);
                return (!units.is_empty()).then(|| (self.decoder.take(), units));
            }
            self.missed += missed;
            self.decoder = None;
        }
        let keyframe = keyframe?;
        Some((None, self.ring.from(keyframe)))
    }

    /// Takes the outcome of the job; answers the frame if it still goes forward in time.
    pub(super) fn finish_job(&mut self, outcome: Outcome, given: usize) -> Option<Arc<Frame>> {
        self.job = None;
        let unfed = given.saturating_sub(outcome.fed) as u64;
        let resumable = outcome.decoder.is_some();
        if resumable && self.cursor > self.fresh_from {
            self.decoder = outcome.decoder;
            self.cursor -= unfed;
        } else {
            // Damaged, or a lone keyframe: the same pictures are not tried again.
            self.fresh_from = self.fresh_from.max(if outcome.errors > 0 { self.cursor - unfed } else { 0 });
        }
        let frame = outcome.frame?;
        if self.last_frame_at.is_some_and(|last| frame.captured_at <= last) {
            return None;
        }
        self.last_frame_at = Some(frame.captured_at);
        Some(Arc::new(frame))
    }

    pub(super) fn last_frame_at(&self) -> Option<Timestamp> {
        self.last_frame_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::media::access_unit::Codec;
    use crate::media::gop_ring::OVERHEAD;

    const GAP_US: i64 = 100_000;

    fn selector(mode: DecodeMode, ring_max_bytes: usize) -> PictureSelector {
        let mut selector = PictureSelector::new(mode, ring_max_bytes, None);
        selector.restart(DecoderSpec { codec: Codec::H264, max_pixels: 1000, parameters: None });
        selector
    }

    fn at(number: i64) -> Timestamp {
        Timestamp::from_microsecond(1_700_000_000_000_000 + number * GAP_US).unwrap()
    }

    fn receive(selector: &mut PictureSelector, number: i64, keyframe: bool) {
        let data = Bytes::from_static(&[0; 10]);
        selector.push(Received {
            media_us: number * GAP_US,
            at: at(number),
            keyframe,
            lost_packets: 0,
            data,
            stream: None,
        });
    }

    fn plan(number: i64) -> Request {
        Request { plan: LookPlan { at: at(number), max_gap: Duration::from_secs(2) }, open: true }
    }

    /// Runs the job without decoding: the numbers it holds.
    fn run(selector: &mut PictureSelector, plan: Request, errors: u32) -> Option<Vec<u64>> {
        let job = selector.next_job(plan)?;
        let numbers: Vec<_> = job.units.iter().map(|unit| unit.seq).collect();
        let decoder = if job.keep && errors == 0 { Decoder::new(&job.spec).ok() } else { None };
        let outcome = Outcome { decoder, fed: job.units.len(), errors, ..Outcome::default() };
        assert!(selector.finish_job(outcome, job.units.len()).is_none());
        Some(numbers)
    }

    #[test]
    fn auto_goes_from_keyframes_over_burst_to_continuous() {
        let mut selector = selector(DecodeMode::Auto, 1 << 20);
        receive(&mut selector, 0, true);
        assert_eq!(run(&mut selector, plan(0), 0), Some(vec![0]));
        for number in 1..=22 {
            receive(&mut selector, number, false);
            assert_eq!(run(&mut selector, plan(20), 0), None, "a keyframe may still come in time");
        }
        receive(&mut selector, 23, false);
        assert_eq!(run(&mut selector, plan(20), 0), Some((0..=23).collect()));
        for number in 24..=119 {
            receive(&mut selector, number, false);
            assert_eq!(run(&mut selector, plan(200), 0), None, "a burst waits for the wanted moment");
        }
        for number in 120..=121 {
            receive(&mut selector, number, false);
        }
        assert_eq!(run(&mut selector, plan(200), 0), Some((24..=121).collect()), "too long for bursts");
        receive(&mut selector, 122, false);
        assert_eq!(run(&mut selector, plan(200), 0), Some(vec![122]));
    }

    #[test]
    fn a_burst_leaps_to_the_last_keyframe() {
        let mut selector = selector(DecodeMode::Burst, 1 << 20);
        (0..5).for_each(|number| receive(&mut selector, number, number == 0));
        assert_eq!(run(&mut selector, plan(4), 0), Some((0..5).collect()));
        (5..30).for_each(|number| receive(&mut selector, number, number % 10 == 0));
        assert_eq!(run(&mut selector, plan(25), 0), Some((20..30).collect()));
    }

    #[test]
    fn after_damage_the_next_keyframe_is_awaited() {
        let mut selector = selector(DecodeMode::Continuous, 1 << 20);
        receive(&mut selector, 0, true);
        assert_eq!(run(&mut selector, plan(0), 1), Some(vec![0]));
        receive(&mut selector, 1, false);
        assert_eq!(run(&mut selector, plan(0), 0), None);
        receive(&mut selector, 2, true);
        assert_eq!(run(&mut selector, plan(0), 0), Some(vec![2]));
        selector.skip();
        receive(&mut selector, 4, false);
        assert_eq!(run(&mut selector, plan(0), 0), None, "a picture was left out");
    }

    #[test]
    fn without_an_open_request_only_continuous_decoding_goes_on() {
        let closed = Request { open: false, ..plan(0) };
        for (mode, decoded) in [
            (DecodeMode::Keyframes, None),
            (DecodeMode::Burst, None),
            (DecodeMode::Auto, None),
            (DecodeMode::Continuous, Some(vec![0, 1])),
        ] {
            let mut selector = selector(mode, 1 << 20);
            receive(&mut selector, 0, true);
            receive(&mut selector, 1, false);
            assert_eq!(run(&mut selector, closed, 0), decoded, "{mode:?}");
        }
        let mut selector = selector(DecodeMode::Continuous, 1 << 20);
        receive(&mut selector, 0, true);
        assert_eq!(selector.next_job(closed).unwrap().wanted_at, Timestamp::MAX, "no frame is made");
    }

    #[test]
    fn new_parameters_begin_with_a_new_decoder() {
        let mut selector = selector(DecodeMode::Continuous, 1 << 20);
        receive(&mut selector, 0, true);
        assert!(run(&mut selector, plan(0), 0).is_some());
        let spec = DecoderSpec { codec: Codec::H265, max_pixels: 1000, parameters: None };
        selector.restart(spec);
        receive(&mut selector, 1, true);
        receive(&mut selector, 2, false);
        let job = selector.next_job(plan(0)).unwrap();
        assert!(job.decoder.is_none() && job.spec.codec == Codec::H265);
        assert_eq!(job.units.iter().map(|unit| unit.seq).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn pictures_that_left_the_ring_too_early_are_counted() {
        let mut selector = selector(DecodeMode::Continuous, 10 * (10 + OVERHEAD));
        receive(&mut selector, 0, true);
        assert!(run(&mut selector, plan(0), 0).is_some());
        (1..=30).for_each(|number| receive(&mut selector, number, false));
        assert_eq!(run(&mut selector, plan(0), 0), None);
        assert_eq!(selector.missed, 20);
        receive(&mut selector, 31, true);
        assert_eq!(run(&mut selector, plan(0), 0), Some(vec![31]));
    }
}
