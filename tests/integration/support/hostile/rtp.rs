//! Pictures of a clip as RTP packets, and what may become of them on the way.
#![allow(clippy::disallowed_methods, reason = "a camera keeps its own time")]

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Clip, Habit};

/// Bytes changed, cut off or doubled; one unit in three stays as it is. The kind of a unit changes seldom, and
/// so do parameter sets: either ends the session, and then nothing else is tried.
pub(super) fn mutate(nal: &mut Vec<u8>, chance: &mut ChaCha8Rng) {
    let (keeps_kind, is_set) = (!chance.random_bool(0.002), matches!(nal[0] & 31, 7 | 8));
    if nal.len() < 2 || (is_set && !chance.random_bool(0.01)) {
        return;
    }
    match chance.random_range(0..6) {
        0 | 1 => {}
        2 => nal.truncate(chance.random_range(1..=nal.len())),
        3 => nal.extend_from_slice(&nal.clone()),
        _ => {
            for _ in 0..chance.random_range(1..20) {
                let at = chance.random_range(usize::from(keeps_kind)..nal.len());
                nal[at] ^= 1 << chance.random_range(0..8);
            }
        }
    }
}

/// RTP over the RTSP connection.
pub(super) struct Sender {
    sequence: u16,
    timestamp: u32,
    pub(super) number: usize,
    pub(super) due: Instant,
    pub(super) chance: Option<ChaCha8Rng>,
}

impl Sender {
    pub(super) fn new(habit: Habit, session: u64) -> Self {
        let mut chance = None;
        if let Habit::Mutated { seed, .. } = habit {
            chance = Some(ChaCha8Rng::seed_from_u64(seed ^ session));
        }
        Self { sequence: 0, timestamp: 0, number: 0, due: Instant::now(), chance }
    }

    pub(super) fn next_picture(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// RFC 6184: one packet, or fragments.
    pub(super) fn nal(&mut self, stream: &mut TcpStream, nal: &[u8], last: bool) -> std::io::Result<()> {
        if nal.len() <= 1400 {
            return self.packet(stream, nal, last);
        }
        let chunks = nal[1..].chunks(1390).collect::<Vec<_>>();
        for (number, chunk) in chunks.iter().enumerate() {
            let (start, end) = (number == 0, number == chunks.len() - 1);
            let kind = u8::from(start) << 7 | u8::from(end) << 6 | (nal[0] & 31);
            let fragment = [&[nal[0] & 0xe0 | 0x1c, kind], *chunk].concat();
            self.packet(stream, &fragment, last && end)?;
        }
        Ok(())
    }

    pub(super) fn packet(&mut self, stream: &mut TcpStream, payload: &[u8], marker: bool) -> std::io::Result<()> {
        let length = u16::try_from(payload.len() + 12).unwrap().to_be_bytes();
        let mut packet = vec![b'$', 0, length[0], length[1], 0x80, 0x60 | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        stream.write_all(&packet)
    }
}

/// The NAL units of an Annex B stream, put together to pictures: each ends with its slice.
pub(super) fn pictures(stream: &[u8]) -> Clip {
    let starts: Vec<_> = stream.windows(3).enumerate().filter(|(_, w)| w == b"\0\0\x01").map(|(at, _)| at).collect();
    let mut pictures = Vec::new();
    let mut picture = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(stream.len());
        let mut nal = stream[start + 3..end].to_vec();
        while nal.len() > 1 && nal.last() == Some(&0) {
            nal.pop();
        }
        let is_slice = matches!(nal[0] & 31, 1 | 5);
        picture.push(nal);
        if is_slice {
            pictures.push(std::mem::take(&mut picture));
        }
    }
    pictures
}
