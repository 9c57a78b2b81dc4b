//! What an installer is told about an inference runtime that does not do. Each library is loaded by a process
//! of its own, because one process takes only one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Enough of ONNX Runtime's entry point for a loader to ask for its version and its interface.
const STUB: &str = r"
struct base { const void *(*get_api)(unsigned); const char *(*get_version)(void); };
static const void *get_api(unsigned version) { (void)version; return 0; }
static const char *get_version(void) { return VERSION; }
static const struct base base = { get_api, get_version };
const struct base *OrtGetApiBase(void) { return HAS_BASE ? &base : 0; }
";
/// The version that this program was built for.
const WANTED: &str = "version 1.24 or newer";

fn library(folder: &Path, source: &str, defines: &[&str]) -> PathBuf {
    let (code, library) = (folder.join("stub.c"), folder.join("libonnxruntime.so"));
    std::fs::write(&code, source).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args(defines).arg(&code).status();
    assert!(compiled.expect("a C compiler is installed").success());
    library
}

/// The one line that `check --models` says about a configuration with this runtime, without its beginning.
fn verdict(folder: &Path, library: &Path) -> String {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/example.toml")).unwrap();
    let key = "runtime_library = \"";
    let start = example.find(key).expect("the example shows the key");
    let end = start + example[start..].find('\n').unwrap();
    let text = format!("{}runtime_library = \"{}\"{}", &example[..start], library.display(), &example[end..]);
    let file = folder.join("config.toml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gridwatch"))
        .args(["check", "--models", "--config"])
        .arg(&file)
        .env_remove("GRIDWATCH_LOG")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(4), ""), "{stdout}");
    let failed: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix("failed: models: ")).collect();
    let [only] = failed[..] else { panic!("{stdout}") };
    (*only).to_owned()
}

fn assert_unsuitable(library: &Path, verdict: &str, reason: &str) {
    let path = library.display();
    assert!(verdict.starts_with(&format!("{path} is not a usable ONNX Runtime ({reason}")), "{verdict}");
    assert!(verdict.ends_with(&format!("libonnxruntime.so of {WANTED}")), "{verdict}");
}

#[test]
fn a_runtime_that_is_too_old_is_named_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), STUB, &["-DVERSION=\"1.16.3\"", "-DHAS_BASE=1"]);
    assert_unsuitable(&library, &verdict(folder.path(), &library), "its version is 1.16.3, too old)");
}

#[test]
fn a_runtime_without_the_interface_it_should_have_is_refused() {
    for defines in [["-DVERSION=\"1.99.0\"", "-DHAS_BASE=1"], ["-DVERSION=\"1.24.0\"", "-DHAS_BASE=0"]] {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path(), STUB, &defines);
        let reason = "it does not offer the interface of version 1.24)";
        assert_unsuitable(&library, &verdict(folder.path(), &library), reason);
    }
}

#[test]
fn another_library_is_not_taken_for_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), "int nothing;", &[]);
    assert_unsuitable(&library, &verdict(folder.path(), &library), "it is another library)");
}

#[test]
fn a_library_of_a_half_download_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), STUB, &["-DVERSION=\"1.24.0\"", "-DHAS_BASE=1"]);
    let bytes = std::fs::read(&library).unwrap();
    std::fs::write(&library, &bytes[..bytes.len() / 2]).unwrap();
    assert_unsuitable(&library, &verdict(folder.path(), &library), "the file is cut off: download it again)");
}

#[test]
fn text_and_nothing_are_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    let missing = verdict(folder.path(), &library);
    assert!(missing.starts_with("ONNX Runtime is missing: there is no file "), "{missing}");
    assert!(missing.contains(library.to_str().unwrap()) && missing.ends_with(WANTED), "{missing}");
    std::fs::write(&library, "version https://git-lfs.github.com/spec/v1\n").unwrap();
    assert_unsuitable(&library, &verdict(folder.path(), &library), "not a shared library)");
    std::fs::write(&library, "").unwrap();
    assert_unsuitable(&library, &verdict(folder.path(), &library), "not a shared library)");
}
