//! A camera on the loopback that answers with what it is given, and our client that asks it what it sends.

use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::SystemClock;
use gridwatch::config::Transport;
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::ResolvedSource;
use gridwatch::media::live::MediaOptions;
use gridwatch::media::probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_millis(400);

/// Answers to describe, set-up and play, the last with RTP behind it.
#[allow(dead_code, reason = "one of the two targets has answers of its own")]
pub fn played(h264: bool, packets: &[u8]) -> Vec<Vec<u8>> {
    let media = if h264 {
        "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QAHqy0BQF/ywgAAAMACAAAAwGQeLF1,aO88sA==\r\n"
    } else {
        "a=rtpmap:96 H265/90000\r\n"
    };
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n{media}a=control:track1\r\n");
    let describe = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let setup = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=12345678\r\n\r\n";
    let play = "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\nRTP-Info: url=track1;seq=1;rtptime=3000\r\n\r\n";
    vec![describe.into_bytes(), setup.as_bytes().to_vec(), [play.as_bytes(), packets].concat()]
}

/// A panic in the RTSP library is caught by its caller, and no finding; every other one is.
fn allow_what_is_caught() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let findings = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", std::panic::Location::file);
            if !["/retina-", "/sdp-types-"].iter().any(|library| file.contains(library)) {
                findings(info);
            }
        }));
    });
}

/// Lets our client ask a camera that gives these answers, one to each request of a connection, and hangs up after the last.
pub fn probe(answers: Vec<Vec<u8>>) {
    allow_what_is_caught();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(answers);
        let serve = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&answers)));
            }
        };
        let source = ResolvedSource::Rtsp {
            url: url::Url::parse(&format!("rtsp://127.0.0.1:{port}/x")).expect("a URL"),
            username: Some("user".to_owned()),
            password: None,
            transport: Transport::Tcp,
        };
        let options = MediaOptions {
            decode_threads: 1,
            request_timeout: PATIENCE,
            teardown_timeout: Duration::from_millis(50),
            ..MediaOptions::default()
        };
        let asked = probe::probe(source, PATIENCE, options, Arc::new(SystemClock::new()), Arc::new(MemoryAuthLedger::default()));
        tokio::select! {
            () = serve => {}
            // No camera's answer may hold us longer than every single wait together.
            asked = tokio::time::timeout(Duration::from_secs(8), asked) => drop(asked.expect("ends in time")),
        }
    });
}

async fn answer(mut stream: TcpStream, answers: Arc<Vec<Vec<u8>>>) {
    let mut request = Vec::new();
    for answer in answers.iter() {
        request.clear();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) if request.len() < 8192 => request.push(byte),
                _ => return,
            }
        }
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
