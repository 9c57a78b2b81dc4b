//! What a camera answers: every request gets the next part of the input, over a real connection.
#![no_main]

mod camera;

use libfuzzer_sys::fuzz_target;

/// Between two answers.
const NEXT: &[u8] = b"\n--\n";

fuzz_target!(|data: &[u8]| {
    let mut answers = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
        answers.push(rest[..at].to_vec());
        rest = &rest[at + NEXT.len()..];
    }
    answers.push(rest.to_vec());
    camera::probe(answers);
});
