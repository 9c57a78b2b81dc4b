//! Finding the secrets that the configuration refers to.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::environment::{Environment, ProcessEnvironment};
use super::model::{Config, Delivery, Secret, SecretRef, Source};

/// Private keys with their chain stay far below it.
const MAX_BYTES: u64 = 64 << 10;

/// Why a secret could not be had. Names where it was looked for, never its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not started by systemd with `LoadCredential=`.
    #[error(
        "credential `{0}`: systemd has passed no credentials; add LoadCredential={0}:… to the unit, or refer to a file"
    )]
    NoCredentials(String),
    /// The variable is not set or empty.
    #[error("environment variable `{0}` is not set")]
    NoVariable(String),
    /// A file that is missing, unreadable, or no text.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SecretRef {
    /// The secret itself, read now: from the file, the environment, or systemd's credentials.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_in(&ProcessEnvironment)
    }

    /// As `resolve`, in another environment.
    pub fn resolve_in(&self, environment: &dyn Environment) -> Result<Secret, SecretError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read(path),
            Self::Env(name) => {
                environment.var(name).map(Secret::new).ok_or_else(|| SecretError::NoVariable(name.clone()))
            }
            Self::Credential(name) => {
                let folder = environment.var("CREDENTIALS_DIRECTORY");
                let folder = folder.ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                read(&Path::new(&folder).join(name))
            }
        }
    }

    /// A warning if everybody on the machine can read the secret's file.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o007 != 0).then(|| format!("{} can be read by everybody; run `chmod o= {0}`", path.display()))
    }
}

impl Config {
    /// Every secret that the configuration refers to, with its use in words.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, &SecretRef)> {
        let mut secrets = Vec::new();
        if let Delivery::Mqtt(mqtt) = &self.delivery {
            let key = mqtt.tls.as_ref().and_then(|tls| tls.client_key.as_ref());
            secrets.extend(mqtt.password.iter().map(|secret| ("password of the broker".to_owned(), secret)));
            secrets.extend(key.map(|secret| ("client key of the broker".to_owned(), secret)));
        }
        for camera in &self.cameras {
            if let Source::Rtsp(source) = &camera.source {
                let what = || format!("password of camera {}", camera.id);
                secrets.extend(source.password.iter().map(|secret| (what(), secret)));
            }
        }
        secrets
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential `{name}`"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::Inline(_) => f.write_str("the configuration itself"),
        }
    }
}

fn read(path: &Path) -> Result<Secret, SecretError> {
    let failed = |reason: String| SecretError::File { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed("is too large for a secret".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text".to_owned()))?;
    // Editors and `echo` end a file with a newline that is not part of the secret.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(failed("is empty".to_owned()));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_reference_is_followed_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "CANARY\r\n").expect("written");
        let environment = BTreeMap::from([
            ("CREDENTIALS_DIRECTORY".to_owned(), folder.path().display().to_string()),
            ("CAMERA_PASSWORD".to_owned(), "CANARY".to_owned()),
        ]);
        let references = [
            SecretRef::File(file),
            SecretRef::Credential("password".to_owned()),
            SecretRef::Env("CAMERA_PASSWORD".to_owned()),
            SecretRef::Inline(Secret::new("CANARY".to_owned())),
        ];
        for reference in references {
            let secret = reference.resolve_in(&environment).expect("found");
            assert_eq!(secret.expose(), "CANARY");
            assert!(!format!("{secret:?} {reference:?} {reference}").contains("CANARY"));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = BTreeMap::new();
        let message = |reference: SecretRef| reference.resolve_in(&nothing).unwrap_err().to_string();
        assert!(message(SecretRef::Credential("mqtt".to_owned())).contains("LoadCredential=mqtt:"));
        assert!(message(SecretRef::Env("NOT_SET".to_owned())).contains("`NOT_SET` is not set"));
        assert!(message(SecretRef::File("/nowhere/secret".into())).starts_with("/nowhere/secret: "));
    }

    #[test]
    fn a_file_open_to_everybody_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "x").expect("written");
        let reference = SecretRef::File(file.clone());
        for (mode, noticed) in [(0o640, false), (0o644, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(reference.exposure().is_some(), noticed);
        }
    }
}
