//! The key that the gateway signs its events with, and checking what it signed.
//!
//! # On disk, under `state_dir`, for the gateway's user alone
//! ```text
//! keys/signing.json   every public key there ever was, and which one signs
//! keys/<id>.pem       private key of the one that signs: PKCS#8, as `openssl genpkey -algorithm ed25519` makes it
//! ```
//! A private key is written and synced before `signing.json` names it; that file is replaced as a whole, and only then is
//! the private key of before deleted. So a power cut leaves the old key or the new one, and at most a private key that is
//! named nowhere, which the next change deletes. Neither is ever in the database: a copy of the store holds no key.

mod error;
mod files;
mod keyring;
mod verify;

pub use error::KeyError;
pub use keyring::SigningKeys;
pub use verify::{Anchor, PublicKey, Verdict, verify};

#[cfg(test)]
mod tests;
