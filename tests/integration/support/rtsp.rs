//! Cameras: GStreamer's RTSP server, and a scripted one for answers that a real server does not give.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use url::Url;

/// A running server; killed when dropped.
pub(crate) struct CameraServer {
    child: Child,
    port: u16,
}

impl CameraServer {
    /// `mounts`: path and `clip@fps`. `options`: further arguments of `camera.py`.
    pub(crate) fn start(mounts: &[(&str, &Path, u32)], options: &[&str]) -> Self {
        Self::start_on(0, mounts, options)
    }

    pub(crate) fn start_on(port: u16, mounts: &[(&str, &Path, u32)], options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/camera.py");
        // The distribution's Python has GStreamer's bindings; another one on the path has not.
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["--port", &port.to_string()])
            .args(options)
            .args(mounts.iter().map(|(mount, clip, fps)| format!("/{mount}={}@{fps}", clip.display())))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        Self { child, port: port.expect("the camera server listens") }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, mount: &str) -> Url {
        format!("rtsp://127.0.0.1:{}/{mount}", self.port).parse().unwrap()
    }

    /// `USR1`, `STOP`, `CONT`, `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for CameraServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Answers the requests of every connection by a script.
pub(crate) struct ScriptedServer {
    port: u16,
    requests: Arc<AtomicUsize>,
    authorized: Arc<AtomicUsize>,
    _thread: JoinHandle<()>,
}

impl ScriptedServer {
    /// The same answer to everything: status line, headers and body, with `{cseq}` for the number.
    pub(crate) fn start(answer: &'static str) -> Self {
        Self::start_with(move |_| answer.to_owned())
    }

    /// `answer` is given the request's header.
    pub(crate) fn start_with(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, authorized) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&requests), Arc::clone(&authorized));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counters, answer) = (counters.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &answer, &counters.0, &counters.1));
            }
        });
        Self { port, requests, authorized, _thread: thread }
    }

    pub(crate) fn url(&self) -> Url {
        format!("rtsp://127.0.0.1:{}/stream", self.port).parse().unwrap()
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Requests that carried credentials.
    pub(crate) fn authorized(&self) -> usize {
        self.authorized.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> String, requests: &AtomicUsize, authorized: &AtomicUsize) {
    let mut request = Vec::new();
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {
        request.push(byte[0]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        requests.fetch_add(1, Ordering::SeqCst);
        if text.contains("Authorization:") {
            authorized.fetch_add(1, Ordering::SeqCst);
        }
        let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0");
        if stream.write_all(answer(&text).replace("{cseq}", cseq).as_bytes()).is_err() {
            return;
        }
        request.clear();
    }
}
