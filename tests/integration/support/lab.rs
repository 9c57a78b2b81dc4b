//! What the scene lab draws for the tests, the model that looks at it, and the demo's configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The stories; all but the last one are named after the kind that they show.
pub(crate) const SCENES: [&str; 4] = ["encroachment", "dumping", "crowding", "quiet"];
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

/// The manifest of the detector that was trained on the lab's pictures.
pub(crate) fn model() -> PathBuf {
    root().join("models/street-n.toml")
}

/// Runs a script of the lab to its end; it draws only what is missing or would be drawn otherwise by now.
pub(crate) fn draw(arguments: &[&str], out: &Path) {
    let python = root().join(".cache/lab/venv/bin/python");
    assert!(python.exists(), "the scene lab is not set up: run scripts/setup --lab");
    let done = Command::new(python)
        .current_dir(root())
        .args(arguments)
        .arg("--out")
        .arg(out)
        // Of the rasteriser: each worker takes one core.
        .env("LP_NUM_THREADS", "0")
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "the lab could not draw {arguments:?}");
}

/// Folder of the four scenes of the demo, the same that `scripts/demo` shows.
pub(crate) fn scenes() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = root().join(".cache/lab/demo");
        draw(&["lab/demo.py"], &folder);
        folder
    })
}

/// The pictures of one of them: a stream that can be repeated for ever.
pub(crate) fn clip(scene: &str) -> PathBuf {
    let named = |extension: &str| scenes().join(scene).join("pictures").with_extension(extension);
    ["h264", "h265"].map(named).into_iter().find(|clip| clip.exists()).expect("a scene has pictures")
}

/// Mounts of all clips for the camera server.
pub(crate) fn mounts() -> Vec<(&'static str, PathBuf, u32)> {
    SCENES.iter().map(|scene| (*scene, clip(scene), FPS)).collect()
}

/// The demo's configuration as text.
pub(crate) fn configuration(folder: &Path, rtsp_port: u16, mqtt_port: u16) -> String {
    let file = folder.join("demo.toml");
    let done = Command::new(root().join("scripts/demo-configuration"))
        .args(["--rtsp-port", &rtsp_port.to_string(), "--mqtt-port", &mqtt_port.to_string(), "--scenes"])
        .arg(scenes())
        .arg("--output")
        .arg(&file)
        .arg("--runtime")
        .arg(runtime_library())
        .arg("--model")
        .arg(model())
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "the configuration could not be written");
    std::fs::read_to_string(file).unwrap()
}
