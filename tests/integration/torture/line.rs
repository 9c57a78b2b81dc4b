//! A narrow line: a proxy before a broker that passes so many bits a second, for all its connections together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Passed on at once.
const CHUNK: usize = 512;

/// One way, as over a mobile network.
const LATENCY: Duration = Duration::from_millis(40);

/// Closed at first: who connects is turned away.
pub(crate) struct Line {
    pub(crate) port: u16,
    open: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Line {
    pub(crate) async fn before(broker: u16, bits_per_s: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(AtomicBool::new(false));
        let is_open = Arc::clone(&open);
        let task = tokio::spawn(async move {
            let (up, down) = (Arc::new(Pace::new(bits_per_s)), Arc::new(Pace::new(bits_per_s)));
            let mut passed = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let (up, down) = (Arc::clone(&up), Arc::clone(&down));
                passed.spawn(async move {
                    let far = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                    far.set_nodelay(true).unwrap();
                    near.set_nodelay(true).unwrap();
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(near_in, far_out, &up) => {}
                        () = pass(far_in, near_out, &down) => {}
                    }
                });
            }
        });
        Self { port, open, task }
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When the line is free again.
struct Pace {
    bytes_per_s: f64,
    free: Mutex<Instant>,
}

impl Pace {
    fn new(bits_per_s: u32) -> Self {
        Self { bytes_per_s: f64::from(bits_per_s) / 8.0, free: Mutex::new(Instant::now()) }
    }

    /// When so many bytes have passed.
    fn take(&self, bytes: usize) -> Instant {
        let mut free = self.free.lock().unwrap();
        let time = Duration::from_secs_f64(f64::from(u32::try_from(bytes).unwrap()) / self.bytes_per_s);
        *free = (*free).max(Instant::now()) + time;
        *free
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin, pace: &Pace) {
    let (on_the_way, arrives) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(64);
    let arrive = async move {
        let (mut arrives, mut to) = (arrives, to);
        while let Some((at, bytes)) = arrives.recv().await {
            tokio::time::sleep_until(at + LATENCY).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let depart = async move {
        let mut chunk = [0; CHUNK];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            let passed = pace.take(read);
            tokio::time::sleep_until(passed).await;
            if on_the_way.send((passed, chunk[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(arrive, depart);
}
