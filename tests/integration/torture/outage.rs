//! Incidents pile up behind a dead line, which comes back narrow. A real mosquitto, and its own subscribers.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gridwatch::clock::{Clock, SystemClock};
use gridwatch::config::ReleaseOn;
use gridwatch::domain::incident::{CloseReason, Phase};
use gridwatch::mqtt::LinkOptions;
use gridwatch::pipeline::publish::flight::Flight;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::gateway::{Gateway, MovedClock};
use super::line::Line;
use super::{figure, is_full, setting};
use crate::support::broker::Broker;

const EIGHT_HOURS: Duration = Duration::from_secs(8 * 3600);

/// Numbers of incidents from here on are live.
const LIVE: u64 = 1 << 32;

/// So many of the newest incidents have large pictures: those that go first when the messages are through.
const LARGE: u64 = 50;

#[derive(Clone, Copy)]
struct Plan {
    incidents: u64,
    bits_per_s: u32,
    picture: usize,
    large_picture: usize,
    /// Between two live messages.
    live_every: Duration,
    /// How long it goes on with pictures.
    with_pictures: Duration,
}

/// What became of a plan.
struct Outcome {
    /// Event messages of the outage.
    delivered: u64,
    body_bytes: usize,
    drained: Duration,
    live: Vec<Duration>,
    live_with_pictures: Vec<Duration>,
    pictures: usize,
    /// Pictures that came before the last message of the outage.
    pictures_too_early: usize,
    rss_drift_pct: f64,
}

fn incident(n: u64) -> Uuid {
    Uuid::from_u64_pair(7 << 12, n)
}

/// Number and revision.
type Key = (u64, u64);

/// A subscriber beside the broker, with the time at which each message came.
struct Township {
    child: Child,
    lines: Arc<Mutex<Vec<(f64, String)>>>,
}

impl Township {
    fn subscribe(port: u16, filter: &str, format: &str) -> Self {
        let mut child = Command::new("mosquitto_sub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", filter])
            .args(["-F", &format!("%U|{format}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is installed (apt install mosquitto-clients)");
        let lines: Arc<Mutex<Vec<_>>> = Arc::default();
        let (output, shared) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let (at, rest) = line.split_once('|').unwrap();
                shared.lock().unwrap().push((at.parse().unwrap(), rest.to_owned()));
            }
        });
        Self { child, lines }
    }

    fn take(&self) -> Vec<(f64, String)> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Drop for Township {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Seconds of the wall clock.
fn now() -> f64 {
    SystemClock::new().now().as_duration().as_secs_f64()
}

fn rss_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How much more it is in the last fifth than in the second, in per cent.
fn drift(samples: &[f64]) -> f64 {
    let fifth = (samples.len() / 5).max(1);
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (early, late) = (&samples[fifth.min(samples.len() - 1)..], &samples[samples.len() - fifth..]);
    let early = mean(&early[..fifth.min(early.len())]);
    (mean(late) - early) / early * 100.0
}

fn p95(latencies: &[Duration]) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() * 95).div_ceil(100).saturating_sub(1)).map_or(f64::NAN, Duration::as_secs_f64)
}

struct Run {
    plan: Plan,
    gateway: Gateway,
    events: Township,
    pictures: Township,
    came: HashMap<Key, f64>,
    sent_live: HashMap<Key, f64>,
    body_bytes: usize,
    pictures_came: Vec<f64>,
}

impl Run {
    fn look(&mut self) {
        for (at, body) in self.events.take() {
            self.body_bytes = self.body_bytes.max(body.len());
            let body: Value = serde_json::from_str(&body).unwrap();
            let id: Uuid = body["data"]["event_id"].as_str().unwrap().parse().unwrap();
            let key = (id.as_u64_pair().1, body["data"]["revision"].as_u64().unwrap());
            self.came.entry(key).or_insert(at);
        }
        self.pictures_came.extend(self.pictures.take().into_iter().map(|(at, _)| at));
    }

    fn delivered(&self) -> u64 {
        self.came.keys().filter(|(n, _)| *n < LIVE).count() as u64
    }

    async fn pile_up(&self) {
        let step = EIGHT_HOURS / u32::try_from(self.plan.incidents).unwrap();
        for n in 0..self.plan.incidents {
            let is_large = n + LARGE > self.plan.incidents;
            let bytes = if is_large { self.plan.large_picture } else { self.plan.picture };
            self.gateway.report(incident(n), 1, Phase::Opened, Some(bytes)).await;
            self.gateway.report(incident(n), 2, Phase::Closed(CloseReason::Cleared), None).await;
            self.gateway.clock.move_by(step);
        }
    }

    /// Live incidents open and close while `goes_on`; latencies of those of this time.
    async fn live(
        &mut self,
        first: u64,
        goes_on: impl Fn(&Self, Duration) -> bool,
        rss: &mut Vec<f64>,
    ) -> Vec<Duration> {
        let began = Instant::now();
        let mut next = Instant::now();
        let mut n = first;
        let mut keys = Vec::new();
        while goes_on(self, began.elapsed()) {
            if Instant::now() >= next {
                next += self.plan.live_every;
                let (number, closing) = (LIVE + n / 2, n % 2 == 1);
                let (revision, phase) =
                    if closing { (2, Phase::Closed(CloseReason::Cleared)) } else { (1, Phase::Opened) };
                let key = (number, u64::from(revision));
                self.sent_live.insert(key, now());
                keys.push(key);
                self.gateway.report(incident(number), revision, phase, None).await;
                n += 1;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.look();
            rss.push(rss_kib());
        }
        let waits = Instant::now();
        while keys.iter().any(|key| !self.came.contains_key(key)) {
            assert!(waits.elapsed() < Duration::from_secs(120), "a live message does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.look();
        }
        let latency = |key: &Key| Duration::from_secs_f64((self.came[key] - self.sent_live[key]).max(0.0));
        keys.iter().map(latency).collect()
    }
}

fn times(options: LinkOptions) -> LinkOptions {
    LinkOptions { backoff_longest: Duration::from_millis(500), first_attempt_within: Duration::ZERO, ..options }
}

async fn run(plan: Plan) -> Outcome {
    let broker = Broker::open_to_all().await;
    let narrow = Line::before(broker.port, plan.bits_per_s).await;
    let events = Township::subscribe(broker.port, "grid/v1/+/+/+/event/#", "%p");
    let pictures = Township::subscribe(broker.port, "grid/v1/+/+/+/evidence/#", "%l");
    let mut gateway = Gateway::new(MovedClock::behind_by(EIGHT_HOURS));
    gateway.publish_to(narrow.port, ReleaseOn::Puback, Flight::new(false), times).await;
    let (came, sent_live) = (HashMap::with_capacity(65_536), HashMap::with_capacity(4096));
    let mut run = Run { plan, gateway, events, pictures, came, sent_live, body_bytes: 0, pictures_came: Vec::new() };
    run.pile_up().await;

    narrow.open();
    let (began, opened_at, all) = (Instant::now(), now(), 2 * plan.incidents);
    let mut rss = Vec::with_capacity(65_536);
    let mut ignored = Vec::new();
    let live = run.live(0, |run, _| run.delivered() < all, &mut rss).await;
    let drained = began.elapsed();
    let last = run.came.iter().filter(|((n, _), _)| *n < LIVE).map(|(_, at)| *at).fold(opened_at, f64::max);
    let with_pictures = plan.with_pictures;
    let live_with_pictures = run.live(1_000_000, |_, elapsed| elapsed < with_pictures, &mut ignored).await;
    run.gateway.stop().await;
    let accounting = run.gateway.store.accounting().await.unwrap();
    assert_eq!((accounting.lost, accounting.quarantined, accounting.superseded), (0, 0, 0));
    Outcome {
        delivered: run.delivered(),
        body_bytes: run.body_bytes,
        drained,
        live,
        live_with_pictures,
        pictures: run.pictures_came.len(),
        // Two subscribers write down their times for themselves.
        pictures_too_early: run.pictures_came.iter().filter(|at| **at < last - 0.2).count(),
        rss_drift_pct: drift(&rss),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_eight_hours_is_made_up_for_while_live_messages_go_first() {
    let narrow = Plan {
        incidents: if is_full() { 300 } else { 30 },
        bits_per_s: if is_full() { 64_000 } else { 128_000 },
        picture: 5_000,
        large_picture: if is_full() { 100_000 } else { 10_000 },
        live_every: Duration::from_millis(if is_full() { 1500 } else { 600 }),
        with_pictures: Duration::from_secs(if is_full() { 240 } else { 2 }),
    };
    let outcome = run(narrow).await;
    let long = if is_full() {
        // At 64 kbit/s 20,000 messages of 2 KB take an hour and a half: ten times the line, all the incidents.
        let bits_per_s = setting("GRIDWATCH_OUTAGE_BITS_PER_S").map_or(640_000, |bits| bits.parse().unwrap());
        let plan =
            Plan { incidents: 10_000, bits_per_s, picture: 20_000, with_pictures: Duration::from_secs(20), ..narrow };
        Some((plan, run(plan).await))
    } else {
        None
    };
    let (plan, longest) = long.as_ref().map_or((&narrow, &outcome), |(plan, outcome)| (plan, outcome));
    figure(&format!(
        "outage_incidents={} outage_delivered={} outage_line_bits_per_s={} outage_drained_s={:.0} outage_body_bytes={} \
         outage_rss_drift_pct={:.1} outage_live_line_bits_per_s={} outage_live={} outage_live_p95_s={:.2} \
         outage_live_p95_with_pictures_s={:.2} outage_pictures={} outage_pictures_too_early={}",
        plan.incidents,
        longest.delivered,
        plan.bits_per_s,
        longest.drained.as_secs_f64(),
        longest.body_bytes,
        longest.rss_drift_pct,
        narrow.bits_per_s,
        outcome.live.len(),
        p95(&outcome.live),
        p95(&outcome.live_with_pictures),
        outcome.pictures + long.as_ref().map_or(0, |(_, o)| o.pictures),
        outcome.pictures_too_early + long.as_ref().map_or(0, |(_, o)| o.pictures_too_early),
    ));
    for (plan, outcome) in [(&narrow, &outcome)].into_iter().chain(long.as_ref().map(|(plan, o)| (plan, o))) {
        assert_eq!(outcome.delivered, 2 * plan.incidents);
        assert!(p95(&outcome.live) <= 2.0, "{:?}", outcome.live);
        assert_eq!(outcome.pictures_too_early, 0);
        assert!(outcome.pictures > 0);
        // Beside other tests it is not the memory of this one.
        assert!(!is_full() || outcome.rss_drift_pct.abs() <= 10.0, "{}", outcome.rss_drift_pct);
    }
}
