//! What a hostile or broken platform may send: refused, counted by reason, written down without its content.

use std::process::Command;

use super::*;
use crate::main_job::site::BASE;

const CANARY: &str = "CANARY-4711";

impl Scene {
    /// Publishes bytes as they are, with these options of `mosquitto_pub`.
    fn send(&self, topic: &str, payload: &[u8], more: &[&str]) {
        let file = self.folder.path().join("payload");
        std::fs::write(&file, payload).unwrap();
        let status = Command::new("mosquitto_pub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &self.broker.port.to_string(), "-q", "1"])
            .args(["-u", "township", "-P", "township", "-t", &format!("{BASE}/{topic}"), "-f"])
            .arg(file)
            .args(more)
            .status();
        assert!(status.expect("mosquitto_pub is installed").success());
    }

    /// The counters of refusals, as the next connection tells them.
    async fn refusals(&mut self) -> (Value, Value) {
        let before = self.platform.seen().len();
        self.broker.stop().await;
        self.broker.start_again().await;
        let fresh = |m: &&Message| m.topic == "metrics" && !m.retained;
        let find = |seen: &[Message]| seen.iter().skip(before).find(fresh).map(Message::json);
        let metrics = self.platform.wait("metrics", SOON, find).await;
        (metrics["counters"].clone(), metrics["audit"].clone())
    }
}

fn addressed(correlation: &str) -> Vec<String> {
    let reply_to = format!("{BASE}/rsp/test");
    ["-D", "publish", "response-topic", &reply_to, "-D", "publish", "correlation-data", correlation]
        .map(str::to_owned)
        .to_vec()
}

#[tokio::test]
async fn everything_hostile_is_refused_counted_and_written_down_without_its_content() {
    let mut scene = Scene::new().await;
    let gateway = scene.gateway().await;
    gateway.shows(&[stall()]);
    let opened = scene.event(0, "opened").await;
    scene.platform.feedback(&opened, "accepted", 5);

    let mut number = 0;
    let mut asked = |topic: &str, payload: &[u8], more: &[&str]| {
        number += 1;
        let address = addressed(&format!("h-{number}"));
        let options: Vec<&str> = address.iter().map(String::as_str).chain(more.iter().copied()).collect();
        scene.send(topic, payload, &options);
    };
    let huge = format!("{{\"cam\": \"{}\"}}", CANARY.repeat(2000));
    let enormous = format!("{{\"cam\": \"{}\"}}", CANARY.repeat(9000));
    let deep = format!("{}\"{CANARY}\"{}", "[".repeat(17), "]".repeat(17));
    let very_deep = "[".repeat(16_000);
    asked("cmd/mute", huge.as_bytes(), &[]);
    asked("cmd/mute", enormous.as_bytes(), &[]); // over the packet size that the gateway allows: stays at the broker
    asked("cmd/mute", deep.as_bytes(), &[]);
    asked("cmd/mute", very_deep.as_bytes(), &[]);
    asked("cmd/mute", format!("{{\"cam\": 7, \"x\": \"{CANARY}\"}}").as_bytes(), &[]);
    asked("cmd/mute", b"\xff\xfe{CANARY-4711", &[]);
    asked("cmd/mute", format!("{{\"cam\": \"{CANARY}/../x\", \"until\": null}}").as_bytes(), &[]);
    asked(
        "cmd/mute",
        format!("{{\"cam\": \"gate\", \"until\": null, \"reason\": \"{CANARY}\\u0007\"}}").as_bytes(),
        &[],
    );
    asked("cmd/snapshot", format!("{{\"cam\": \"{CANARY}\"}}").as_bytes(), &[]);
    asked(&format!("cmd/{CANARY}"), b"{}", &[]);
    asked("cmd/profile", format!("{{\"name\": \"{CANARY}\", \"until\": \"2027-01-20T00:00:00Z\"}}").as_bytes(), &[]);
    asked("cmd/profile", b"{\"name\": \"fair\", \"until\": \"2020-01-01T00:00:00Z\"}", &[]);
    // Nowhere to answer to, or somewhere else.
    scene.send("cmd/ping", CANARY.as_bytes(), &[]);
    for foreign in ["event/dumping", "rsp/#", "../gw-0001/rsp/x"] {
        let topic = format!("{BASE}/{foreign}");
        if !foreign.contains('#') {
            scene.send("cmd/ping", b"", &["-D", "publish", "response-topic", &topic]);
        }
    }
    scene.send("cmd/ping", b"", &["-D", "publish", "response-topic", &format!("{BASE}/rsp/test")]);
    // Asked before.
    for _ in 0..3 {
        let address = addressed("twice");
        scene.send("cmd/ping", b"", &address.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // Words on events: not understood, said before, of nobody's event.
    scene.send("feedback", format!("{{\"data\": \"{CANARY}\"}}").as_bytes(), &[]);
    scene.send("feedback", &vec![b'x'; 20_000], &[]);
    scene.send("feedback", deep.as_bytes(), &[]);
    scene.platform.feedback(&opened, "false_alarm", 5);
    let unknown = json!({ "event_id": "019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41", "revision": 1 });
    scene.platform.feedback(&unknown, "false_alarm", 1);

    assert_eq!(scene.platform.command("ping", "").await["status"], "ok", "it goes on");
    assert!(scene.platform.events().iter().all(|event| event["phase"] == "opened"), "nothing was retracted");
    let answered = scene.platform.seen().iter().filter(|m| m.correlation == "twice" && m.topic == "rsp/test").count();
    assert_eq!(answered, 1);
    let (counters, head) = scene.refusals().await;
    for (reason, count) in [
        ("too_large", 2),
        ("too_deep", 3),
        ("malformed", 3),
        ("invalid_value", 2),
        ("unknown_name", 3),
        ("expired", 1),
        ("foreign_response_topic", 3),
        ("no_correlation", 1),
        ("replayed", 3),
        ("unknown_event", 1),
        ("rate_limited", 0),
        ("foreign_topic", 0),
    ] {
        assert_eq!(counters[format!("refused_{reason}")], count, "{reason}: {counters:#}");
    }
    gateway.stop().await;
    let rows = scene.audit();
    let shown = serde_json::to_string(&rows).unwrap();
    assert!(!shown.contains(CANARY), "{shown}");
    let refused: Vec<_> = rows.iter().filter(|row| row.what == "refused").collect();
    let total: u64 = refused.iter().map(|row| row.count).sum();
    let counted: u64 = counters
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.starts_with("refused_"))
        .filter_map(|(_, n)| n.as_u64())
        .sum();
    assert_eq!(total, counted, "every one is in a row");
    assert!(refused.len() <= 24, "{} rows", refused.len());
    // What was published in `metrics` is a row of the audit.
    let row = rows.iter().find(|row| row.number == head["number"].as_u64().unwrap()).unwrap();
    assert_eq!(row.hash, head["sha256"]);
    for message in scene.platform.seen().iter().filter(|m| m.topic.starts_with("rsp/")) {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        assert!(!text.contains(CANARY) || text.contains(&format!("\"command\":\"{CANARY}\"")), "{text}");
    }
    scene.platform.assert_all_valid();
}

/// More commands than anybody needs, as fast as they come: few rows, and the box still answers.
#[tokio::test]
async fn a_flood_of_commands_is_cut_and_costs_few_rows() {
    let mut scene = Scene::new().await;
    // Before the gateway has a session: what is retained comes with the subscription, and would at every first start.
    let kept = addressed("kept");
    let options: Vec<&str> = kept.iter().map(String::as_str).chain(["-r"]).collect();
    scene.send("cmd/mute", b"{\"cam\": \"gate\", \"until\": null}", &options);
    let gateway = scene.gateway().await;
    let rows_before = scene.audit().len();
    assert_eq!(subjects(&scene.audit(), "refused"), ["retained"]);
    assert_eq!(subjects(&scene.audit(), "acts"), Vec::<&str>::new());
    // One connection, a line a message, one correlation for all: after the first a replay, and then too many.
    let flood = "{}\n".repeat(2000);
    let file = scene.folder.path().join("flood");
    std::fs::write(&file, flood).unwrap();
    let address = addressed("flood");
    let status = Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &scene.broker.port.to_string(), "-q", "1"])
        .args(["-u", "township", "-P", "township", "-t", &format!("{BASE}/cmd/ping"), "-l"])
        .args(&address)
        .stdin(std::fs::File::open(&file).unwrap())
        .status();
    assert!(status.unwrap().success());
    // What is asked after them is answered after them.
    scene.platform.until_it_listens(SOON).await;
    let answers = scene.platform.seen().iter().filter(|m| m.topic == "rsp/test" && m.correlation == "flood").count();
    assert!(answers <= 200, "{answers} answers: a flood is not answered by another");
    let (counters, _) = scene.refusals().await;
    let of = |reason: &str| counters[format!("refused_{reason}")].as_u64().unwrap();
    // Of these a broker keeps a thousand for a client that is slower.
    assert!(of("rate_limited") > 100, "{counters:#}");
    assert!(of("replayed") > 0, "{counters:#}");
    // A minute of the village later it listens again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.platform.command("ping", "").await["status"], "ok");
    gateway.stop().await;
    let rows = scene.audit();
    assert!(rows.len() - rows_before < 20, "{} rows for a flood", rows.len() - rows_before);
    let counted: u64 = rows.iter().filter(|row| row.what == "refused").map(|row| row.count).sum();
    assert!(counted >= of("rate_limited") + of("replayed"), "{counted}");
}
