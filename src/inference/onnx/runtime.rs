//! The library itself: loaded once per process, never unloaded.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::LoadError;

/// A loaded ONNX Runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    path: PathBuf,
    pub(super) environment: Environment,
}

/// The runtime allows one environment per process, and dropping it would forbid another.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library at `path`. A second call with the same path gives the same runtime; after a
    /// failed call another path may be tried.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        if !path.is_file() {
            return Err(LoadError::RuntimeMissing { path: path.to_owned() });
        }
        let unsuitable = |reason: String| LoadError::RuntimeUnsuitable { path: path.to_owned(), reason };
        // Absolute, because the binding looks for relative paths beside the executable.
        let found = path.canonicalize().map_err(|error| unsuitable(error.to_string()))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return if runtime.path == found {
                Ok(runtime.clone())
            } else {
                Err(LoadError::RuntimeChanged { loaded: runtime.path.clone(), path: found })
            };
        }
        require_elf(&found).map_err(unsuitable)?;
        let builder = ort::init_from(&found).map_err(|error| unsuitable(in_words(&error)))?;
        let environment = builder
            .with_name("gridwatch")
            .with_telemetry(false)
            .build()
            .map_err(|error| unsuitable(error.message().to_owned()))?;
        environment.set_log_level(LogLevel::Error);
        Ok(loaded.insert(Self { path: found, environment }).clone())
    }

    /// The library, with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Such as `1.24.1`, from the file's name; a library without one tells the commit it was built from.
    #[must_use]
    pub fn version(&self) -> String {
        version(&self.path, ort::info())
    }
}

fn version(library: &Path, build_info: &str) -> String {
    let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.split_once(".so.").map(|(_, number)| number.to_owned());
    let commit = || build_info.split(", ").find_map(|part| part.strip_prefix("git-commit-id=")).map(str::to_owned);
    number.or_else(commit).filter(|version| version.len() <= 32).unwrap_or_else(|| "unknown".to_owned())
}

/// Text instead of a library is the commonest mistake (a Git LFS pointer, an error page); the loader's
/// own words for it help nobody.
fn require_elf(path: &Path) -> Result<(), String> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Ok(()) if magic == *b"\x7fELF" => Ok(()),
        Ok(()) => Err("not a shared library".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn in_words(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::Dlopen { error, .. } => error.to_string(),
        ort::LoadDynamicError::MissingApi { .. } => "it is another library".to_owned(),
        ort::LoadDynamicError::InvalidVersionString => "its version is not readable".to_owned(),
        ort::LoadDynamicError::BadVersion { version_str, .. } => format!("its version is {version_str}, too old"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_short() {
        let info = "ORT Build Info: git-branch=HEAD, git-commit-id=fab30a4, build type=Release";
        assert_eq!(version(Path::new("/lib/libonnxruntime.so.1.24.1"), info), "1.24.1");
        assert_eq!(version(Path::new("/lib/libonnxruntime.so"), info), "fab30a4");
        assert_eq!(version(Path::new("/lib/libonnxruntime.so"), ""), "unknown");
    }
}
