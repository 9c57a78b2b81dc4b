//! As of when certificates are judged.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::tokio_rustls::rustls::pki_types::UnixTime;
use rumqttc::tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use super::options::SurelyOver;

/// 2026-11-01: when this program is run, that is over.
const WRITTEN_S: u64 = 1_793_491_200;

/// The system's time, and never one that is surely over: a box without a battery wakes up in 1970, when no certificate
/// was valid, and gets the time by the line that the certificate guards. A clock that is ahead is believed: there is
/// nothing to hold against it.
#[derive(Debug)]
pub(super) struct TrustedTime {
    system: Arc<dyn TimeProvider>,
    surely_over: Option<SurelyOver>,
}

impl TrustedTime {
    pub(super) fn new(surely_over: Option<SurelyOver>) -> Self {
        Self { system: Arc::new(DefaultTimeProvider), surely_over }
    }

    fn floor_s(&self) -> u64 {
        let told = self.surely_over.as_ref().map(|SurelyOver(at)| at().as_second());
        told.and_then(|at| u64::try_from(at).ok()).unwrap_or_default().max(WRITTEN_S)
    }

    /// In words, if the system's clock cannot be right.
    pub(super) fn suspect(&self) -> Option<String> {
        let (system, floor) = (self.system.current_time().map_or(0, |at| at.as_secs()), self.floor_s());
        let day = |seconds| {
            jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or_default().strftime("%F")
        };
        // The time that is surely over may be a moment ahead of the system's: they are not read at once.
        (system + 60 < floor).then(|| format!("the clock stands at {}; judged as of {}", day(system), day(floor)))
    }
}

impl TimeProvider for TrustedTime {
    fn current_time(&self) -> Option<UnixTime> {
        let floor = UnixTime::since_unix_epoch(Duration::from_secs(self.floor_s()));
        Some(self.system.current_time().map_or(floor, |system| system.max(floor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[derive(Debug)]
    struct At(u64);

    impl TimeProvider for At {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
        }
    }

    fn judged(system: u64, surely_over: Option<i64>) -> (u64, bool) {
        let at = |second| SurelyOver(Arc::new(move || Timestamp::from_second(second).unwrap()));
        let time = TrustedTime { system: Arc::new(At(system)), surely_over: surely_over.map(at) };
        (time.current_time().unwrap().as_secs(), time.suspect().is_some())
    }

    #[test]
    fn a_clock_in_1970_is_not_believed_and_one_ahead_is() {
        assert_eq!(judged(5, None), (WRITTEN_S, true));
        assert_eq!(judged(5, Some(0)), (WRITTEN_S, true));
        assert_eq!(judged(5, Some(1_900_000_000)), (1_900_000_000, true));
        assert_eq!(judged(1_900_000_100, Some(1_900_000_000)), (1_900_000_100, false));
        assert_eq!(judged(1_900_000_000, Some(1_900_000_010)), (1_900_000_010, false), "read a moment apart");
    }
}
