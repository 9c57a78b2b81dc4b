//! The signing key of this gateway: made at the first start, changed when somebody asks for it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{KeyError, PublicKey, files};
use crate::contract::signature::{ALGORITHM, PublicKeyNote, Signature, Signer, SigningNote};

const FOLDER: &str = "keys";
const INDEX: &str = "signing.json";

/// The keys of a state directory. A change made by another process (`gridwatch keys rotate-signing`) is seen at the next
/// signature.
pub struct SigningKeys {
    folder: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    pair: Ed25519KeyPair,
    note: SigningNote,
    /// Of the index when it was read.
    read_at: Option<(SystemTime, u64)>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Opens the keys below `state_dir`; makes the first one if there is none. `gateway` is the `source` of its events,
    /// `now` the moment in the contract's form. A damaged key is replaced, and that is said: a box that did not start for
    /// it would report nothing at all.
    pub fn open_or_make(state_dir: &Path, gateway: &str, now: &str) -> Result<Self, KeyError> {
        let damage = match Self::open(state_dir) {
            Err(KeyError::Missing(_)) => None,
            Err(damage @ KeyError::Damaged { .. }) => Some(damage),
            opened => return opened,
        };
        let folder = state_dir.join(FOLDER);
        let lock = files::lock(&folder)?;
        // Another process may have made it while this one waited.
        if damage.is_some() || files::read(&folder.join(INDEX))?.is_none() {
            let (seed, first) = new_key(gateway, now)?;
            // Public keys that can still be read are told on: events of before were signed with them.
            let mut note = index(&folder).ok().flatten().unwrap_or_default();
            if let Some(damage) = damage {
                tracing::error!(error = %damage, key = first.id, "the signing key is replaced; the platform has to be told");
            }
            note.follow(first, now);
            store(&folder, &seed, &note)?;
        }
        drop(lock);
        Self::open(state_dir)
    }

    /// Opens the keys below `state_dir`, and makes none.
    pub fn open(state_dir: &Path) -> Result<Self, KeyError> {
        let folder = state_dir.join(FOLDER);
        let held = Held::read(&folder)?.ok_or_else(|| KeyError::Missing(folder.clone()))?;
        Ok(Self { folder, held: Mutex::new(held) })
    }

    /// A new key takes over: the one of before vouches for it, and its private half is deleted. Returns what is told from
    /// now on.
    pub fn rotate(state_dir: &Path, gateway: &str, now: &str) -> Result<SigningNote, KeyError> {
        let folder = state_dir.join(FOLDER);
        let missing = || KeyError::Missing(folder.clone());
        if !folder.exists() {
            return Err(missing());
        }
        let _lock = files::lock(&folder)?;
        let Held { pair, mut note, .. } = Held::read(&folder)?.ok_or_else(missing)?;
        let (seed, mut next) = new_key(gateway, now)?;
        next.previous = Some(note.current.clone());
        next.endorsement = Some(STANDARD.encode(pair.sign(&next.endorsed_bytes())));
        note.follow(next, now);
        store(&folder, &seed, &note)?;
        Ok(note)
    }

    /// Public keys, to be told in `info`.
    #[must_use]
    pub fn note(&self) -> SigningNote {
        self.with_current(|held| held.note.clone())
    }

    fn with_current<T>(&self, work: impl FnOnce(&Held) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp(&self.folder) != held.read_at {
            match Held::read(&self.folder) {
                Ok(Some(newer)) => {
                    tracing::info!(key = newer.note.current, "events are signed with another key from now on");
                    *held = newer;
                }
                Ok(None) => {
                    tracing::error!(folder = %self.folder.display(), "the signing key was removed; it is used until the next start");
                }
                Err(error) => tracing::error!(%error, "the signing key cannot be read anew; the one of before is used"),
            }
            // Said once, not at every signature.
            held.read_at = stamp(&self.folder);
        }
        work(&held)
    }
}

impl Signer for SigningKeys {
    fn sign(&self, message: &dyn Fn(&str) -> Vec<u8>) -> Signature {
        self.with_current(|held| {
            let key_id = held.note.current.clone();
            let value = STANDARD.encode(held.pair.sign(&message(&key_id)));
            Signature { key_id, value }
        })
    }
}

impl Held {
    /// `None` without an index.
    fn read(folder: &Path) -> Result<Option<Self>, KeyError> {
        let read_at = stamp(folder);
        let Some(note) = index(folder)? else { return Ok(None) };
        let current = note.keys.iter().find(|key| key.id == note.current);
        let current =
            current.ok_or_else(|| KeyError::damaged(folder.join(INDEX), &"the key that signs is not listed"))?;
        let path = folder.join(format!("{}.pem", note.current));
        let pem = files::read(&path)?.ok_or_else(|| KeyError::damaged(&path, &"the private key is missing"))?;
        let seed = files::from_pem(&pem).ok_or_else(|| KeyError::damaged(&path, &"holds no Ed25519 key in PEM"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| KeyError::damaged(&path, &"holds no Ed25519 key"))?;
        let belongs = PublicKey::from_base64(&current.public_key)
            .is_ok_and(|public| public.bytes() == pair.public_key().as_ref());
        if !belongs {
            return Err(KeyError::damaged(&path, &"is not the key that the list names"));
        }
        Ok(Some(Self { pair, note, read_at }))
    }
}

/// The list of public keys; `None` without one.
fn index(folder: &Path) -> Result<Option<SigningNote>, KeyError> {
    let path = folder.join(INDEX);
    let Some(text) = files::read(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| KeyError::damaged(&path, &error))
}

/// Private key first, the list second, the old private key last.
fn store(folder: &Path, seed: &[u8; 32], note: &SigningNote) -> Result<(), KeyError> {
    files::write(folder, &format!("{}.pem", note.current), files::to_pem(seed).as_bytes())?;
    let mut text = serde_json::to_vec_pretty(note).map_err(|error| KeyError::damaged(folder.join(INDEX), &error))?;
    text.push(b'\n');
    files::write(folder, INDEX, &text)?;
    files::remove_others(folder, &note.current)
}

fn new_key(gateway: &str, now: &str) -> Result<([u8; 32], PublicKeyNote), KeyError> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::NoRandomness)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::NoRandomness)?;
    let public = PublicKey::from_bytes(pair.public_key().as_ref())?;
    let note = PublicKeyNote {
        id: public.id(),
        algorithm: ALGORITHM.to_owned(),
        public_key: public.to_base64(),
        gateway: gateway.to_owned(),
        since: now.to_owned(),
        until: None,
        previous: None,
        endorsement: None,
    };
    Ok((seed, note))
}

/// Changes whenever the index is replaced.
fn stamp(folder: &Path) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let about = fs::metadata(folder.join(INDEX)).ok()?;
    Some((about.modified().ok()?, about.ino()))
}
