//! The media folder against real and scripted cameras, and clips.

mod changes;
mod clip;
mod live;
mod login;
mod trouble;
mod workers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::{Clock, SystemClock};
use gridwatch::config::{DecodeMode, Secret, Transport};
use gridwatch::domain::Timestamp;
use gridwatch::domain::camera::{CameraId, LookPlan, StreamState};
use gridwatch::domain::frame::Frame;
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::{AuthLedger, FrameSource, ResolvedSource, SourceEvent, StreamReport, WatchCamera};
use gridwatch::media::live::{CameraSource, Media, MediaOptions};
use url::Url;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Patience shortened for tests.
fn hasty() -> MediaOptions {
    MediaOptions {
        request_timeout: Duration::from_millis(1500),
        silence_limit: Duration::from_millis(2500),
        teardown_timeout: Duration::from_millis(500),
        backoff_first: Duration::from_millis(100),
        backoff_longest: Duration::from_millis(500),
        ..MediaOptions::default()
    }
}

fn start(options: MediaOptions) -> Media {
    start_with(options, Arc::new(MemoryAuthLedger::default()))
}

fn start_with(options: MediaOptions, ledger: Arc<dyn AuthLedger>) -> Media {
    Media::start(options, Arc::new(SystemClock::new()), ledger).unwrap()
}

fn camera(source: ResolvedSource, decode: DecodeMode) -> WatchCamera {
    WatchCamera { id: CameraId::new("c1").unwrap(), source, decode, ring_max_bytes: 4 << 20 }
}

fn rtsp(url: Url, transport: Transport) -> ResolvedSource {
    ResolvedSource::Rtsp { url, username: None, password: None, transport }
}

fn rtsp_as(url: Url, username: &str, password: &str) -> ResolvedSource {
    let password = Some(Secret::new(password.to_owned()));
    ResolvedSource::Rtsp { url, username: Some(username.to_owned()), password, transport: Transport::Tcp }
}

fn file(path: &Path, repeat: bool) -> ResolvedSource {
    ResolvedSource::File { path: path.to_owned(), repeat }
}

fn now() -> Timestamp {
    SystemClock::new().now()
}

fn plan(at: Timestamp) -> LookPlan {
    LookPlan { at, max_gap: Duration::from_secs(2) }
}

/// What comes next, within patience.
async fn next(source: &mut CameraSource, plan: LookPlan) -> SourceEvent {
    tokio::time::timeout(PATIENCE, source.next(plan)).await.expect("something happens in time")
}

/// The next frame; state reports on the way are kept.
async fn frame(source: &mut CameraSource, plan: LookPlan, reports: &mut Vec<StreamReport>) -> Arc<Frame> {
    loop {
        match next(source, plan).await {
            SourceEvent::Frame(frame) => return frame,
            SourceEvent::State(report) => reports.push(report),
            SourceEvent::Info(_) => {}
            SourceEvent::Ended => panic!("the source ended; it had said {reports:?}"),
        }
    }
}

/// The next report of `state`.
async fn report(source: &mut CameraSource, state: StreamState) -> StreamReport {
    let found = async {
        loop {
            match source.next(plan(now())).await {
                SourceEvent::State(report) if report.state == state => return report,
                SourceEvent::Ended => panic!("the source ended before it was {state:?}"),
                SourceEvent::State(_) | SourceEvent::Frame(_) | SourceEvent::Info(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never {state:?}"))
}

/// Frames hold a picture, not one flat colour.
fn assert_picture(frame: &Frame, width: u32, height: u32) {
    assert_eq!((frame.width, frame.height), (width, height));
    assert_eq!(frame.y.len(), (width * height) as usize);
    assert_eq!(frame.u.len(), (width.div_ceil(2) * height.div_ceil(2)) as usize);
    let (least, most) = (frame.y.iter().min().unwrap(), frame.y.iter().max().unwrap());
    assert!(most - least > 100, "flat picture");
}
