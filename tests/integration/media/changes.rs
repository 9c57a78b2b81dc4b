//! Cameras that change: their picture, their codec, their password.

use std::path::PathBuf;
use std::time::Duration;

use gridwatch::config::{DecodeMode, Transport};
use gridwatch::domain::camera::StreamState;
use gridwatch::media::live::MediaOptions;

use super::{assert_picture, camera, frame, hasty, now, plan, report, rtsp, rtsp_as, start};
use crate::support::clips;
use crate::support::hostile::HostileCamera;
use crate::support::rtsp::CameraServer;

fn h264(name: &str, size: &str, pixels: &str) -> PathBuf {
    let encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", pixels, "-g", "10", "-bf", "0"];
    clips::make(name, size, 10, 3, &encode)
}

#[tokio::test]
async fn another_size_in_mid_stream_is_followed_in_the_same_session() {
    let server = HostileCamera::start(clips::h264(), 10);
    let media = start(hasty());
    for mode in [DecodeMode::Keyframes, DecodeMode::Continuous] {
        server.show(clips::h264());
        let mut source = media.watch(camera(rtsp(server.url(), Transport::Tcp), mode));
        assert_picture(frame(&mut source, plan(now()), &mut Vec::new()).await.as_ref(), 320, 240);
        server.show(&h264("larger.h264", "640x480", "yuv420p"));
        let changed = loop {
            let picture = frame(&mut source, plan(now()), &mut Vec::new()).await;
            if picture.width != 320 {
                break picture;
            }
        };
        assert_picture(&changed, 640, 480);
        assert_eq!(source.counts().sessions, 1, "{mode:?}");
    }
}

#[tokio::test]
async fn another_format_in_mid_stream_is_refused_and_the_old_one_welcome_again() {
    let server = HostileCamera::start(clips::h264(), 10);
    let media = start(MediaOptions { busy_wait: Duration::from_millis(300), ..hasty() });
    let mut source = media.watch(camera(rtsp(server.url(), Transport::Tcp), DecodeMode::Keyframes));
    for (name, pixels, words) in [("deep.h264", "yuv420p10le", "10 bits"), ("full.h264", "yuv444p", "4:2:0")] {
        server.show(clips::h264());
        frame(&mut source, plan(now()), &mut Vec::new()).await;
        server.show(&h264(name, "320x240", pixels));
        let refused = report(&mut source, StreamState::CodecUnsupported).await;
        assert!(refused.detail.contains(words), "{}", refused.detail);
        server.show(clips::h264());
        report(&mut source, StreamState::Ok).await;
    }
}

#[tokio::test]
async fn another_codec_after_a_restart_is_taken() {
    let server = CameraServer::start(&[("stream", clips::h264(), 10)], &[]);
    let (url, port) = (server.url("stream"), server.port());
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(url, Transport::Tcp), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    drop(server);
    report(&mut source, StreamState::Offline).await;
    let _server = CameraServer::start_on(port, &[("stream", clips::h265(), 10)], &[]);
    assert_picture(frame(&mut source, plan(now()), &mut Vec::new()).await.as_ref(), 320, 240);
}

#[tokio::test]
async fn a_new_password_at_the_camera_stops_us_after_two_attempts() {
    let login = |password: &'static str| ["--user", "admin", "--password", password];
    let server = CameraServer::start(&[("stream", clips::h264(), 10)], &login("old"));
    let (url, port) = (server.url("stream"), server.port());
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp_as(url, "admin", "old"), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    drop(server);
    let _server = CameraServer::start_on(port, &[("stream", clips::h264(), 10)], &login("new"));
    let stopped = report(&mut source, StreamState::AuthFailed).await;
    assert!(stopped.detail.contains("2 times"), "{}", stopped.detail);
}
