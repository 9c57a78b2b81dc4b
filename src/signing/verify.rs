//! Is it signed, by whom, and was nothing changed: for anybody who has an event and a public key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::KeyError;
use crate::contract::signature::{ALGORITHM, KEY_ID, PublicKeyNote, SIGNATURE, SigningNote, signed_bytes};

/// `SubjectPublicKeyInfo` (RFC 8410) of an Ed25519 key up to its 32 bytes.
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::NotAKey("32 bytes are expected"))
    }

    /// From base64 of its 32 bytes, as `info` tells it.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError::NotAKey("not base64"))?;
        Self::from_bytes(&bytes)
    }

    /// From base64, or from PEM as `openssl pkey -pubout` writes it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let Some((_, rest)) = text.split_once("-----BEGIN PUBLIC KEY-----") else { return Self::from_base64(text) };
        let body = rest.split("-----END").next().unwrap_or_default().split_whitespace().collect::<String>();
        let der = STANDARD.decode(body).map_err(|_| KeyError::NotAKey("the PEM holds no base64"))?;
        Self::from_bytes(
            der.strip_prefix(&SPKI_HEAD[..]).ok_or(KeyError::NotAKey("the PEM holds another kind of key"))?,
        )
    }

    /// Its name: the first 32 hexadecimal digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        Sha256::digest(self.0).iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// As `info` tells it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn verifies(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature).is_ok())
    }
}

/// The keys that somebody trusts.
#[derive(Debug, Clone, Default)]
pub struct Anchor {
    keys: Vec<(PublicKey, Option<PublicKeyNote>)>,
}

impl Anchor {
    /// One key, however it was come by.
    #[must_use]
    pub fn key(key: PublicKey) -> Self {
        Self { keys: vec![(key, None)] }
    }

    /// Everything that the gateway's `info` tells, taken as true.
    pub fn info(note: &SigningNote) -> Result<Self, KeyError> {
        let keys = note.keys.iter().map(|told| Ok((sound(told)?, Some(told.clone()))));
        Ok(Self { keys: keys.collect::<Result<_, KeyError>>()? })
    }

    /// One key, and of the keys that `info` tells those that it vouches for, directly or through others.
    pub fn chain(first: PublicKey, note: &SigningNote) -> Result<Self, KeyError> {
        let mut anchor = Self::key(first);
        // Whoever vouches stands before whom he vouches for.
        for told in &note.keys {
            let key = sound(told)?;
            if let Some(known) = anchor.keys.iter_mut().find(|(known, _)| *known == key) {
                known.1 = Some(told.clone());
            } else if anchor.vouches_for(told) {
                anchor.keys.push((key, Some(told.clone())));
            }
        }
        Ok(anchor)
    }

    fn vouches_for(&self, told: &PublicKeyNote) -> bool {
        let (Some(previous), Some(endorsement)) = (&told.previous, &told.endorsement) else { return false };
        let by = self.keys.iter().find(|(key, _)| key.id() == *previous);
        by.is_some_and(|(key, _)| key.verifies(&told.endorsed_bytes(), endorsement))
    }
}

fn sound(told: &PublicKeyNote) -> Result<PublicKey, KeyError> {
    let key = PublicKey::from_base64(&told.public_key)?;
    if told.algorithm != ALGORITHM {
        return Err(KeyError::NotAKey("another algorithm"));
    }
    if key.id() != told.id {
        return Err(KeyError::NotAKey("its id is another one"));
    }
    Ok(key)
}

/// What can be said of an event's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Signed with a trusted key, and not changed since.
    Good {
        /// Which.
        key_id: String,
        /// What `info` tells of it.
        told: Option<PublicKeyNote>,
    },
    /// The named key did not sign this: the event was changed, or the signature is made up.
    Bad {
        /// Which.
        key_id: String,
    },
    /// Signed by a key that is not trusted here.
    UnknownKey {
        /// Which.
        key_id: String,
    },
    /// Signed by a trusted key of another gateway than the event says.
    OtherGateway {
        /// Which.
        key_id: String,
        /// Whose it is.
        gateway: String,
    },
    /// Carries no signature.
    Unsigned,
}

/// Checks the signature of a whole envelope.
#[must_use]
pub fn verify(envelope: &Value, anchor: &Anchor) -> Verdict {
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    let (Some(key_id), Some(signature)) = (text(KEY_ID), text(SIGNATURE)) else { return Verdict::Unsigned };
    let key_id = key_id.to_owned();
    let Some((key, told)) = anchor.keys.iter().find(|(key, _)| key.id() == key_id) else {
        return Verdict::UnknownKey { key_id };
    };
    if !key.verifies(&signed_bytes(envelope), signature) {
        return Verdict::Bad { key_id };
    }
    match told {
        Some(told) if text("source") != Some(&told.gateway) => {
            Verdict::OtherGateway { key_id, gateway: told.gateway.clone() }
        }
        told => Verdict::Good { key_id, told: told.clone() },
    }
}
