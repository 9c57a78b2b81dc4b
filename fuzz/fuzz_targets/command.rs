//! Commands: the first byte chooses the name, the rest is the payload.
#![no_main]

use gridwatch::contract::command::Command;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = ["ping", "resync", "verify", "get-evidence", "snapshot", "mute", "profile", "no-such"];

fuzz_target!(|data: &[u8]| {
    let Some((first, payload)) = data.split_first() else { return };
    match Command::parse(NAMES[usize::from(*first) % NAMES.len()], payload) {
        Ok(command) => drop(format!("{command:?}")),
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
