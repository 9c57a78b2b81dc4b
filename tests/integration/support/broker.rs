//! A real mosquitto on a free loopback port, with its files in a directory that goes with it.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// What the broker demands; nothing by default.
#[derive(Debug, Default)]
pub(crate) struct BrokerOptions {
    /// Text of an ACL file.
    pub(crate) acl: Option<String>,
    /// User names and passwords; with any, anonymous clients are refused.
    pub(crate) passwords: Vec<(String, String)>,
    /// TLS instead of plain TCP.
    pub(crate) tls: Option<BrokerTls>,
    /// Sessions and retained messages survive a stop (not a kill).
    pub(crate) persistence: bool,
    /// More lines for the configuration.
    pub(crate) extra: Vec<String>,
}

/// The broker's own certificate.
#[derive(Debug)]
pub(crate) struct BrokerTls {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Clients must show a certificate of the same authority.
    pub(crate) require_client: bool,
}

/// A running mosquitto; killed when dropped.
pub(crate) struct Broker {
    pub(crate) port: u16,
    directory: TempDir,
    child: Child,
}

impl Broker {
    pub(crate) async fn start(options: BrokerOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port().await;
        let text = configuration(&options, directory.path(), port).await;
        std::fs::write(directory.path().join("mosquitto.conf"), text).unwrap();
        let child = spawn(directory.path());
        let broker = Self { port, directory, child };
        broker.wait_until_it_listens().await;
        broker
    }

    /// Plain TCP, anybody may do anything.
    pub(crate) async fn open_to_all() -> Self {
        Self::start(BrokerOptions::default()).await
    }

    /// Power cut: nothing is written.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Orderly end: what is persistent is written.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.child.wait().await.unwrap();
    }

    /// Same port, same files.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
        self.wait_until_it_listens().await;
    }

    /// Stands still without closing anything.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("the broker runs")).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    async fn wait_until_it_listens(&self) {
        let listening = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), listening).await.expect("mosquitto listens within 10 s");
    }
}

pub(crate) async fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

fn spawn(directory: &Path) -> Child {
    Command::new(program("mosquitto"))
        .arg("-c")
        .arg(directory.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("mosquitto is installed (apt install mosquitto)")
}

/// Debian keeps daemons where a user's search path does not look.
fn program(name: &str) -> PathBuf {
    let in_sbin = Path::new("/usr/sbin").join(name);
    if in_sbin.exists() { in_sbin } else { name.into() }
}

async fn configuration(options: &BrokerOptions, directory: &Path, port: u16) -> String {
    let mut text = format!("user root\nlistener {port} 127.0.0.1\n");
    let file = |name: &str| directory.join(name).display().to_string();
    if let Some(tls) = &options.tls {
        let (ca, cert, key) = (tls.ca.display(), tls.cert.display(), tls.key.display());
        writeln!(text, "cafile {ca}\ncertfile {cert}\nkeyfile {key}").unwrap();
        writeln!(text, "require_certificate {}", tls.require_client).unwrap();
    }
    writeln!(text, "allow_anonymous {}", options.passwords.is_empty()).unwrap();
    if !options.passwords.is_empty() {
        std::fs::write(file("passwords"), "").unwrap();
        for (user, password) in &options.passwords {
            let status =
                Command::new("mosquitto_passwd").arg("-b").arg(file("passwords")).args([user, password]).status();
            assert!(status.await.expect("mosquitto_passwd is installed").success());
        }
        writeln!(text, "password_file {}", file("passwords")).unwrap();
    }
    if let Some(acl) = &options.acl {
        std::fs::write(file("acl"), acl).unwrap();
        writeln!(text, "acl_file {}", file("acl")).unwrap();
    }
    if options.persistence {
        writeln!(text, "persistence true\npersistence_location {}/", directory.display()).unwrap();
    }
    for line in &options.extra {
        writeln!(text, "{line}").unwrap();
    }
    text
}
