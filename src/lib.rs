//! gridwatch: watches street cameras on an edge box and publishes suspected encroachment, dumping
//! and crowding as grid events over MQTT 5. Read `ARCHITECTURE.md` first.

pub mod clock;
pub mod config;
pub mod domain;
pub mod media;
