//! A web server with the habits of bad ones, and `gridwatch models` before it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::lab;

/// Of `small`.
pub(crate) const BYTES: usize = 100_000;

/// A web server, a catalogue that leads to it, and an empty folder of models.
pub(crate) struct Hub {
    server: Child,
    pub(crate) port: u16,
    scheme: &'static str,
    folder: tempfile::TempDir,
}

impl Hub {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    /// With `https` if a certificate and a key are given.
    pub(crate) fn start_in(folder: tempfile::TempDir, certificate: &[&str]) -> Self {
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("served")).unwrap();
        let mut server = Command::new("/usr/bin/python3")
            .arg(lab::root().join("tests/servers/models.py"))
            .args([path("served"), path("log")])
            .args(certificate)
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        let scheme = if certificate.is_empty() { "http" } else { "https" };
        Self { server, port: port.expect("the server listens"), scheme, folder }
    }

    /// As [`Hub::start`], with `small` in the catalogue, served with `habit`.
    pub(crate) fn with_small(habit: &str) -> Self {
        Self::start().and_small(habit)
    }

    pub(crate) fn and_small(self, habit: &str) -> Self {
        fs::write(self.path("served/small.onnx"), small()).unwrap();
        self.list(&[("small", habit)]);
        self
    }

    /// Writes the catalogue, and a manifest for each of its models; a file that is not served is as `small`.
    pub(crate) fn list(&self, models: &[(&str, &str)]) {
        let mut catalogue = Vec::new();
        for (name, habit) in models {
            let served = fs::read(self.path("served").join(format!("{name}.onnx"))).unwrap_or_else(|_| small());
            let (url, sha256) = (self.url(&format!("{habit}/{name}.onnx")), sha256(&served));
            catalogue.push(format!(
                "[[model]]\nname = \"{name}\"\nurl = \"{url}\"\nbytes = {}\nsha256 = \"{sha256}\"\n\
                 source_of_fact = \"file\"\nnote = \"for this test\"\n",
                served.len()
            ));
            let manifest = fs::read_to_string(lab::root().join("models/street-n.toml")).unwrap();
            let line = |key: &str| manifest.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
            let manifest = manifest
                .replace(&line("file = "), &format!("file = \"{name}.onnx\""))
                .replace(&line("sha256 = "), &format!("sha256 = \"{sha256}\""));
            fs::write(self.path(&format!("{name}.toml")), manifest).unwrap();
        }
        fs::write(self.path("catalogue.toml"), catalogue.concat()).unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}/{path}", self.scheme, self.port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn models(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
        command.arg("models").args(arguments).arg("--dir").arg(self.path("models"));
        command.arg("--catalogue").arg(self.path("catalogue.toml")).stdin(Stdio::null());
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "GRIDWATCH_MODELS_MIRROR", "GRIDWATCH_LOG"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command
    }

    pub(crate) fn fetch(&self, name: &str) -> (i32, String, String) {
        finish(&mut self.models(&["fetch", name]))
    }

    /// What is in the folder of models.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("models")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn assert_fetched(&self, (code, stdout, stderr): &(i32, String, String)) {
        assert_eq!(*code, 0, "{stdout}{stderr}");
        assert!(stdout.starts_with("ready: small: ") && stdout.contains("SHA-256 is right"), "{stdout}");
        assert_eq!(self.files(), ["small.onnx", "small.toml"]);
        assert!(fs::read(self.path("models/small.onnx")).unwrap() == small());
    }

    /// `Range` and `If-Range` of every request.
    pub(crate) fn requests(&self) -> Vec<(Option<String>, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let log = self.log().into_iter().map(|asked| (text(&asked["range"]), text(&asked["if_range"])));
        log.collect()
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Bytes in which every place is told from its neighbours.
pub(crate) fn small() -> Vec<u8> {
    (0..BYTES).map(|i| u8::try_from((i * 31 + i / 251) % 251).unwrap()).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

pub(crate) fn finish(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("not killed"), text(stdout), text(stderr))
}
