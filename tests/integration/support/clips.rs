//! Clips made with ffmpeg, once per test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Folder of all clips, within the build folder: every run makes its clips anew, and replaces those of
/// the run before.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A clip named `name` made by ffmpeg from a moving test picture.
pub(crate) fn make(name: &str, size: &str, fps: u32, seconds: u32, encode: &[&str]) -> PathBuf {
    let path = folder().join(name);
    let partial = folder().join(format!("partial-{}-{name}", std::process::id()));
    let source = format!("testsrc2=size={size}:rate={fps}");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &source, "-t", &seconds.to_string()])
        .args(encode)
        .arg(&partial)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success(), "ffmpeg could not make {name}");
    std::fs::rename(&partial, &path).unwrap();
    path
}

macro_rules! clip {
    ($(#[$doc:meta])* $fn:ident, $name:literal, $size:literal, $fps:literal, $seconds:literal, $($encode:literal),+) => {
        $(#[$doc])*
        pub(crate) fn $fn() -> &'static Path {
            static CLIP: OnceLock<PathBuf> = OnceLock::new();
            CLIP.get_or_init(|| make($name, $size, $fps, $seconds, &[$($encode),+]))
        }
    };
}

clip!(
    /// A keyframe each second, no B-frames.
    h264, "plain.h264", "320x240", 10, 10,
    "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10", "-bf", "0"
);
clip!(
    /// Closed groups: every keyframe is an IDR.
    h265, "plain.h265", "320x240", 10, 10,
    "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
    "-x265-params", "log-level=none:bframes=0:keyint=10:min-keyint=10:open-gop=0:scenecut=0"
);
clip!(
    /// One IDR, then CRA pictures each second.
    h265_open_gop, "open.h265", "320x240", 10, 30,
    "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
    "-x265-params", "log-level=none:bframes=0:keyint=10:min-keyint=5:open-gop=1:scenecut=0"
);
clip!(
    /// Three B-frames in a row and a keyframe every two seconds.
    h264_b_frames, "b.mp4", "320x240", 10, 6,
    "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "20", "-bf", "3", "-b_strategy", "0",
    "-sc_threshold", "0"
);
clip!(
    /// The only keyframe is the first.
    h264_long_gop, "long.h264", "320x240", 10, 60,
    "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "6000", "-keyint_min", "6000", "-bf", "0"
);
clip!(
    h265_ten_bit,
    "ten.h265",
    "320x240",
    10,
    3,
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p10le",
    "-x265-params",
    "log-level=none:bframes=0:keyint=10"
);
clip!(mpeg2, "old.mpg", "352x288", 25, 2, "-c:v", "mpeg2video", "-g", "12", "-bf", "2");
clip!(vp8, "web.webm", "160x120", 10, 1, "-c:v", "libvpx");

/// A copy of `clip` with one byte in `every` flipped, its first `spare` bytes left alone.
pub(crate) fn corrupted(clip: &Path, name: &str, every: usize, spare: usize) -> PathBuf {
    let mut bytes = std::fs::read(clip).unwrap();
    for (index, byte) in bytes.iter_mut().enumerate().skip(spare) {
        if index % every == 0 {
            *byte ^= u8::try_from(index * 7 % 255).unwrap() | 1;
        }
    }
    let path = folder().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
