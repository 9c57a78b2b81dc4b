//! What of a message is signed, and how a public key is told.
//!
//! Ed25519 over the canonical form (RFC 8785) of the whole envelope without `signature`. Not over the bytes as they were
//! sent: a platform keeps events in a JSON database, which gives back other bytes of the same event, and whoever has
//! such a copy must be able to check it years later.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Member of the envelope that names the key.
pub const KEY_ID: &str = "sigkeyid";
/// Member of the envelope that holds the signature, and that alone is not signed.
pub const SIGNATURE: &str = "signature";
/// The one algorithm.
pub const ALGORITHM: &str = "Ed25519";

/// Keys that are told at most: one a month for five years.
pub const MOST_KEYS: usize = 64;

/// A signature and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Names the key.
    pub key_id: String,
    /// 64 bytes in base64.
    pub value: String,
}

/// Holds the gateway's key.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Signs what `message` makes for the id of the key that signs now.
    fn sign(&self, message: &dyn Fn(&str) -> Vec<u8>) -> Signature;
}

/// The bytes that are signed of an envelope, whether or not it carries its signature.
#[must_use]
pub fn signed_bytes(envelope: &Value) -> Vec<u8> {
    let mut bare = envelope.clone();
    if let Some(members) = bare.as_object_mut() {
        members.remove(SIGNATURE);
    }
    canonical(&bare)
}

/// The canonical form of RFC 8785: one text for one value, whoever writes it.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    // Parsed JSON has neither keys that are no strings nor numbers that are none, the only things it refuses.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// A public key of a gateway, as `info` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeyNote {
    /// The first 32 hexadecimal digits of the SHA-256 of the key's 32 bytes.
    pub id: String,
    /// `Ed25519`.
    pub algorithm: String,
    /// 32 bytes in base64.
    pub public_key: String,
    /// Whose it is: the `source` of its events.
    pub gateway: String,
    /// From when on it signs, by the gateway's clock.
    pub since: String,
    /// When the next one took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Id of the key before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The key before it vouches for it: its signature over [`PublicKeyNote::endorsed_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsement: Option<String>,
}

impl PublicKeyNote {
    /// What the key before it signs: the canonical form of this note without `until` and `endorsement`.
    #[must_use]
    pub fn endorsed_bytes(&self) -> Vec<u8> {
        let bare = Self { until: None, endorsement: None, ..self.clone() };
        // A struct of strings is always JSON.
        canonical(&serde_json::to_value(bare).unwrap_or_default())
    }
}

/// All keys that a gateway has signed with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningNote {
    /// Id of the key that signs now.
    pub current: String,
    /// The oldest first; the last one is the current one.
    pub keys: Vec<PublicKeyNote>,
}

impl SigningNote {
    /// `next` signs from now on. The oldest keys are forgotten where the list grows too long.
    pub fn follow(&mut self, next: PublicKeyNote, now: &str) {
        if let Some(old) = self.keys.iter_mut().find(|key| key.id == self.current) {
            old.until.get_or_insert_with(|| now.to_owned());
        }
        self.current.clone_from(&next.id);
        self.keys.push(next);
        self.keys.drain(..self.keys.len().saturating_sub(MOST_KEYS));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_event_from_a_database_is_signed_the_same() {
        let sent: Value = serde_json::from_str(r#"{"b":1.0,"a":{"z":"é\u0001","y":0.30000},"signature":"x"}"#).unwrap();
        let kept: Value = serde_json::from_str(r#"{ "a": {"y": 0.3, "z": "\u00e9\u0001"}, "b": 1 }"#).unwrap();
        assert_eq!(signed_bytes(&sent), signed_bytes(&kept));
        assert_eq!(String::from_utf8(signed_bytes(&sent)).unwrap(), "{\"a\":{\"y\":0.3,\"z\":\"é\\u0001\"},\"b\":1}");
        assert_ne!(signed_bytes(&sent), signed_bytes(&json!({"a": {"y": 0.3, "z": "é"}, "b": 1})));
    }
}
