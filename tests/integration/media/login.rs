//! Logins: both schemes, and the two attempts that a wrong password has.

use std::sync::Arc;
use std::time::Duration;

use gridwatch::config::{DecodeMode, Secret};
use gridwatch::domain::camera::StreamState;
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::{AuthKey, AuthLedger};

use super::{assert_picture, camera, frame, hasty, now, plan, report, rtsp_as, start, start_with};
use crate::support::clips;
use crate::support::rtsp::{CameraServer, ScriptedServer};

const REFUSES: &str =
    "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\"\r\n\r\n";

#[tokio::test]
async fn digest_and_basic() {
    for scheme in ["digest", "basic"] {
        let options = ["--user", "viewer", "--password", "s3cret", "--scheme", scheme];
        let server = CameraServer::start(&[("h264", clips::h264(), 10)], &options);
        let media = start(hasty());
        let mut source = media.watch(camera(rtsp_as(server.url("h264"), "viewer", "s3cret"), DecodeMode::Keyframes));
        assert_picture(&*frame(&mut source, plan(now()), &mut Vec::new()).await, 320, 240);
    }
}

#[tokio::test]
async fn a_real_camera_refuses_a_wrong_password() {
    let options = ["--user", "viewer", "--password", "s3cret"];
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &options);
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp_as(server.url("h264"), "viewer", "wr0ng-guess"), DecodeMode::Keyframes));
    let stopped = report(&mut source, StreamState::AuthFailed).await;
    assert!(stopped.detail.contains("viewer") && !stopped.detail.contains("wr0ng-guess"), "{}", stopped.detail);
}

#[tokio::test]
async fn two_attempts_in_all_for_every_camera_and_every_restart() {
    let server = ScriptedServer::start(REFUSES);
    let ledger = Arc::new(MemoryAuthLedger::default());
    for _restart in 0..3 {
        let media = start_with(hasty(), Arc::clone(&ledger) as Arc<dyn AuthLedger>);
        let mut sources: Vec<_> = (0..3)
            .map(|_| media.watch(camera(rtsp_as(server.url(), "police", "old password"), DecodeMode::Keyframes)))
            .collect();
        for source in &mut sources {
            report(source, StreamState::AuthFailed).await;
        }
        assert!(media.stop(Duration::from_secs(3)).await);
        assert_eq!(server.authorized(), 2);
    }
    let media = start_with(hasty(), Arc::clone(&ledger) as Arc<dyn AuthLedger>);
    let mut changed = media.watch(camera(rtsp_as(server.url(), "police", "new password"), DecodeMode::Keyframes));
    report(&mut changed, StreamState::AuthFailed).await;
    assert_eq!(server.authorized(), 4, "another password has two attempts of its own");
    let key = AuthKey::new("127.0.0.1", "police", Some(&Secret::new("old password".to_owned())));
    assert_eq!(ledger.failures(&key).await, 2);
}

#[test]
fn no_secret_is_ever_shown() {
    let url = "rtsp://admin:hunter2@camera.local/stream".parse().unwrap();
    let watched = camera(rtsp_as(url, "admin", "hunter2"), DecodeMode::Auto);
    assert!(!format!("{watched:?}").contains("hunter2"));
}
