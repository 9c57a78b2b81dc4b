//! RTP after a login that went well. The first byte chooses the codec; then packets, each with one byte of flags and two of length.
#![no_main]

mod camera;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((codec, mut rest)) = data.split_first() else { return };
    let mut packets = Vec::new();
    let (mut sequence, mut time) = (1_u16, 3000_u32);
    while let Some((head, after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([head[1], head[2]]) % 1500).min(after.len());
        let (payload, next) = after.split_at(length);
        let flags = head[0];
        let marker = if flags & 1 == 0 { 0x80 } else { 0 };
        let mut packet = vec![0x80, marker | 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend(0x1234_5678_u32.to_be_bytes());
        packet.extend(payload);
        packets.extend([b'$', if flags & 0x40 == 0 { 0 } else { 1 }]);
        packets.extend(u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes());
        packets.extend(packet);
        sequence = sequence.wrapping_add(if flags & 0x20 == 0 { 1 } else { 3 });
        time = time.wrapping_add(if flags & 2 == 0 { 3600 } else { 0 });
        rest = next;
    }
    camera::probe(camera::played(codec % 2 == 0, &packets));
});
