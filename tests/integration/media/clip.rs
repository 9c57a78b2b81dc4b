//! Clips: every decode mode, determinism, refusals.

use std::path::Path;
use std::time::Duration;

use gridwatch::config::DecodeMode;
use gridwatch::domain::camera::LookPlan;
use gridwatch::domain::{SignedDuration, Timestamp};
use gridwatch::media::clip::ClipSource;

use super::{assert_picture, camera, file, frame, next, now, plan, start};
use crate::support::clips;

fn looks(path: &Path, mode: DecodeMode, step_ms: i64, max_gap: Duration) -> Vec<(i64, Vec<u8>)> {
    let start = Timestamp::from_second(1_700_000_000).unwrap();
    let mut clip = ClipSource::open(path, start, mode).unwrap();
    let mut at = start;
    let mut frames = Vec::new();
    while let Some(frame) = clip.look(LookPlan { at, max_gap }) {
        assert_picture(&frame, clip.info().width, clip.info().height);
        assert!(frame.captured_at >= at);
        at = frame.captured_at + SignedDuration::from_millis(step_ms);
        let ms = i64::try_from(frame.captured_at.duration_since(start).as_millis()).unwrap();
        frames.push((ms, frame.y.clone()));
    }
    assert_eq!(clip.damaged(), 0);
    frames
}

fn times(frames: &[(i64, Vec<u8>)]) -> Vec<i64> {
    frames.iter().map(|(ms, _)| *ms).collect()
}

#[test]
fn same_clip_and_plans_give_the_same_frames() {
    let clip = clips::h264_b_frames();
    let second = Duration::from_secs(1);
    let every = looks(clip, DecodeMode::Continuous, 1, second);
    assert_eq!(every.len(), 60, "every picture of 6 s at 10 a second");
    assert_eq!(every, looks(clip, DecodeMode::Continuous, 1, second));
    assert_eq!(looks(clip, DecodeMode::Burst, 1, second), every);
}

#[test]
fn pictures_are_those_of_the_ffmpeg_program() {
    let clip = clips::h264_b_frames();
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i", clip.to_str().unwrap(), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .output()
        .unwrap();
    let (luma, all) = (320 * 240, 320 * 240 * 3 / 2);
    let reference: Vec<_> = output.stdout.chunks(all).map(|picture| picture[..luma].to_vec()).collect();
    let ours = looks(clip, DecodeMode::Continuous, 1, Duration::from_secs(1));
    assert!(ours.into_iter().map(|(_, luma)| luma).eq(reference));
}

#[test]
fn keyframes_come_out_in_spite_of_b_frames() {
    let clip = clips::h264_b_frames();
    let keyframes = looks(clip, DecodeMode::Keyframes, 1, Duration::from_secs(1));
    assert_eq!(times(&keyframes), [0, 2000, 4000]);
    let every = looks(clip, DecodeMode::Continuous, 1, Duration::from_secs(1));
    for (ms, luma) in &keyframes {
        assert!(every.contains(&(*ms, luma.clone())), "the keyframe at {ms} ms is that of the whole clip");
    }
}

#[test]
fn auto_decodes_between_keyframes_only_when_the_rules_need_it() {
    let clip = clips::h264_b_frames();
    assert_eq!(times(&looks(clip, DecodeMode::Auto, 500, Duration::from_secs(2))), [0, 2000, 4000]);
    let dense = times(&looks(clip, DecodeMode::Auto, 500, Duration::from_millis(500)));
    assert_eq!(dense, [0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 5500]);
}

#[test]
fn sparse_looks_leap_over_groups() {
    let frames = looks(clips::h264_b_frames(), DecodeMode::Burst, 2500, Duration::from_secs(1));
    assert_eq!(times(&frames), [0, 2500, 5000]);
}

#[test]
fn other_codecs_and_elementary_streams_are_read() {
    for clip in [clips::mpeg2(), clips::h265(), clips::h264()] {
        assert!(looks(clip, DecodeMode::Keyframes, 1, Duration::from_secs(1)).len() >= 3, "{}", clip.display());
    }
}

#[test]
fn refusals_name_the_clip() {
    let text = clips::corrupted(clips::h264(), "noise.mp4", 1, 0);
    for (clip, reason) in [
        (Path::new("nowhere.mp4"), "No such file"),
        (clips::vp8(), "VP8"),
        (clips::h265_ten_bit(), "8-bit"),
        (text.as_path(), ""),
    ] {
        let error = ClipSource::open(clip, Timestamp::UNIX_EPOCH, DecodeMode::Auto).unwrap_err().to_string();
        assert!(error.contains(clip.to_str().unwrap()) && error.contains(reason), "{error}");
    }
}

#[test]
fn a_corrupt_clip_ends_without_a_crash() {
    for (clip, name) in [(clips::h264(), "bad.h264"), (clips::h265(), "bad.h265"), (clips::h264_b_frames(), "bad.mp4")]
    {
        for every in [2003, 211, 37] {
            let bad = clips::corrupted(clip, &format!("{every}-{name}"), every, 4096);
            let Ok(mut clip) = ClipSource::open(&bad, Timestamp::UNIX_EPOCH, DecodeMode::Continuous) else { continue };
            let mut at = Timestamp::UNIX_EPOCH;
            while let Some(frame) = clip.look(LookPlan { at, max_gap: Duration::from_secs(1) }) {
                at = frame.captured_at;
            }
        }
    }
}

#[tokio::test]
async fn a_clip_plays_in_real_time_and_repeats() {
    let media = start(super::hasty());
    let mut source = media.watch(camera(file(clips::mpeg2(), true), DecodeMode::Continuous));
    let mut reports = Vec::new();
    let began = now();
    let mut last = began;
    // Two seconds of clip: the last look is in the second round.
    for seconds in [0.0, 0.5, 1.0, 2.5] {
        let at = began + SignedDuration::from_secs_f64(seconds);
        let frame = frame(&mut source, plan(at), &mut reports).await;
        assert!(frame.captured_at >= at && frame.captured_at >= last);
        last = frame.captured_at;
    }
    assert!(now().duration_since(began) >= SignedDuration::from_millis(2500), "as fast as a camera, not faster");
    assert!(media.stop(Duration::from_secs(3)).await);
    assert!(matches!(next(&mut source, plan(last)).await, gridwatch::media::boundary::SourceEvent::Ended));
}

#[test]
fn every_real_clip_gives_its_keyframes() {
    let Some(videos) = crate::support::data::folder("videos") else {
        eprintln!("skipped: every_real_clip_gives_its_keyframes: no shared data");
        return;
    };
    for entry in std::fs::read_dir(videos).unwrap() {
        let path = entry.unwrap().path();
        let mut clip = ClipSource::open(&path, Timestamp::UNIX_EPOCH, DecodeMode::Keyframes)
            .unwrap_or_else(|error| panic!("{error}"));
        let look = LookPlan { at: Timestamp::UNIX_EPOCH, max_gap: Duration::from_secs(2) };
        for _ in 0..2 {
            if let Some(frame) = clip.look(look) {
                assert_picture(&frame, clip.info().width, clip.info().height);
            }
        }
        assert_eq!(clip.damaged(), 0, "{}", path.display());
    }
}
