//! A second MQTT 5 broker with nothing of the first one's code: ejabberd's `mod_mqtt`, in a folder of its own and
//! without Erlang's distribution, so that no port but its listener's is opened.
#![allow(clippy::unwrap_used, reason = "a test's helper may fail the test")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::broker::free_port;
use super::lab;

/// The only user.
pub(crate) const USER: &str = "gw";
/// His password.
pub(crate) const PASSWORD: &str = "gw-password";

/// A running ejabberd; killed when dropped.
pub(crate) struct Ejabberd {
    pub(crate) port: u16,
    _folder: TempDir,
    _child: Child,
}

/// Below which folder it lies: unpacked by `scripts/setup --second-broker`, or installed.
fn installation() -> Option<PathBuf> {
    let roots = [lab::root().join(".cache/ejabberd/root"), PathBuf::from("/")];
    roots.into_iter().find(|root| !of_name(&root.join("usr/lib/erlang"), "erts-").is_empty() && !code(root).is_empty())
}

/// Folders with its modules.
fn code(root: &Path) -> Vec<PathBuf> {
    let found = of_name(&root.join("usr/lib"), "").into_iter().flat_map(|folder| of_name(&folder, "ejabberd-"));
    found.map(|folder| folder.join("ebin")).filter(|folder| folder.exists()).collect()
}

fn of_name(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start)).map(|entry| entry.path()).collect()
}

impl Ejabberd {
    /// `None`: there is none on this machine.
    pub(crate) async fn start() -> Option<Self> {
        let root = installation()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().await;
        let inside = |name: &str| folder.path().join(name);
        let configuration = format!(
            "hosts: [localhost]\nlisten:\n  - {{ port: {port}, ip: \"127.0.0.1\", module: mod_mqtt }}\n\
             auth_method: [internal]\nmodules:\n  mod_mqtt: {{ session_expiry: 7 days }}\n"
        );
        std::fs::write(inside("ejabberd.yml"), configuration).unwrap();
        let register = format!(
            "{{ok, _}} = application:ensure_all_started(ejabberd), \
             ok = ejabberd_auth:try_register(<<\"{USER}\">>, <<\"localhost\">>, <<\"{PASSWORD}\">>), \
             ok = file:write_file(\"{}\", <<>>)",
            inside("ready").display()
        );
        let erlang = root.join("usr/lib/erlang");
        let binaries = of_name(&erlang, "erts-").pop()?.join("bin");
        let child = Command::new(binaries.join("erlexec"))
            .args(["-noinput", "-boot", "start_sasl", "-pa"])
            .args(code(&root))
            .args(["-mnesia", "dir", &format!("\"{}\"", inside("mnesia").display())])
            .args(["-s", "ejabberd", "-eval", &register])
            .env("ROOTDIR", &erlang)
            .env("BINDIR", &binaries)
            .envs([("EMU", "beam"), ("PROGNAME", "erl")])
            .env("HOME", folder.path())
            .env("EJABBERD_CONFIG_PATH", inside("ejabberd.yml"))
            .env("EJABBERD_LOG_PATH", inside("ejabberd.log"))
            .env("SPOOL_DIR", folder.path())
            .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let ready = async {
            while !inside("ready").exists() || TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let log = || std::fs::read_to_string(inside("ejabberd.log")).unwrap_or_default();
        tokio::time::timeout(Duration::from_secs(60), ready).await.unwrap_or_else(|_| panic!("{}", log()));
        Some(Self { port, _folder: folder, _child: child })
    }
}
