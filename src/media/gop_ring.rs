//! Compressed pictures wait here, bounded in time and in bytes. The oldest group of pictures goes first,
//! whole, as soon as the groups after it hold two seconds: nobody decodes from further back than the last
//! keyframe, and a decoder that goes on from where it was is behind by less. Overflow policy: the same, and
//! when a single group is left it loses its head; then it can only be used by a decoder that is already past it.

use std::collections::VecDeque;

use super::access_unit::AccessUnit;
use crate::domain::{SignedDuration, Timestamp};

/// What a decoder that goes on may be behind.
const KEPT: SignedDuration = SignedDuration::from_secs(2);

/// What a picture takes besides its bytes, rounded up: a flood of pictures of one byte each is bounded, too.
pub(super) const OVERHEAD: usize = 128;

/// The ring of one camera.
#[derive(Debug)]
pub(super) struct GopRing {
    units: VecDeque<AccessUnit>,
    bytes: usize,
    max_bytes: usize,
}

impl GopRing {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { units: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Adds the newest picture; it stays even if it alone is over the bound, which the size limit of
    /// access units keeps small.
    pub(super) fn push(&mut self, unit: AccessUnit) {
        self.bytes += cost(&unit);
        let needed_from = unit.captured_at.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        self.units.push_back(unit);
        while self.second_group().is_some_and(|start| self.units[start].captured_at <= needed_from) {
            self.drop_oldest_group();
        }
        while self.bytes > self.max_bytes && self.units.len() > 1 {
            self.drop_oldest_group();
        }
    }

    fn drop_oldest_group(&mut self) {
        let count = self.second_group().unwrap_or(1);
        for unit in self.units.drain(..count) {
            self.bytes -= cost(&unit);
        }
    }

    /// Where it begins.
    fn second_group(&self) -> Option<usize> {
        self.units.iter().skip(1).position(|unit| unit.keyframe).map(|index| index + 1)
    }

    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    pub(super) fn newest(&self) -> Option<&AccessUnit> {
        self.units.back()
    }

    /// Number of the oldest picture.
    pub(super) fn first_seq(&self) -> Option<u64> {
        self.units.front().map(|unit| unit.seq)
    }

    pub(super) fn last_keyframe(&self) -> Option<&AccessUnit> {
        self.units.iter().rev().find(|unit| unit.keyframe)
    }

    /// The newest keyframe, if it is from `wanted_at` or later.
    pub(super) fn keyframe_from(&self, wanted_at: Timestamp) -> Option<&AccessUnit> {
        self.last_keyframe().filter(|unit| unit.captured_at >= wanted_at)
    }

    /// Everything from number `seq` on.
    pub(super) fn from(&self, seq: u64) -> Vec<AccessUnit> {
        self.units.iter().filter(|unit| unit.seq >= seq).cloned().collect()
    }

    /// Whether the group being received leaves room for as much again.
    pub(super) fn group_fits(&self) -> bool {
        let group: usize = self.units.iter().rev().take_while(|unit| !unit.keyframe).map(cost).sum();
        group <= self.max_bytes / 2
    }
}

fn cost(unit: &AccessUnit) -> usize {
    unit.data.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn unit(seq: u64, keyframe: bool, bytes: usize) -> AccessUnit {
        let captured_at = Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap();
        AccessUnit { seq, captured_at, keyframe, data: Bytes::from(vec![0; bytes]) }
    }

    #[test]
    fn whole_groups_go_first() {
        let mut ring = GopRing::new(10 * (10 + OVERHEAD));
        for seq in 0..10 {
            ring.push(unit(seq, seq % 5 == 0, 10));
        }
        ring.push(unit(10, true, 10));
        assert_eq!(ring.first_seq(), Some(5));
        assert_eq!(ring.last_keyframe().unwrap().seq, 10);
        assert_eq!(ring.from(8).len(), 3);
    }

    #[test]
    fn a_group_goes_when_those_after_it_hold_two_seconds() {
        let mut ring = GopRing::new(usize::MAX);
        let firsts: Vec<_> = (0..9)
            .map(|seq| {
                ring.push(unit(seq, seq % 3 == 0, 10));
                ring.first_seq().expect("a picture")
            })
            .collect();
        assert_eq!(firsts, [0, 0, 0, 0, 0, 3, 3, 3, 6]);
    }

    #[test]
    fn a_single_long_group_loses_its_head() {
        let mut ring = GopRing::new(10 * (10 + OVERHEAD));
        for seq in 0..30 {
            ring.push(unit(seq, seq == 0, 10));
        }
        assert_eq!(ring.first_seq(), Some(20));
        assert!(ring.last_keyframe().is_none());
        assert!(!ring.group_fits());
    }

    proptest! {
        #[test]
        fn stays_within_its_bound(units in prop::collection::vec((any::<bool>(), 1usize..60), 1..200)) {
            let mut ring = GopRing::new(10 * (10 + OVERHEAD));
            for (seq, (keyframe, bytes)) in units.into_iter().enumerate() {
                ring.push(unit(seq as u64, keyframe, bytes));
                prop_assert!(ring.bytes <= 10 * (10 + OVERHEAD));
                prop_assert_eq!(ring.bytes, ring.units.iter().map(cost).sum::<usize>());
            }
        }
    }
}
