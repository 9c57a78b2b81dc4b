//! The parameter set that decides whether a stream is decoded at all.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((first, unit)) = data.split_first() {
        gridwatch::media::fuzzing::sps(first % 2 == 0, unit);
    }
});
