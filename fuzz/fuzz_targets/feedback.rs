//! What the platform says about an event.
#![no_main]

use gridwatch::contract::feedback::Feedback;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    match Feedback::parse(payload) {
        // What was taken is kept as text in the store, and read again at the next start.
        Ok(feedback) => drop(format!("{feedback:?}")),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
