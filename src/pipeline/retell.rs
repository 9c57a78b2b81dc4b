//! Events whose times were told before the clock was known are told again, once it is.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use uuid::Uuid;

use crate::clock::FOLLOW_STEP;
use crate::pipeline::analyze::CameraInput;
use crate::pipeline::publish::commands::CameraInputs;
use crate::store::{Misdated, Store, StoreError};

/// Rounds until a camera that did not answer is asked again.
const PATIENCE: u32 = 30;
/// Places in a camera's queue that stay free for what the platform says.
const FREE_PLACES: usize = 8;

/// Asks cameras to say the last word on such events again, as a new revision.
#[derive(Debug)]
pub struct Reteller {
    cameras: CameraInputs,
    /// For which mistake an event was asked for, and rounds since.
    asked: BTreeMap<Uuid, (SignedDuration, u32)>,
}

impl Reteller {
    /// For these cameras.
    #[must_use]
    pub fn new(cameras: CameraInputs) -> Self {
        Self { cameras, asked: BTreeMap::new() }
    }

    /// To be called from time to time: an event is named by the store until its new revision is written, and then never
    /// again for the same mistake. However many there are, a camera gets a few at a time. Returns how many were asked for.
    pub async fn round(&mut self, store: &Store) -> Result<usize, StoreError> {
        let wrong = store.misdated().await?;
        self.asked.retain(|event_id, (by, rounds)| {
            *rounds += 1;
            let same = |wrong: &Misdated| wrong.event_id == *event_id && (wrong.by - *by).abs() <= FOLLOW_STEP;
            *rounds < PATIENCE && wrong.iter().any(same)
        });
        let mut asked = 0;
        for Misdated { event_id, camera, by } in wrong {
            let Some(inputs) = self.cameras.get(&camera).filter(|inputs| inputs.capacity() > FREE_PLACES) else {
                continue;
            };
            if !self.asked.contains_key(&event_id) && inputs.try_send(CameraInput::Retell { event_id, by }).is_ok() {
                self.asked.insert(event_id, (by, 0));
                asked += 1;
                let wrong_by_s = by.as_secs();
                tracing::info!(%camera, %event_id, wrong_by_s, "the clock is known now: the event's times are corrected");
            }
        }
        Ok(asked)
    }
}
