//! Name of a public key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The first 16 bytes of the SHA-256 of a public key's 32 bytes; 32 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32 && !text.starts_with('+'));
        number.map(|number| Self(number.to_be_bytes())).ok_or("not 32 hexadecimal digits")
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back() {
        let text = "00ff3c5e9a1f2b4c6d8e0f1a2b3c4d5e";
        assert_eq!(text.parse::<KeyId>().unwrap().to_string(), text);
        assert!("ff".parse::<KeyId>().is_err() && "x".repeat(32).parse::<KeyId>().is_err());
    }
}
