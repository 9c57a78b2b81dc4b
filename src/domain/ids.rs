//! Where incident ids come from. Live ids are random, replayed ones follow from their inputs.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::Timestamp;
use super::camera::CameraId;

/// Names incidents.
pub trait IdGenerator: Send + fmt::Debug {
    /// A new id in the form of a `UUIDv7` whose time is `first_seen`.
    fn next_id(&mut self, camera: &CameraId, rule: &str, first_seen: Timestamp) -> Uuid;
}

/// The same incident gets the same id in every run: the random bits are a SHA-256 of its origin.
#[derive(Debug, Clone, Copy, Default)]
pub struct DerivedIds;

impl IdGenerator for DerivedIds {
    fn next_id(&mut self, camera: &CameraId, rule: &str, first_seen: Timestamp) -> Uuid {
        let mut hash = Sha256::new();
        for part in [camera.as_str().as_bytes(), rule.as_bytes(), &first_seen.as_nanosecond().to_be_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        let mut bits = [0; 10];
        bits.copy_from_slice(&hash.finalize()[..10]);
        version_7(first_seen, bits)
    }
}

/// Ids for live use, from randomness that is handed in.
pub struct RandomIds<F>(
    /// Ten random bytes.
    pub F,
);

impl<F: FnMut() -> [u8; 10] + Send> IdGenerator for RandomIds<F> {
    fn next_id(&mut self, _camera: &CameraId, _rule: &str, first_seen: Timestamp) -> Uuid {
        version_7(first_seen, (self.0)())
    }
}

impl<F> fmt::Debug for RandomIds<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomIds")
    }
}

fn version_7(at: Timestamp, bits: [u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap_or(0), &bits).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_follow_from_their_origin() {
        let camera = CameraId::new("gate").unwrap();
        let at: Timestamp = "2026-03-01T08:00:00.5Z".parse().unwrap();
        let id = DerivedIds.next_id(&camera, "stalls", at);
        assert_eq!(id, DerivedIds.next_id(&camera, "stalls", at));
        assert_ne!(id, DerivedIds.next_id(&camera, "muck", at));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().unwrap().to_unix(), (at.as_second().unsigned_abs(), 500_000_000));
    }
}
