//! A program that dies again and again stops doing what it may die of, and still delivers.

use serde_json::json;

use super::*;
use crate::main_job::platform::{Message, Platform};
use crate::main_job::site;
use crate::support::broker::Broker;

/// The newest presence of these messages that satisfies the condition.
fn presence(seen: &[Message], is_it: impl Fn(&serde_json::Value) -> bool) -> Option<serde_json::Value> {
    let states = seen.iter().rev().filter(|m| m.topic == "state" && !m.payload.is_empty()).map(Message::json);
    states.into_iter().find(is_it)
}

#[tokio::test]
async fn five_kills_lead_to_safe_mode_which_delivers_and_a_signal_leads_out() {
    let cameras = site::cameras(0);
    // What an earlier run has left in its outbox.
    let earlier = crate::outbox::Site::new().await;
    let mut broker = Broker::open_to_all().await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(cameras.port(), broker.port);
    site.keep_cameras(&["cam-quiet"]);
    std::fs::rename(earlier.state(), site.path().join("state")).unwrap();
    assert_eq!(outbox(&site)["accounting"]["pending"], 3);
    broker.stop().await;

    let mut manager = Manager::listen(site.path());
    let record = site.path().join("state/runs");
    for _ in 0..5 {
        let daemon = Daemon::start(&site, &manager);
        let asked = Instant::now();
        let runs = || std::fs::read_to_string(&record).unwrap_or_default().contains("\"running\":true");
        // Locked by the run that is meant, and not only left over from the one before.
        while !(runs() && site.log().contains("store open")) {
            assert!(asked.elapsed() < Duration::from_secs(SOON_S), "{}", site.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(daemon);
        std::fs::remove_file(site.path().join("gridwatch.log")).unwrap();
    }

    let count = manager.heard().len();
    let mut daemon = Daemon::start(&site, &manager);
    let ready = manager.wait("READY=1", count, |notice| notice.trim() == "READY=1").await;
    let told = |notice: &str| notice.starts_with("STATUS=safe mode (5 unexpected ends within 10 minutes), 0/1 cameras");
    manager.wait("status", ready, told).await;
    assert!(!site.log().contains("model loaded"), "{}", site.log());
    broker.start_again().await;
    let is_safe = |state: &serde_json::Value| state["online"] == true && state["safe_mode"].is_object();
    let state = platform.wait("presence in safe mode", SOON_S, |seen| presence(seen, is_safe)).await;
    assert_eq!(state["safe_mode"]["reason"], "5 unexpected ends within 10 minutes");
    let asked = Instant::now();
    while outbox(&site)["accounting"]["pending"] != json!(0) {
        assert!(asked.elapsed() < Duration::from_secs(SOON_S), "{}\n{}", outbox(&site), site.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    platform.until_it_listens(SOON_S).await;

    // Somebody has seen to it.
    let before = platform.seen().len();
    daemon.signal(Signal::HUP);
    let is_well = |state: &serde_json::Value| state["online"] == true && state["safe_mode"].is_null();
    platform.wait("presence without it", SOON_S, |seen| presence(&seen[before..], is_well)).await;
    platform.camera_state("cam-quiet", "ok", before, SOON_S).await;
    platform.assert_all_valid();
    daemon.signal(Signal::TERM);
    assert!(daemon.0.wait().unwrap().success());
    let kept = std::fs::read_to_string(&record).unwrap();
    assert!(kept.contains("\"running\":false,\"unexpected_ms\":[]"), "{kept}");
}
