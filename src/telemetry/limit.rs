//! A broken camera must not fill the disk with what it has to say.
//!
//! Of each line about each camera the first few within a while are written, the rest are counted. Lines about an
//! incident are what the box is for: they are all written.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Lines that are written,
const BURST: u32 = 10;
/// of one call about one camera, within this time.
const WITHIN: Duration = Duration::from_secs(600);
/// Pairs of camera and call that are remembered; past it the oldest is forgotten.
const MAX_PAIRS: usize = 4096;

/// Time since any moment, never backwards.
pub type Monotonic = fn() -> Duration;

/// Refuses what repeats itself.
#[derive(Debug, Clone)]
pub(super) struct Limiter {
    now: Monotonic,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    pairs: HashMap<(String, Identifier), Pair>,
    left_out: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Pair {
    since: Duration,
    lines: u32,
}

/// Of a span: the camera that it is about.
struct CameraName(String);

/// What a line is about.
#[derive(Default)]
struct About {
    camera: Option<String>,
    incident: bool,
}

impl Visit for About {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "camera" => self.camera = Some(format!("{value:?}")),
            "event_id" => self.incident = true,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Limiter {
    pub(super) fn new(now: Monotonic) -> Self {
        Self { now, seen: Arc::default() }
    }

    /// Lines left out since this was asked last, by camera.
    pub(super) fn take_left_out(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).left_out)
    }

    fn admits(&self, camera: String, call: Identifier) -> bool {
        let now = (self.now)();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (camera, call);
        if seen.pairs.len() >= MAX_PAIRS && !seen.pairs.contains_key(&key) {
            let oldest = seen.pairs.iter().min_by_key(|(_, pair)| pair.since).map(|(key, _)| key.clone());
            oldest.and_then(|key| seen.pairs.remove(&key));
        }
        let pair = seen.pairs.entry(key.clone()).or_insert(Pair { since: now, lines: 0 });
        if now.saturating_sub(pair.since) > WITHIN {
            *pair = Pair { since: now, lines: 0 };
        }
        pair.lines = pair.lines.saturating_add(1);
        let admitted = pair.lines <= BURST;
        if !admitted {
            *seen.left_out.entry(key.0).or_default() += 1;
        }
        admitted
    }
}

impl<S> Layer<S> for Limiter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = About::default();
        attributes.record(&mut found);
        if let (Some(camera), Some(span)) = (found.camera, context.span(id)) {
            span.extensions_mut().insert(CameraName(camera));
        }
    }

    /// Who asks for more than the usual gets everything.
    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let mut found = About::default();
        event.record(&mut found);
        if found.incident {
            return true;
        }
        let of_span = || {
            let mut scope = context.event_scope(event)?;
            scope.find_map(|span| span.extensions().get::<CameraName>().map(|camera| camera.0.clone()))
        };
        match found.camera.or_else(of_span) {
            Some(camera) => self.admits(camera, event.metadata().callsite()),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::domain::camera::CameraId;
    use crate::telemetry::camera_span;

    static SECONDS: AtomicU64 = AtomicU64::new(0);

    struct Count(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _event: &Event<'_>, _context: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_cameras_repetitions_are_left_out_and_nobody_elses() {
        let written = Arc::new(AtomicU64::new(0));
        let limiter = Limiter::new(|| Duration::from_secs(SECONDS.load(Ordering::Relaxed)));
        let subscriber = tracing_subscriber::registry().with(limiter.clone()).with(Count(written.clone()));
        let lines = || written.swap(0, Ordering::Relaxed);
        with_default(subscriber, || {
            let say = |camera: &str, times: u32| {
                let span = camera_span(&CameraId::new(camera).expect("an id"));
                let _camera = span.enter();
                for n in 0..times {
                    tracing::info!(event_id = n, "incident opened");
                    tracing::warn!("no picture");
                }
            };
            say("broken", 1000);
            assert_eq!(lines(), 1000 + 10);
            say("broken", 5);
            say("well", 5);
            (0..50).for_each(|_| tracing::info!("about no camera"));
            tracing::info!(camera = "broken", "another line");
            assert_eq!(lines(), 5 + 2 * 5 + 50 + 1);
            assert_eq!(limiter.take_left_out(), [("broken".to_owned(), 995)].into());
            assert!(limiter.take_left_out().is_empty());
            SECONDS.store(601, Ordering::Relaxed);
            say("broken", 20);
            assert_eq!(lines(), 20 + 10);
        });
    }
}
