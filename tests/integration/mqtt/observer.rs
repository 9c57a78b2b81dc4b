//! The other side: mosquitto's own command-line clients, so that no test believes our library twice.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A subscriber; killed when dropped.
pub(super) struct Observer {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Payload that was kept for the filter from before the subscription.
    pub(super) retained: Option<String>,
}

/// One message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) topic: String,
    pub(super) retained: bool,
    pub(super) expiry: String,
    pub(super) content_type: String,
    pub(super) payload: String,
}

impl Observer {
    /// Returns once the subscription stands.
    pub(super) async fn subscribe(port: u16, filter: &str) -> Self {
        let marker = "observer/ready";
        let mut child = Command::new("mosquitto_sub")
            .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1"])
            .args(["-t", filter, "-t", marker, "-F", "%t|%r|%E|%C|%p"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto_sub is installed (apt install mosquitto-clients)");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut observer = Self { _child: child, lines, retained: None };
        loop {
            publish(port, marker, "?", &[]).await;
            while let Ok(seen) = tokio::time::timeout(Duration::from_millis(100), observer.next()).await {
                if seen.topic == marker {
                    return observer;
                }
                observer.retained = seen.retained.then_some(seen.payload);
            }
        }
    }

    pub(super) async fn next(&mut self) -> Seen {
        let line = tokio::time::timeout(super::PATIENCE, self.lines.next_line());
        let line = line.await.expect("a message in time").unwrap().expect("mosquitto_sub runs");
        let mut fields = line.splitn(5, '|').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        Seen { topic: field(), retained: field() == "1", expiry: field(), content_type: field(), payload: field() }
    }

    /// The next one on a topic, whatever else comes between.
    pub(super) async fn next_on(&mut self, topic: &str) -> Seen {
        loop {
            let seen = self.next().await;
            if seen.topic == topic {
                return seen;
            }
        }
    }
}

/// Publishes at least once.
pub(super) async fn publish(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let status = Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", topic, "-m", payload])
        .args(more)
        .status();
    assert!(status.await.expect("mosquitto_pub is installed").success());
}
