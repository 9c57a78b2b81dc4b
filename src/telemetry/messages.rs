//! Lines that a caretaker's tools may wait for: each has an id that stays the same when its values change.
//!
//! `journalctl MESSAGE_ID=…` finds them. The sentence is the key, so that no call has to carry an id; a test holds that
//! every sentence is still said somewhere.

use uuid::{Uuid, uuid};

/// Sentences with their ids. New lines are added, none changes its id.
const MESSAGES: [(&str, Uuid); 20] = [
    ("store open", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a01")),
    ("stopping", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a02")),
    ("stopped", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a03")),
    ("the configuration is taken over", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a04")),
    ("the configuration is not taken over: it has mistakes", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a05")),
    (
        "the new configuration cannot be started; going on with the one before",
        uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a06"),
    ),
    (
        "safe mode: no camera is watched, what is in the outbox is delivered; SIGHUP or a restart by hand ends it",
        uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a07"),
    ),
    ("safe mode ends: cameras are watched again", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a08")),
    ("a stage does not move any more; the watchdog is not fed", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a09")),
    ("a stage does not move any more; asking to be restarted", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0a")),
    ("the database was damaged and is set aside; a new one is begun", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0b")),
    ("messages were given up for want of space", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0c")),
    ("incident opened", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0d")),
    ("incident updated", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0e")),
    ("incident closed", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a0f")),
    ("connected to the broker", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a10")),
    ("no connection to the broker", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a11")),
    ("the broker refuses a message", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a12")),
    ("stream", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a13")),
    ("lines about a camera were left out: they repeated themselves", uuid!("5c1f2a90-62f4-4d3e-9a59-0b1f7ddc1a14")),
];

/// The id of a sentence that has one.
pub(super) fn id_of(message: &str) -> Option<Uuid> {
    MESSAGES.iter().find(|(sentence, _)| *sentence == message).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let read = |path: std::path::PathBuf| {
            if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap_or_default() }
        };
        entries.filter(|path| !path.ends_with("messages.rs")).map(read).collect()
    }

    #[test]
    fn every_sentence_is_said_and_every_id_is_its_own() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for (sentence, _) in MESSAGES {
            assert!(
                sources.contains(&format!("\"{sentence}\")")) || sources.contains(&format!("\"{sentence}\"\n")),
                "{sentence}"
            );
        }
        assert_eq!(MESSAGES.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), MESSAGES.len());
    }
}
