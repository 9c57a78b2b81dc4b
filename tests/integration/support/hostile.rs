//! A camera that turns hostile when it is told to: an RTSP server over TCP that sends a real stream, or
//! what no real camera sends.
#![allow(clippy::cast_precision_loss, reason = "paces of a few digits")]
#![allow(clippy::disallowed_methods, reason = "a camera keeps its own time, and may block its own thread")]

mod rtp;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use rtp::{Sender, mutate, pictures};

/// What the camera does with its next connections; those that are open are closed at a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Sends its stream.
    Good,
    /// Takes the connection and never answers.
    Stall,
    /// Plays and never sends a byte again, no answer either.
    Silent,
    /// Answers keepalives and sends no picture.
    KeepaliveOnly,
    /// A header that never ends.
    HugeHeader,
    /// Headers without end, each of a decent length.
    ManyHeaders,
    /// Says that four gigabytes follow, and sends them.
    HugeBody,
    /// Fragments of one picture without end.
    EndlessFragment,
    /// A flood of pictures of one byte.
    TinyPictures,
    /// A description of nonsense.
    BadDescription,
    /// The stream with bytes changed, a hundred times as fast; so many groups of pictures.
    Mutated { groups: u32, seed: u64 },
}

impl Habit {
    /// All that are meant to do harm, except mutation.
    pub(crate) const HOSTILE: [Self; 9] = [
        Self::Stall,
        Self::Silent,
        Self::KeepaliveOnly,
        Self::HugeHeader,
        Self::ManyHeaders,
        Self::HugeBody,
        Self::EndlessFragment,
        Self::TinyPictures,
        Self::BadDescription,
    ];
}

/// Bytes a second of a flood: a line of one gigabit. Faster than any camera's, slower than what two cores
/// of one machine can do to each other.
const LINE_BYTES: f64 = 125e6;

/// The server; its threads end with it.
pub(crate) struct HostileCamera {
    port: u16,
    state: Arc<State>,
}

/// Pictures of one loop: the NAL units of each, without start codes.
type Clip = Vec<Vec<Vec<u8>>>;

struct State {
    habit: Mutex<Habit>,
    over: AtomicBool,
    clip: Mutex<Arc<Clip>>,
    rate: u32,
    /// When the first connection came after the last change of habit.
    called: Mutex<Option<Instant>>,
    /// Each has other mutations.
    sessions: AtomicU64,
    /// Mutated groups sent so far.
    groups: Mutex<u32>,
}

impl HostileCamera {
    /// `clip`: an Annex B stream of H.264, each picture in one slice, with in-band parameter sets.
    pub(crate) fn start(clip: &Path, rate: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            habit: Mutex::new(Habit::Good),
            over: AtomicBool::new(false),
            clip: Mutex::new(Arc::new(pictures(&std::fs::read(clip).unwrap()))),
            rate,
            called: Mutex::default(),
            sessions: AtomicU64::new(0),
            groups: Mutex::default(),
        });
        listener.set_nonblocking(true).unwrap();
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            while !accepting.over.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        accepting.called.lock().unwrap().get_or_insert_with(Instant::now);
                        stream.set_nonblocking(false).unwrap();
                        let state = Arc::clone(&accepting);
                        std::thread::spawn(move || drop(state.serve(stream)));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> Url {
        format!("rtsp://127.0.0.1:{}/stream", self.port).parse().unwrap()
    }

    /// Another clip from now on, in the sessions that are open as well.
    pub(crate) fn show(&self, clip: &Path) {
        *self.state.clip.lock().unwrap() = Arc::new(pictures(&std::fs::read(clip).unwrap()));
    }

    pub(crate) fn turn(&self, habit: Habit) {
        *self.state.habit.lock().unwrap() = habit;
        *self.state.called.lock().unwrap() = None;
        *self.state.groups.lock().unwrap() = 0;
    }

    /// When the first connection came since the last turn.
    pub(crate) fn called(&self) -> Option<Instant> {
        *self.state.called.lock().unwrap()
    }

    pub(crate) fn mutated_groups(&self) -> u32 {
        *self.state.groups.lock().unwrap()
    }
}

impl Drop for HostileCamera {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn holds(&self, habit: Habit) -> bool {
        *self.habit.lock().unwrap() == habit && !self.over.load(Ordering::SeqCst)
    }

    fn clip(&self) -> Arc<Clip> {
        Arc::clone(&self.clip.lock().unwrap())
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let habit = *self.habit.lock().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        let mut sender = None;
        let mut request = Vec::new();
        while self.holds(habit) {
            if let Some(sender) = &mut sender {
                self.send(&mut stream, habit, sender)?;
            }
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(length) => request.extend_from_slice(&bytes[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            // Receiver reports of the client come in between; they hold no empty line.
            while let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&request[..end]).into_owned();
                request.drain(..end + 4);
                if habit == Habit::Stall || (habit == Habit::Silent && sender.is_some()) {
                    continue;
                }
                if self.answer(&mut stream, habit, &text)? {
                    let session = self.sessions.fetch_add(1, Ordering::SeqCst);
                    sender = Some(Sender::new(habit, session));
                }
            }
        }
        Ok(())
    }

    /// Whether the stream plays from now on.
    fn answer(&self, stream: &mut TcpStream, habit: Habit, request: &str) -> std::io::Result<bool> {
        let Some(method) = ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"]
            .into_iter()
            .find(|method| request.contains(&format!("{method} rtsp://")))
        else {
            return Ok(false);
        };
        let cseq = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0");
        let ok = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n");
        match (method, habit) {
            ("DESCRIBE", Habit::HugeHeader) => self.flood(stream, habit, &format!("{ok}X: "), &vec![b'a'; 65536])?,
            ("DESCRIBE", Habit::ManyHeaders) => {
                self.flood(stream, habit, &ok, &b"X-More: of the same\r\n".repeat(3000))?;
            }
            ("DESCRIBE", Habit::HugeBody) => {
                let head = format!("{ok}Content-Type: application/sdp\r\nContent-Length: 4000000000\r\n\r\n");
                self.flood(stream, habit, &head, &vec![b'v'; 65536])?;
            }
            ("DESCRIBE", _) => {
                let sdp = self.description(habit);
                let length = sdp.len();
                write!(stream, "{ok}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}")?;
            }
            ("SETUP", _) => {
                write!(stream, "{ok}Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n")?;
            }
            _ => write!(stream, "{ok}Session: 1\r\n\r\n")?,
        }
        Ok(method == "PLAY")
    }

    fn description(&self, habit: Habit) -> String {
        if habit == Habit::BadDescription {
            return "v=0\r\nm=video 99999 RTP/AVP banana\r\na=rtpmap:\r\n\0\0\r\n".repeat(50);
        }
        let clip = self.clip();
        let set = |kind: u8| {
            let found = clip.iter().flatten().find(|nal| nal[0] & 31 == kind);
            STANDARD.encode(found.expect("a parameter set"))
        };
        format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;sprop-parameter-sets={},{}\r\na=control:trackID=0\r\n",
            set(7),
            set(8)
        )
    }

    fn flood(&self, stream: &mut TcpStream, habit: Habit, head: &str, chunk: &[u8]) -> std::io::Result<()> {
        stream.write_all(head.as_bytes())?;
        let (began, mut sent) = (Instant::now(), 0);
        while self.holds(habit) {
            stream.write_all(chunk)?;
            sent += chunk.len() as u64;
            let due = Duration::from_secs(1).mul_f64(sent as f64 / LINE_BYTES);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        Ok(())
    }

    fn send(&self, stream: &mut TcpStream, habit: Habit, sender: &mut Sender) -> std::io::Result<()> {
        match habit {
            Habit::EndlessFragment => {
                let mut fragment = vec![0x7c, 0x85];
                while self.holds(habit) {
                    fragment.resize(1400, 0x55);
                    for _ in 0..90 {
                        sender.packet(stream, &fragment, false)?;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                    fragment[1] = 0x05;
                }
            }
            Habit::TinyPictures => {
                while self.holds(habit) {
                    for _ in 0..100 {
                        sender.next_picture(90);
                        sender.packet(stream, &[0x41], true)?;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Habit::Mutated { groups, .. } => {
                while self.holds(habit) && *self.groups.lock().unwrap() < groups {
                    self.send_picture(stream, sender, 900)?;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Habit::Good if sender.due.elapsed() * self.rate >= Duration::from_secs(1) => {
                sender.due = Instant::now();
                self.send_picture(stream, sender, 90_000 / self.rate)?;
            }
            Habit::Good
            | Habit::Stall
            | Habit::Silent
            | Habit::KeepaliveOnly
            | Habit::HugeHeader
            | Habit::ManyHeaders
            | Habit::HugeBody
            | Habit::BadDescription => {}
        }
        Ok(())
    }

    fn send_picture(&self, stream: &mut TcpStream, sender: &mut Sender, ticks: u32) -> std::io::Result<()> {
        let clip = self.clip();
        let mut nals = clip[sender.number % clip.len()].clone();
        let begins_group = nals.iter().any(|nal| nal[0] & 31 == 5);
        sender.number += 1;
        sender.next_picture(ticks);
        if let Some(chance) = &mut sender.chance {
            if begins_group {
                *self.groups.lock().unwrap() += 1;
            }
            for nal in &mut nals {
                mutate(nal, chance);
            }
        }
        let last = nals.len() - 1;
        for (number, nal) in nals.iter().enumerate() {
            sender.nal(stream, nal, number == last)?;
        }
        Ok(())
    }
}
