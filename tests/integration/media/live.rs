//! What works: both codecs over both transports, every kind of keyframe, probing.

use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::SystemClock;
use gridwatch::config::{DecodeMode, Transport};
use gridwatch::domain::SignedDuration;
use gridwatch::domain::camera::StreamState;
use gridwatch::media::auth::MemoryAuthLedger;
use gridwatch::media::boundary::SourceEvent;
use gridwatch::media::probe::{Authentication, probe};

use super::{assert_picture, camera, file, frame, hasty, next, now, plan, rtsp, rtsp_as, start};
use crate::support::clips;
use crate::support::rtsp::CameraServer;

#[tokio::test]
async fn both_codecs_over_tcp_and_udp() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10), ("h265", clips::h265(), 10)], &[]);
    let media = start(hasty());
    for mount in ["h264", "h265"] {
        for transport in [Transport::Tcp, Transport::Udp] {
            let mut source = media.watch(camera(rtsp(server.url(mount), transport), DecodeMode::Keyframes));
            let mut reports = Vec::new();
            let began = now();
            let first = frame(&mut source, plan(began), &mut reports).await;
            assert_picture(&first, 320, 240);
            assert!(!first.color.bt709 && !first.color.full_range);
            assert!(first.captured_at <= now(), "nothing is taken in the future");
            let second =
                frame(&mut source, plan(first.captured_at + SignedDuration::from_millis(1)), &mut reports).await;
            assert!(second.captured_at > first.captured_at);
            let states: Vec<_> = reports.iter().map(|report| report.state).collect();
            assert_eq!(states, [StreamState::Ok], "a late joiner's loss count is no damage: {reports:?}");
            assert_eq!(source.counts().lost_packets, 0);
        }
    }
    assert!(media.stop(Duration::from_secs(3)).await, "TEARDOWN is sent and tasks end");
}

#[tokio::test]
async fn an_open_group_of_h265_starts_at_its_next_keyframe() {
    let server = CameraServer::start(&[("open", clips::h265_open_gop(), 10)], &[]);
    let media = start(hasty());
    let mut opener = media.watch(camera(rtsp(server.url("open"), Transport::Tcp), DecodeMode::Keyframes));
    let mut reports = Vec::new();
    let first = frame(&mut opener, plan(now()), &mut reports).await;
    frame(&mut opener, plan(first.captured_at + SignedDuration::from_millis(1)), &mut reports).await;
    // The only IDR is past; the next is half a minute away.
    let mut late = media.watch(camera(rtsp(server.url("open"), Transport::Tcp), DecodeMode::Keyframes));
    let joined = now();
    let picture = frame(&mut late, plan(joined), &mut reports).await;
    assert_picture(&picture, 320, 240);
    assert!(picture.captured_at.duration_since(joined) < SignedDuration::from_secs(4));
}

#[tokio::test]
async fn a_long_group_is_no_stall_and_still_gives_looks() {
    let server = CameraServer::start(&[("long", clips::h264_long_gop(), 10)], &[]);
    let media = start(hasty());
    let mut source = media.watch(camera(rtsp(server.url("long"), Transport::Tcp), DecodeMode::Auto));
    let mut reports = Vec::new();
    let mut at = now();
    for _ in 0..6 {
        let mut wanted = plan(at);
        wanted.max_gap = Duration::from_millis(700);
        let picture = frame(&mut source, wanted, &mut reports).await;
        assert_picture(&picture, 320, 240);
        at = picture.captured_at + SignedDuration::from_millis(700);
    }
    assert!(reports.iter().all(|report| report.state == StreamState::Ok), "{reports:?}");
    assert_eq!(source.counts().sessions, 1);
}

#[tokio::test]
async fn burst_and_continuous_give_the_picture_of_the_moment() {
    let server = CameraServer::start(&[("h264", clips::h264(), 10)], &[]);
    let media = start(hasty());
    for mode in [DecodeMode::Burst, DecodeMode::Continuous] {
        let mut source = media.watch(camera(rtsp(server.url("h264"), Transport::Tcp), mode));
        let mut reports = Vec::new();
        let mut at = frame(&mut source, plan(now()), &mut reports).await.captured_at;
        for _ in 0..5 {
            at += SignedDuration::from_millis(300);
            let picture = frame(&mut source, plan(at), &mut reports).await;
            let late = picture.captured_at.duration_since(at);
            assert!(late < SignedDuration::from_millis(600), "{mode:?}: {late} late");
            at = picture.captured_at;
        }
    }
}

#[tokio::test]
async fn a_keyframe_does_not_wait_for_the_pictures_after_it() {
    let media = start(hasty());
    let mut source = media.watch(camera(file(clips::h264_b_frames(), false), DecodeMode::Keyframes));
    let began = now();
    let picture = frame(&mut source, plan(began), &mut Vec::new()).await;
    assert_picture(&picture, 320, 240);
    // With three B-frames the decoder by itself gives nothing before the fourth picture.
    assert_eq!(source.counts().units, 1, "after {}", now().duration_since(began));
}

#[tokio::test]
async fn nothing_is_decoded_before_the_pipeline_asks_anew() {
    for mode in [DecodeMode::Keyframes, DecodeMode::Burst] {
        let media = start(hasty());
        let mut source = media.watch(camera(file(clips::h264_b_frames(), true), mode));
        let wanted = plan(now());
        let mut reports = Vec::new();
        let first = frame(&mut source, wanted, &mut reports).await;
        let counts = source.counts_handle();
        let (decoded, seen) = (counts.counts().decoded, counts.counts().units);
        // Two keyframes and what lies between them go by while the pipeline is busy with the frame.
        let passed = async {
            while counts.counts().units < seen + 30 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, passed).await.expect("the clip plays on");
        assert_eq!(counts.counts().decoded, decoded, "{mode:?}");
        // After a failed look, the same plan gets another picture, however often the call is cancelled.
        let second = loop {
            let call = frame(&mut source, wanted, &mut reports);
            if let Ok(frame) = tokio::time::timeout(Duration::from_millis(5), call).await {
                break frame;
            }
        };
        assert!(second.captured_at > first.captured_at);
        assert_eq!(counts.counts().replaced, 0, "nothing was decoded in vain");
        drop(source);
        assert!(counts.counts().decoded > decoded, "the handle outlives the source");
    }
}

#[tokio::test]
async fn a_clip_that_ends_is_offline_first() {
    let media = start(hasty());
    let mut source = media.watch(camera(file(clips::mpeg2(), false), DecodeMode::Keyframes));
    let mut states = Vec::new();
    loop {
        match next(&mut source, plan(now())).await {
            SourceEvent::State(report) => states.push((report.state, report.detail)),
            SourceEvent::Frame(_) | SourceEvent::Info(_) => {}
            SourceEvent::Ended => break,
        }
    }
    assert_eq!(states.iter().map(|(state, _)| *state).collect::<Vec<_>>(), [StreamState::Ok, StreamState::Offline]);
    assert!(states[1].1.contains("ended"), "{}", states[1].1);
    assert!(!media.decoding_is_stuck());
}

#[tokio::test]
async fn probe_tells_what_an_installer_needs() {
    let options = ["--user", "prober", "--password", "secret", "--scheme", "digest"];
    let server = CameraServer::start(&[("h265", clips::h265(), 10)], &options);
    let ledger = Arc::new(MemoryAuthLedger::default());
    let source = rtsp_as(server.url("h265"), "prober", "secret");
    let found = probe(source, Duration::from_secs(10), hasty(), Arc::new(SystemClock::new()), ledger).await.unwrap();
    assert_eq!((found.info.codec.as_str(), found.info.width, found.info.height), ("h265", 320, 240));
    assert!((found.info.frame_rate.unwrap() - 10.0).abs() < 2.0);
    assert!((found.info.keyframe_s.unwrap() - 1.0).abs() < 0.4);
    assert_eq!(found.transport, Some(Transport::Tcp));
    assert_eq!(found.authentication, Some(Authentication::Digest));
    assert_eq!(found.suggested_decode, DecodeMode::Keyframes);
    assert_picture(&found.snapshot, 320, 240);
}
