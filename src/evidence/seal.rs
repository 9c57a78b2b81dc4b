//! Sealing in the age format (age-encryption.org/v1, X25519): what is written here is opened with the `age` program and
//! the township's private key, and by nobody else, this box included: the key that sealed it is forgotten at once.
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 <ephemeral public key>
//! <file key, sealed to the recipient>
//! --- <HMAC of the above>
//! <16 bytes of salt><64 KiB + tag>…<the last, shorter, + tag>
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::Recipient;

const CHUNK: usize = 64 * 1024;
/// A sealed file is larger than what is in it by less than this, up to 256 KB.
pub(super) const OVERHEAD: usize = 512;

/// Seals `plain` to `recipient`. Fails only without random numbers, or for a recipient that is no point of the curve.
pub(super) fn seal(plain: &[u8], recipient: &Recipient) -> Result<Vec<u8>, Unspecified> {
    let random = SystemRandom::new();
    let (mut file_key, mut salt) = ([0; 16], [0; 16]);
    random.fill(&mut file_key)?;
    random.fill(&mut salt)?;
    let mut sealed = header(&file_key, recipient, &random)?.into_bytes();
    sealed.extend(salt);
    let key = chacha(&derive(&salt, &file_key, b"payload")?)?;
    let last = plain.len().div_ceil(CHUNK).max(1) - 1;
    for number in 0..=last {
        let chunk = &plain[number * CHUNK..plain.len().min((number + 1) * CHUNK)];
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = u8::from(number == last);
        sealed.extend(closed(&key, nonce, chunk)?);
    }
    Ok(sealed)
}

fn header(file_key: &[u8; 16], recipient: &Recipient, random: &SystemRandom) -> Result<String, Unspecified> {
    let private = EphemeralPrivateKey::generate(&X25519, random)?;
    let public = private.compute_public_key()?;
    let salt = [public.as_ref(), recipient.bytes()].concat();
    let their_key = UnparsedPublicKey::new(&X25519, recipient.bytes());
    let wrap = agree_ephemeral(private, &their_key, |shared| derive(&salt, shared, b"age-encryption.org/v1/X25519"))??;
    let wrapped = closed(&chacha(&wrap)?, [0; 12], file_key)?;
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    let head = format!("age-encryption.org/v1\n-> X25519 {}\n{}\n---", text(public.as_ref()), text(&wrapped));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], file_key, b"header")?);
    Ok(format!("{head} {}\n", text(hmac::sign(&key, head.as_bytes()).as_ref())))
}

fn derive(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Result<[u8; 32], Unspecified> {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(&[purpose], HKDF_SHA256)?.fill(&mut key)?;
    Ok(key)
}

fn chacha(key: &[u8; 32]) -> Result<LessSafeKey, Unspecified> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new)
}

fn closed(key: &LessSafeKey, nonce: [u8; 12], plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut text = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// With the program that a township uses.
    #[test]
    fn the_township_opens_it_with_age_and_nobody_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let keygen = |name: &str| Command::new("age-keygen").arg("-o").arg(file(name)).output();
        if keygen("key").is_err() {
            return println!("skipped: age is not installed");
        }
        keygen("other").unwrap();
        let text = fs::read_to_string(file("key")).unwrap();
        let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        let recipient = Recipient::parse(public).unwrap();
        let open =
            |key: &str| Command::new("age").arg("-d").arg("-i").arg(file(key)).arg(file("sealed")).output().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 250_000] {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let sealed = seal(&plain, &recipient).unwrap();
            assert!(sealed.len() <= plain.len() + OVERHEAD);
            assert!(length < 100 || !sealed.windows(32).any(|window| window == &plain[..32]), "readable");
            fs::write(file("sealed"), &sealed).unwrap();
            let opened = open("key");
            assert!(opened.status.success(), "{length}: {opened:?}");
            assert_eq!(opened.stdout, plain, "{length}");
            assert!(!open("other").status.success());
            assert_ne!(seal(&plain, &recipient).unwrap(), sealed, "a new key each time");
        }
        let mut torn = fs::read(file("sealed")).unwrap();
        torn[300] ^= 1;
        fs::write(file("sealed"), torn).unwrap();
        assert!(!open("key").status.success());
    }
}
