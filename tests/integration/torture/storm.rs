//! A broker with two hundred gateways is restarted.
//!
//! Each of them has two connections. How they come back is simulated over the waits of the real ones, and tried with
//! real ones: in full with as many and the times for use in the field.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gridwatch::domain::backoff::Backoff;
use gridwatch::mqtt::{Downlink, DownlinkEvent, DownlinkOptions, LinkOptions, Uplink, UplinkEvent};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{figure, is_full};
use crate::support::broker::Broker;

const GATEWAYS: usize = 200;

/// As the program sets it for a broker that is not on the box itself.
const SPREAD: Duration = Duration::from_secs(90);

/// Attempts in the worst second, and how long after the broker the last one is back; the broker is away for `down`.
fn simulated(seed: u64, connections: usize, down: Duration) -> (usize, Duration) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let defaults = LinkOptions::new("broker", 1883, "gw");
    let mut attempts = Vec::new();
    let mut last = Duration::ZERO;
    for _ in 0..connections {
        let mut backoff = Backoff::new(defaults.backoff_first, defaults.backoff_longest);
        let mut at = backoff.delay_after_end_for_all(SPREAD, rng.random());
        attempts.push(at);
        while at < down {
            at += backoff.next_delay(rng.random());
            attempts.push(at);
        }
        last = last.max(at);
    }
    (worst_second(&attempts), last.saturating_sub(down))
}

fn worst_second(attempts: &[Duration]) -> usize {
    let mut seconds = BTreeMap::<u64, usize>::new();
    for at in attempts {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or_default()
}

/// Passes connections on to a broker, and writes down when they came.
async fn door(broker: u16, came: Arc<Mutex<Vec<Instant>>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut passed = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            came.lock().await.push(Instant::now());
            passed.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(("127.0.0.1", broker)).await {
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                }
            });
        }
    });
    port
}

/// Real ones: attempts in the worst second after the restart, and when the last one was back.
async fn real(gateways: usize, spread: Duration, down: Duration) -> (usize, Duration) {
    let extra = vec!["max_connections -1".to_owned()];
    let mut broker = Broker::start(crate::support::broker::BrokerOptions { extra, ..Default::default() }).await;
    let came = Arc::default();
    let port = door(broker.port, Arc::clone(&came)).await;
    let online = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for n in 0..gateways {
        let options = move |id: String| LinkOptions {
            healthy_after: Duration::from_millis(100),
            spread_after_end: spread,
            ..LinkOptions::new("127.0.0.1", port, id)
        };
        let (up, down) = (Arc::clone(&online), Arc::clone(&online));
        clients.spawn(async move {
            let mut uplink = Uplink::start(options(format!("gw-{n}")), Arc::new(Vec::new));
            while let Some(event) = uplink.next_event().await {
                if matches!(event, UplinkEvent::Connected(_)) {
                    up.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        clients.spawn(async move {
            let link = options(format!("gw-{n}-rx"));
            let mut downlink = Downlink::start(DownlinkOptions::new(link, vec![format!("grid/gw-{n}/feedback")]));
            while let Some(event) = downlink.next_event().await {
                if matches!(event, DownlinkEvent::Connected(_)) {
                    down.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    let all = 2 * gateways;
    until(&online, |count| count >= all, Duration::from_secs(120)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    came.lock().await.clear();
    let restarted = Instant::now();
    broker.kill().await;
    online.store(0, Ordering::SeqCst);
    tokio::time::sleep(down).await;
    broker.start_again().await;
    until(&online, |count| count >= all, Duration::from_secs(300)).await;
    let back = restarted.elapsed();
    let attempts: Vec<_> = came.lock().await.iter().map(|at| at.duration_since(restarted)).collect();
    (worst_second(&attempts), back)
}

async fn until(online: &AtomicUsize, there: impl Fn(usize) -> bool, patience: Duration) {
    let began = Instant::now();
    while !there(online.load(Ordering::SeqCst)) {
        assert!(began.elapsed() < patience, "{} are connected", online.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_gateways_come_back_to_a_broker_without_a_rush() {
    let mut worst = (0, Duration::ZERO);
    for seed in 0..50 {
        for down in [1, 5, 30, 120, 600] {
            let (peak, back) = simulated(seed, 2 * GATEWAYS, Duration::from_secs(down));
            worst = (worst.0.max(peak), worst.1.max(back));
        }
    }
    let (gateways, spread, down) = if is_full() { (GATEWAYS, SPREAD, 5.0) } else { (6, SPREAD / 40, 0.5) };
    let (peak, back) = real(gateways, spread, Duration::from_secs_f64(down)).await;
    figure(&format!(
        "storm_simulated_gateways={GATEWAYS} storm_simulated_peak_per_s={} storm_simulated_all_back_s={:.0} \
         storm_gateways={gateways} storm_peak_per_s={peak} storm_all_back_s={:.1}",
        worst.0,
        worst.1.as_secs_f64(),
        back.as_secs_f64()
    ));
    assert!(worst.0 <= 20 && worst.1 <= Duration::from_secs(300), "{worst:?}");
    assert!(peak <= 20 && back <= Duration::from_secs(300), "{peak} {back:?}");
}
