//! A camera that turns hostile when it is told to: an RTSP server over TCP that sends a real stream, or
//! what no real camera sends.
#![allow(clippy::cast_precision_loss, reason = "paces of a few digits")]
#![allow(clippy::disallowed_methods, reason = "a camera keeps its own time, and may block its own thread")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use url::Url;

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

struct State {
    habit: Mutex<Habit>,
    over: AtomicBool,
    /// Pictures of one loop: the NAL units of each, without start codes.
    pictures: Vec<Vec<Vec<u8>>>,
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
            pictures: pictures(&std::fs::read(clip).unwrap()),
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
        let set = |kind: u8| {
            let found = self.pictures.iter().flatten().find(|nal| nal[0] & 31 == kind);
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
        let mut nals = self.pictures[sender.number % self.pictures.len()].clone();
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

/// Bytes changed, cut off or doubled; one unit in three stays as it is. The kind of a unit changes seldom, and
/// so do parameter sets: either ends the session, and then nothing else is tried.
fn mutate(nal: &mut Vec<u8>, chance: &mut ChaCha8Rng) {
    let (keeps_kind, is_set) = (!chance.random_bool(0.002), matches!(nal[0] & 31, 7 | 8));
    if nal.len() < 2 || (is_set && !chance.random_bool(0.01)) {
        return;
    }
    match chance.random_range(0..6) {
        0 | 1 => {}
        2 => nal.truncate(chance.random_range(1..=nal.len())),
        3 => nal.extend_from_slice(&nal.clone()),
        _ => {
            for _ in 0..chance.random_range(1..20) {
                let at = chance.random_range(usize::from(keeps_kind)..nal.len());
                nal[at] ^= 1 << chance.random_range(0..8);
            }
        }
    }
}

/// RTP over the RTSP connection.
struct Sender {
    sequence: u16,
    timestamp: u32,
    number: usize,
    due: Instant,
    chance: Option<ChaCha8Rng>,
}

impl Sender {
    fn new(habit: Habit, session: u64) -> Self {
        let mut chance = None;
        if let Habit::Mutated { seed, .. } = habit {
            chance = Some(ChaCha8Rng::seed_from_u64(seed ^ session));
        }
        Self { sequence: 0, timestamp: 0, number: 0, due: Instant::now(), chance }
    }

    fn next_picture(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// RFC 6184: one packet, or fragments.
    fn nal(&mut self, stream: &mut TcpStream, nal: &[u8], last: bool) -> std::io::Result<()> {
        if nal.len() <= 1400 {
            return self.packet(stream, nal, last);
        }
        let chunks = nal[1..].chunks(1390).collect::<Vec<_>>();
        for (number, chunk) in chunks.iter().enumerate() {
            let (start, end) = (number == 0, number == chunks.len() - 1);
            let kind = u8::from(start) << 7 | u8::from(end) << 6 | (nal[0] & 31);
            let fragment = [&[nal[0] & 0xe0 | 0x1c, kind], *chunk].concat();
            self.packet(stream, &fragment, last && end)?;
        }
        Ok(())
    }

    fn packet(&mut self, stream: &mut TcpStream, payload: &[u8], marker: bool) -> std::io::Result<()> {
        let length = u16::try_from(payload.len() + 12).unwrap().to_be_bytes();
        let mut packet = vec![b'$', 0, length[0], length[1], 0x80, 0x60 | u8::from(marker) << 7];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        stream.write_all(&packet)
    }
}

/// The NAL units of an Annex B stream, put together to pictures: each ends with its slice.
fn pictures(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let starts: Vec<_> = stream.windows(3).enumerate().filter(|(_, w)| w == b"\0\0\x01").map(|(at, _)| at).collect();
    let mut pictures = Vec::new();
    let mut picture = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(stream.len());
        let mut nal = stream[start + 3..end].to_vec();
        while nal.len() > 1 && nal.last() == Some(&0) {
            nal.pop();
        }
        let is_slice = matches!(nal[0] & 31, 1 | 5);
        picture.push(nal);
        if is_slice {
            pictures.push(std::mem::take(&mut picture));
        }
    }
    pictures
}
