//! What goes wrong: silence, hangs, crashes, refusals, damage, forged streams.

use std::time::Duration;

use gridwatch::config::{DecodeMode, Transport};
use gridwatch::domain::SignedDuration;
use gridwatch::domain::camera::StreamState;
use gridwatch::media::live::MediaOptions;

use super::{assert_picture, camera, file, frame, hasty, now, plan, report, rtsp, start};
use crate::support::clips;
use crate::support::rtsp::{CameraServer, ScriptedServer};

#[tokio::test]
async fn a_muted_stream_is_noticed_and_comes_back() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    server.signal("USR1");
    let silent = report(&mut source, StreamState::Offline).await;
    assert!(silent.detail.contains("no picture"), "{}", silent.detail);
    server.signal("USR1");
    report(&mut source, StreamState::Ok).await;
}

#[tokio::test]
async fn a_frozen_camera_is_noticed_while_playing_and_at_describe() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    frame(&mut source, plan(now()), &mut Vec::new()).await;
    server.signal("STOP");
    let playing = report(&mut source, StreamState::Offline).await;
    assert!(playing.detail.contains("no picture"), "{}", playing.detail);
    let asked = report(&mut source, StreamState::Offline).await;
    assert!(asked.detail.contains("no answer to describe"), "{}", asked.detail);
    server.signal("CONT");
    report(&mut source, StreamState::Ok).await;
}

#[tokio::test]
async fn a_killed_camera_is_offline_at_once_and_found_again() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
        let (url, port) = (server.url("h264"), server.port());
        let media = start(hasty());
        let mut source = media.watch(camera(rtsp(url, transport), DecodeMode::Keyframes));
        let before = frame(&mut source, plan(now()), &mut Vec::new()).await;
        let killed_at = now();
        drop(server);
        let gone = report(&mut source, StreamState::Offline).await;
        assert!(gone.at.duration_since(killed_at) < SignedDuration::from_secs(1), "{gone:?}");
        let _server = CameraServer::start_on(port, &[("h264", clips::h264(), 10)], &[]);
        let after = frame(&mut source, plan(now()), &mut Vec::new()).await;
        assert!(after.captured_at > before.captured_at);
    }
}

#[tokio::test]
async fn answers_become_states_with_a_clear_detail() {
    let sdp = "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nnonsense!";
    // The library's parser asserts what comes after a line without a key.
    let broken = "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Length: 69\r\n\r\n\
                  v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nCSe\r\na=control:x\r\n";
    for (answer, state, words) in [
        ("RTSP/1.0 403 Forbidden\r\nCSeq: {cseq}\r\n\r\n", StreamState::Busy, "403"),
        ("RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: {cseq}\r\n\r\n", StreamState::Busy, "453"),
        (
            "RTSP/1.0 302 Found\r\nCSeq: {cseq}\r\nLocation: rtsp://example.invalid/\r\n\r\n",
            StreamState::Offline,
            "302",
        ),
        ("RTSP/1.0 404 Not Found\r\nCSeq: {cseq}\r\n\r\n", StreamState::Offline, "404"),
        (sdp, StreamState::Offline, "describe"),
        (broken, StreamState::Offline, "broke its parser"),
        ("what?\r\n\r\n", StreamState::Offline, "describe"),
    ] {
        let server = ScriptedServer::start(answer);
        let media = start(hasty());
        let mut source = media.watch(camera(rtsp(server.url(), Transport::Tcp), DecodeMode::Keyframes));
        let told = report(&mut source, state).await;
        assert!(told.detail.contains(words), "{}", told.detail);
        if state == StreamState::Busy {
            let asked = server.requests();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(server.requests(), asked, "a busy camera is left alone for minutes");
        }
    }
}

#[tokio::test]
async fn streams_that_are_not_decoded_are_refused_by_their_header() {
    let server = CameraServer::start(&[("ten", clips::h265_ten_bit(), 10), ("h264", clips::h264(), 10)], &[]);
    let media = start(hasty());
    let mut ten_bit = media.watch(camera(rtsp(server.url("ten"), Transport::Tcp), DecodeMode::Keyframes));
    let refused = report(&mut ten_bit, StreamState::CodecUnsupported).await;
    assert!(refused.detail.contains("10 bits"), "{}", refused.detail);
    let small = start(MediaOptions { max_pixels: 10_000, ..hasty() });
    let mut oversize = small.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    let refused = report(&mut oversize, StreamState::CodecUnsupported).await;
    assert!(refused.detail.contains("320x240"), "{}", refused.detail);
    assert_eq!(ten_bit.counts().decoded + oversize.counts().decoded, 0);
}

#[tokio::test]
async fn oversize_pictures_are_dropped_counted_and_told() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let options = MediaOptions { max_access_unit_bytes: 2000, health_window: Duration::from_secs(1), ..hasty() };
    let media = start(options);
    let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    let degraded = report(&mut source, StreamState::Degraded).await;
    assert!(degraded.detail.contains("size limit"), "{}", degraded.detail);
    assert!(source.counts().oversize > 0);
}

#[tokio::test]
async fn a_corrupt_camera_harms_no_other() {
    let bad_h264 = clips::corrupted(clips::h264(), "live-bad.h264", 97, 20_000);
    let bad_h265 = clips::corrupted(clips::h265(), "live-bad.h265", 97, 20_000);
    let server = CameraServer::start(&[("a", &bad_h264, 10), ("b", &bad_h265, 10), ("good", clips::h264(), 10)], &[]);
    let media = start(MediaOptions { decode_threads: 1, ..hasty() });
    let _bad: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|mount| [(mount, DecodeMode::Continuous), (mount, DecodeMode::Keyframes)])
        .map(|(mount, mode)| media.watch(camera(rtsp(server.url(mount), Transport::Tcp), mode)))
        .collect();
    let mut good = media.watch(camera(rtsp(server.url("good"), Transport::Tcp), DecodeMode::Keyframes));
    let mut reports = Vec::new();
    let mut at = now();
    for _ in 0..3 {
        let picture = frame(&mut good, plan(at), &mut reports).await;
        assert_picture(&picture, 320, 240);
        at = picture.captured_at + SignedDuration::from_millis(1);
    }
    assert!(reports.iter().all(|report| report.state == StreamState::Ok), "{reports:?}");
    assert!(media.stop(Duration::from_secs(3)).await);
}

#[tokio::test]
async fn lost_packets_are_counted_and_told() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &["--drop", "0.1"]);
    let media = start(MediaOptions { health_window: Duration::from_secs(2), ..hasty() });
    let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), DecodeMode::Keyframes));
    let degraded = report(&mut source, StreamState::Degraded).await;
    assert!(
        degraded.detail.contains("packets were lost") || degraded.detail.contains("damaged"),
        "{}",
        degraded.detail
    );
    assert!(source.counts().lost_packets > 0);
}

#[tokio::test]
async fn a_camera_without_interleaving_is_asked_for_datagrams() {
    let server = ScriptedServer::start_with(|request| {
        if request.starts_with("DESCRIBE") {
            let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track\r\n";
            let length = sdp.len();
            format!(
                "RTSP/1.0 200 OK\r\nCSeq: {{cseq}}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
            )
        } else if request.contains("RTP/AVP/TCP") {
            "RTSP/1.0 461 Unsupported Transport\r\nCSeq: {cseq}\r\n\r\n".to_owned()
        } else {
            "RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: {cseq}\r\n\r\n".to_owned()
        }
    });
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(server.url(), Transport::Tcp), DecodeMode::Keyframes));
    report(&mut source, StreamState::Busy).await;
    assert_eq!(server.requests(), 4, "describe and set-up over TCP, then both again for UDP");
}

#[tokio::test]
async fn a_missing_clip_is_named() {
    let media = start(hasty());
    let mut source = media.watch(camera(file("nowhere.mp4".as_ref(), false), DecodeMode::Auto));
    let told = report(&mut source, StreamState::Offline).await;
    assert!(told.detail.contains("nowhere.mp4"), "{}", told.detail);
}
