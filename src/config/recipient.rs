//! A public key that originals are sealed to: an age recipient, `age1…`.

use std::fmt;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use sha2::{Digest, Sha256};

/// Of every age recipient for X25519.
const PREFIX: Hrp = Hrp::parse_unchecked("age");

/// An X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.id())
    }
}

impl Recipient {
    /// From the text that `age-keygen` prints as the public key; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = CheckedHrpstring::new::<Bech32>(text.trim()).ok()?;
        if parsed.hrp() != PREFIX {
            return None;
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        bytes.try_into().ok().map(Self)
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its name in events: the first 32 hexadecimal digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        Sha256::digest(self.0).iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_mistyped_or_is_private_is_none() {
        // The example of age's own documentation.
        let good = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        assert_eq!(Recipient::parse(good).map(|key| key.id().len()), Some(32));
        for bad in ["", "age1", &good.replace("ql3z", "ql3y"), &good[..60], "ssh-ed25519 AAAA"] {
            assert!(Recipient::parse(bad).is_none(), "{bad}");
        }
    }
}
