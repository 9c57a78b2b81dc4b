//! `gridwatch verify-event`.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Exit, UsageError, output};
use crate::contract::signature::{PublicKeyNote, SigningNote};
use crate::signing::{Anchor, PublicKey, Verdict, verify};

/// An event is shorter than this.
const MOST_BYTES: u64 = 4 << 20;

/// Arguments of `verify-event`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch verify-event 1.json --info gw-0007.json\n  \
                  gridwatch verify-event received.json --pictures pictures --key 'fQh5…='")]
pub struct VerifyEventArgs {
    /// The event: a file of a spool directory, a message as received, or the event as a database gives it back; `-`
    /// reads standard input
    #[arg(value_name = "FILE")]
    pub event: PathBuf,
    /// Folder with the pictures, `e1.jpg` and so on; every picture must be there then [default: the event's own folder,
    /// where pictures may be missing]
    #[arg(long, value_name = "FOLDER")]
    pub pictures: Option<PathBuf>,
    /// The gateway's public key as the platform has kept it: base64, or a file with it in base64 or PEM
    #[arg(long, value_name = "PUBLIC_KEY", required_unless_present = "info")]
    pub key: Option<String>,
    /// The gateway's `info` message, or what `gridwatch keys show` printed. Believed as a whole; with --key, only those
    /// keys in it that this key vouches for
    #[arg(long, value_name = "FILE")]
    pub info: Option<PathBuf>,
}

/// Runs the command.
pub fn execute(args: &VerifyEventArgs) -> anyhow::Result<Exit> {
    let anchor = anchor(args)?;
    let text = read(&args.event)?;
    let event: Value = serde_json::from_slice(&text).with_context(|| format!("{}: not JSON", args.event.display()))?;
    if event.get("data").and_then(|data| data.get("event_id")).is_none() {
        anyhow::bail!("{}: not an event of gridwatch: `data.event_id` is missing", args.event.display());
    }
    let say = |line: String| output::line(&output::plain(&line));
    for line in about(&event) {
        say(line)?;
    }
    let verdict = verify(&event, &anchor);
    say(format!("signature: {}", words(&verdict)))?;
    let mut holds = matches!(verdict, Verdict::Good { .. });
    let beside = args.event.parent().map(Path::to_owned).filter(|_| args.event != Path::new("-"));
    let folder = args.pictures.clone().or(beside);
    for (name, found) in pictures(&event, folder.as_deref()) {
        say(format!("picture {name}: {}", found.words()))?;
        holds &= found == Found::Same || found == Found::Missing && args.pictures.is_none();
    }
    say(if holds { "holds".to_owned() } else { "DOES NOT HOLD".to_owned() })?;
    Ok(if holds { Exit::Success } else { Exit::CheckFailed })
}

fn anchor(args: &VerifyEventArgs) -> anyhow::Result<Anchor> {
    let key = args.key.as_deref().map(public_key).transpose()?;
    let note = args.info.as_deref().map(signing_note).transpose()?;
    match (key, note) {
        (Some(key), None) => Ok(Anchor::key(key)),
        (None, Some(note)) => Ok(Anchor::info(&note)?),
        (Some(key), Some(note)) => Ok(Anchor::chain(key, &note)?),
        (None, None) => Err(UsageError("--key or --info is needed".to_owned()).into()),
    }
}

fn public_key(given: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = PublicKey::from_base64(given) {
        return Ok(key);
    }
    let text =
        fs::read_to_string(given).with_context(|| format!("--key {given}: neither a key in base64 nor a file"))?;
    PublicKey::parse(&text).with_context(|| given.to_owned())
}

/// From an `info` message, or from its part that tells of keys.
fn signing_note(path: &Path) -> anyhow::Result<SigningNote> {
    let at = || path.display().to_string();
    let told: Value = serde_json::from_slice(&read(path)?).with_context(|| format!("{}: not JSON", at()))?;
    let note = if told.get("keys").is_some() { Some(&told) } else { told.get("signing") };
    let note = note.with_context(|| format!("{}: tells of no signing key", at()))?;
    serde_json::from_value(note.clone()).with_context(|| format!("{}: does not tell keys as the contract does", at()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let at = || path.display().to_string();
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).with_context(at)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    };
    if read.with_context(at)? as u64 > MOST_BYTES {
        anyhow::bail!("{}: longer than any event", at());
    }
    Ok(bytes)
}

/// What the signature covers, as far as a reader asks for it first.
fn about(event: &Value) -> Vec<String> {
    let text = |path: &str| match event.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "not said".to_owned(),
    };
    let clock = match event.pointer("/data/clock/synced").and_then(Value::as_bool) {
        Some(true) => "was synchronised".to_owned(),
        Some(false) => format!(
            "was NOT synchronised: the times are the box's own (boot {}, {} ms after it began)",
            text("/data/clock/boot_id"),
            text("/data/clock/uptime_ms")
        ),
        None => "nothing is said of it".to_owned(),
    };
    vec![
        format!(
            "event {}, revision {}, {}: {}",
            text("/data/event_id"),
            text("/data/revision"),
            text("/data/phase"),
            text("/data/kind")
        ),
        format!(
            "from: {}, camera {}, first seen {}",
            text("/source"),
            text("/data/camera/id"),
            text("/data/times/first_seen")
        ),
        format!("clock: {clock}"),
        format!(
            "model: {} {}, SHA-256 {}",
            text("/data/model/name"),
            text("/data/model/version"),
            text("/data/model/sha256")
        ),
        format!("configuration: SHA-256 {}", text("/data/config/sha256")),
    ]
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good { key_id, told } => {
            let lived = told.as_ref().map(|PublicKeyNote { since, until, .. }| {
                format!(
                    " (signs since {since}{})",
                    until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default()
                )
            });
            format!("good, by key {key_id}{}", lived.unwrap_or_default())
        }
        Verdict::Bad { key_id } => {
            format!("BAD: key {key_id} did not sign this; the event was changed, or the signature made up")
        }
        Verdict::UnknownKey { key_id } => {
            format!("by key {key_id}, which is not among the keys given; nothing can be said of it")
        }
        Verdict::OtherGateway { key_id, gateway } => {
            format!("by key {key_id}, which belongs to {gateway} and not to the gateway that the event names")
        }
        Verdict::Unsigned => "none: the event is not signed, anybody may have written it".to_owned(),
    }
}

/// What became of the comparison of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Same,
    Other,
    Missing,
    Unreadable,
}

impl Found {
    fn words(self) -> &'static str {
        match self {
            Self::Same => "is the one that the event names",
            Self::Other => "is ANOTHER one than the event names: its SHA-256 differs",
            Self::Missing => "is not here, and was not looked at",
            Self::Unreadable => "CANNOT be read",
        }
    }
}

/// Every picture that the event names, by the name of its file.
fn pictures(event: &Value, folder: Option<&Path>) -> Vec<(String, Found)> {
    let listed = event.pointer("/data/evidence").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entries = listed.iter().map(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        // The name comes from a file that anybody may have written: it must not lead out of the folder.
        let id: String = text("id").chars().filter(char::is_ascii_alphanumeric).collect();
        let file = format!("{id}.{}", if text("media_type") == "image/jpeg" { "jpg" } else { "age" });
        let found = folder.map_or(Found::Missing, |folder| compare(&folder.join(&file), text("sha256")));
        (file, found)
    });
    entries.collect()
}

fn compare(path: &Path, sha256: &str) -> Found {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Found::Missing,
        Err(_) => Found::Unreadable,
        Ok(bytes) => {
            let digest = Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            if digest == sha256 { Found::Same } else { Found::Other }
        }
    }
}
