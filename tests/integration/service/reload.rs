//! SIGHUP: nothing is lost, secrets are read again, and a configuration that cannot be used changes nothing.

use serde_json::Value;

use super::*;
use crate::main_job::platform::{Message, Platform};
use crate::main_job::site::{self, CAMERA_PASSWORD};
use crate::main_job::{guarded, with_login};
use crate::support::broker::Broker;

/// Until a clip has come round to its incident, on a machine that does much else.
const ROUND_S: u64 = 300;

/// Has the configuration read again and waits for the end of it; the notices of it.
async fn reload(daemon: &Daemon, manager: &mut Manager) -> Vec<String> {
    let before = manager.heard().len();
    daemon.signal(Signal::HUP);
    let begun = manager.wait("RELOADING=1", before, |notice| notice.starts_with("RELOADING=1\nMONOTONIC_USEC=")).await;
    let ready = manager.wait("READY=1", begun, |notice| notice.trim() == "READY=1").await;
    let told = manager.wait("status", ready, |notice| notice.starts_with("STATUS=")).await;
    manager.heard()[before..told].to_vec()
}

fn has(log: &str, words: &[&str]) -> bool {
    log.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

#[tokio::test]
async fn a_reload_takes_over_what_is_right_and_loses_nothing() {
    let cameras = site::cameras(0);
    let broker = Broker::start(guarded()).await;
    let platform = Platform::subscribe(broker.port).await;
    let mut site = Site::new(cameras.port(), broker.port);
    with_login(&mut site, "receipt");
    site.keep_cameras(&["cam-walkway", "cam-quiet"]);
    // One camera's password is in a file, and is wrong at first.
    let password = site.path().join("password");
    std::fs::write(&password, "mistaken").unwrap();
    let quiet = site.text.find("id = \"cam-quiet\"").unwrap();
    let (head, tail) = site.text.split_at(quiet);
    let by_file = format!("password = {{ file = \"{}\" }}", password.display());
    site.text = head.to_owned() + &tail.replace("password = { env = \"GRIDWATCH_DEMO_PASSWORD\" }", &by_file);
    let mut manager = Manager::listen(site.path());
    let mut daemon = Daemon::start(&site, &manager);
    let opened = platform.event("encroachment", "opened", ROUND_S).await;
    platform.camera_state("cam-quiet", "auth_failed", 0, SOON_S).await;

    // A mistake: everything goes on as it was, and the log has file, line and key.
    let good = site.text.clone();
    site.replace("dwell_s = 10", "dwell_s = \"ten\"");
    let (file, before) = (site.write(), platform.seen().len());
    let line = site.text.lines().position(|line| line == "dwell_s = \"ten\"").unwrap() + 1;
    let notices = reload(&daemon, &mut manager).await;
    assert!(notices.last().unwrap().contains("reload refused"), "{notices:#?}");
    assert!(has(&site.log(), &[&format!("{}:{line}:", file.display()), "dwell_s"]), "{}", site.log());
    platform.until_it_listens(SOON_S).await;
    let offline = |m: &Message| m.topic == "state" && m.json()["online"] == false;
    assert!(!platform.seen()[before..].iter().any(offline), "it was not restarted");

    // A model that is not there is only found out when it is to be loaded: what ran before runs again.
    site.text = good.replace("model = \"", "model = \"/nowhere");
    site.write();
    let notices = reload(&daemon, &mut manager).await;
    assert!(notices.last().unwrap().contains("reload failed"), "{notices:#?}");
    assert!(has(&site.log(), &["going on with the one before", "/nowhere"]), "{}", site.log());
    platform.until_it_listens(SOON_S).await;

    // A broker's password that cannot be read is found out later still, with the store open. What else the configuration
    // changes has no effect then: no incident ends for a camera that would have another name, or for a rule that would go.
    let unreadable = good.replace("env = \"GRIDWATCH_TEST_BROKER_PASSWORD\"", "file = \"/nowhere/password\"");
    for renamed in [true, false] {
        site.text = unreadable.clone();
        if renamed {
            site.replace("id = \"cam-walkway\"", "id = \"cam-renamed\"");
        } else {
            site.remove_rule("encroachment", "[[camera]]");
        }
        site.write();
        let notices = reload(&daemon, &mut manager).await;
        assert!(notices.last().unwrap().contains("reload failed"), "{notices:#?}");
        assert!(has(&site.log(), &["going on with the one before", "password of the broker"]), "{}", site.log());
        platform.until_it_listens(SOON_S).await;
    }

    // A rule is gone, and the camera's password is right now.
    site.text = good;
    site.remove_rule("encroachment", "[[camera]]");
    std::fs::write(&password, CAMERA_PASSWORD).unwrap();
    site.write();
    let before = platform.seen().len();
    let disabled = |event: &Value| event["close_reason"] == "rule_disabled";
    assert!(!platform.events().iter().any(disabled), "{:#?}", platform.events());
    let notices = reload(&daemon, &mut manager).await;
    assert!(notices.last().unwrap().contains("reloaded 20"), "{notices:#?}");
    let ended = |event: &Value| event["event_id"] == opened["event_id"] && event["phase"] == "closed";
    let find = |seen: &[Message]| seen.iter().filter_map(Message::event).find(ended);
    assert!(has(&site.log(), &["the configuration is taken over"]), "{}", site.log());
    let end = platform.wait("end of the incident", SOON_S, find).await;
    // It may have ended by itself while the broken configurations were tried.
    assert!(["rule_disabled", "cleared"].contains(&end["close_reason"].as_str().unwrap()), "{end:#}");
    platform.camera_state("cam-quiet", "ok", before, SOON_S).await;

    assert!(!daemon.has_ended(), "one process all along");
    platform.assert_all_valid();
    daemon.signal(Signal::TERM);
    let count = manager.heard().len();
    manager.wait("STOPPING=1", count.saturating_sub(1), |notice| notice.trim() == "STOPPING=1").await;
    assert!(daemon.0.wait().unwrap().success());
    assert_eq!(outbox(&site)["accounting"]["lost"], 0);
}
