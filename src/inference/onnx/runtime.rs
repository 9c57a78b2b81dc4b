//! The library itself: loaded once per process, never unloaded.

use std::fs::File;
use std::io::Read;
use std::panic::AssertUnwindSafe;
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
    /// failed call another path may be tried, unless the library pretended to be of a version that it is not.
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
        let environment = without_panic(|| environment(&found)).map_err(unsuitable)?;
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

fn environment(library: &Path) -> Result<Environment, String> {
    let builder = ort::init_from(library).map_err(|error| in_words(&error))?;
    let builder = builder.with_name("gridwatch").with_telemetry(false);
    builder.build().map_err(|error| error.message().to_owned())
}

/// The binding panics on a library that gives nothing where it has to give its interface. Its words for that
/// are not for people, and nobody else can panic meanwhile whose words would be missed for long: the program
/// has only begun.
fn without_panic<T>(load: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(AssertUnwindSafe(load));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(format!("it does not offer the interface of version 1.{}", ort::MINOR_VERSION)))
}

fn version(library: &Path, build_info: &str) -> String {
    let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.split_once(".so.").map(|(_, number)| number.to_owned());
    let commit = || build_info.split(", ").find_map(|part| part.strip_prefix("git-commit-id=")).map(str::to_owned);
    number.or_else(commit).filter(|version| version.len() <= 32).unwrap_or_else(|| "unknown".to_owned())
}

/// Text instead of a library is the commonest mistake (a Git LFS pointer, an error page); the loader's
/// own words for it help nobody. Of half a library it has no words at all: the process dies of a bus error.
fn require_elf(path: &Path) -> Result<(), String> {
    let mut header = [0; ELF_HEADER_BYTES];
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let read = file.read_exact(&mut header);
    if read.is_err() || header[..4] != *b"\x7fELF" {
        return Err("not a shared library".to_owned());
    }
    if length < elf_length(&header) {
        return Err("the file is cut off: download it again".to_owned());
    }
    Ok(())
}

const ELF_HEADER_BYTES: usize = 64;

/// How long the file of this header has to be: linkers put the table of sections at its end. Of 64-bit
/// little-endian files; the loader refuses others.
fn elf_length(header: &[u8; ELF_HEADER_BYTES]) -> u64 {
    let short = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let table = u64::from_le_bytes(std::array::from_fn(|index| header[0x28 + index]));
    table.saturating_add(short(0x3a) * short(0x3c))
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
