//! The test card: rendered clips, its model, and the demo's configuration for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The stories; all but the last one are named after the kind that they show.
pub(crate) const SCENES: [&str; 4] = ["encroachment", "dumping", "crowding", "quiet"];
/// Small, so that four clips cost little beside everything else that a test run does.
const SIZE: &str = "640x360";
const FPS: u32 = 25;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The ONNX Runtime library; nothing of the chain can be shown without it.
pub(crate) fn runtime_library() -> PathBuf {
    let kept = || root().join(".cache/onnxruntime/libonnxruntime.so");
    let library = std::env::var_os("GRIDWATCH_ORT").map_or_else(kept, PathBuf::from);
    assert!(
        library.exists(),
        "no ONNX Runtime at {}: run scripts/setup-onnxruntime, or set GRIDWATCH_ORT to the library",
        library.display()
    );
    library
}

/// Folder of the clips `SCENE.h264`; kept in the build folder until the renderer changes.
pub(crate) fn clips() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("testcard");
        if !is_current(&folder) {
            let partial = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("testcard-{}", std::process::id()));
            std::fs::create_dir_all(&partial).unwrap();
            render(&partial);
            drop(std::fs::remove_dir_all(&folder));
            std::fs::rename(&partial, &folder).unwrap();
        }
        folder
    })
}

fn is_current(folder: &Path) -> bool {
    let modified = |path: PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let oldest = SCENES.iter().map(|scene| modified(folder.join(format!("{scene}.h264.json")))).min().flatten();
    let sources = ["figures.py", "render.py", "scenes.py"].map(|name| root().join("scripts/testcard").join(name));
    let newest = sources.into_iter().filter_map(modified).max().unwrap_or(SystemTime::UNIX_EPOCH);
    oldest.is_some_and(|oldest| oldest > newest)
}

fn render(folder: &Path) {
    let children = SCENES.map(|scene| {
        Command::new(root().join("scripts/testcard/render.py"))
            .args(["--size", SIZE, "--scene", scene, "--output"])
            .arg(folder.join(format!("{scene}.h264")))
            .stdout(Stdio::null())
            .spawn()
            .expect("the distribution's python3 with numpy is installed")
    });
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a clip could not be rendered");
    }
}

/// Mounts of all clips for the camera server.
pub(crate) fn mounts() -> Vec<(&'static str, PathBuf, u32)> {
    SCENES.iter().map(|scene| (*scene, clips().join(format!("{scene}.h264")), FPS)).collect()
}

/// The demo's configuration as text.
pub(crate) fn configuration(folder: &Path, rtsp_port: u16, mqtt_port: u16) -> String {
    let file = folder.join("demo.toml");
    let done = Command::new(root().join("scripts/testcard/configure.py"))
        .args(["--rtsp-port", &rtsp_port.to_string(), "--mqtt-port", &mqtt_port.to_string(), "--clips"])
        .arg(clips())
        .arg("--output")
        .arg(&file)
        .arg("--runtime")
        .arg(runtime_library())
        .arg("--model")
        .arg(root().join("models/testcard.toml"))
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "the configuration could not be written");
    std::fs::read_to_string(file).unwrap()
}
