//! Secrets under a passphrase: Argon2id makes the key, ChaCha20-Poly1305 seals.
//!
//! `salt (16) | nonce (12) | ciphertext and tag`

use anyhow::{Result, anyhow, bail};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

// The second choice of RFC 9106, for machines with little memory: 64 MiB, three passes, four lanes.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// Seals a secret under a passphrase.
///
/// # Errors
/// If the passphrase is empty, or the operating system has no randomness to give.
pub fn seal(plain: &[u8], passphrase: &str) -> Result<Vec<u8>> {
    if passphrase.is_empty() {
        bail!("the passphrase is empty");
    }
    let mut fresh = [0; SALT_BYTES + NONCE_BYTES];
    getrandom::fill(&mut fresh).map_err(|error| anyhow!("no randomness from the system: {error}"))?;
    let (salt, nonce) = fresh.split_at(SALT_BYTES);
    let sealed = cipher(passphrase, salt)?
        .encrypt(&nonce_of(nonce)?, plain)
        .map_err(|_| anyhow!("the secret is too long to seal"))?;
    Ok([salt, nonce, &sealed].concat())
}

/// Opens what [`seal`] sealed.
///
/// # Errors
/// If the passphrase is wrong or the bytes have changed.
pub fn unseal(sealed: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>> {
    if sealed.len() < SALT_BYTES + NONCE_BYTES + TAG_BYTES {
        bail!("the sealed secret ends early, after {} bytes", sealed.len());
    }
    let (salt, rest) = sealed.split_at(SALT_BYTES);
    let (nonce, rest) = rest.split_at(NONCE_BYTES);
    let plain = cipher(passphrase, salt)?.decrypt(&nonce_of(nonce)?, rest);
    plain.map(Zeroizing::new).map_err(|_| anyhow!("wrong passphrase"))
}

fn cipher(passphrase: &str, salt: &[u8]) -> Result<ChaCha20Poly1305> {
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(key.len()));
    params
        .and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        })
        .map_err(|error| anyhow!("cannot make a key from the passphrase: {error}"))?;
    Ok(ChaCha20Poly1305::new(&(*key).into()))
}

fn nonce_of(bytes: &[u8]) -> Result<Nonce> {
    Ok(<[u8; NONCE_BYTES]>::try_from(bytes)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_passphrase_opens() {
        let sealed = seal(b"secret", "correct horse").unwrap();
        assert_eq!(&unseal(&sealed, "correct horse").unwrap()[..], b"secret");
        assert_eq!(unseal(&sealed, "wrong horse").unwrap_err().to_string(), "wrong passphrase");
        assert!(unseal(&sealed[..20], "correct horse").unwrap_err().to_string().contains("ends early"));
        assert!(seal(b"secret", "").is_err());
    }

    #[test]
    fn the_same_secret_seals_differently() {
        assert_ne!(seal(b"secret", "pass").unwrap(), seal(b"secret", "pass").unwrap());
    }
}
