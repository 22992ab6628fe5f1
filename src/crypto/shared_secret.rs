//! Several secret keys of one ring, for ciphertexts that share masks.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{RingParameters, SecretKey};

/// The most secrets whose ciphertexts share a mask.
pub const MOST_SECRETS: usize = 64;

/// A ring, and the number of secrets whose ciphertexts share a mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct SharedParameters {
    ring: RingParameters,
    secrets: usize,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    ring: RingParameters,
    secrets: usize,
}

impl SharedParameters {
    /// Parameters of 1 to [`MOST_SECRETS`] secrets.
    ///
    /// # Errors
    /// If there are none or too many.
    pub fn new(ring: RingParameters, secrets: usize) -> Result<Self> {
        ensure!(
            (1..=MOST_SECRETS).contains(&secrets),
            "1 to {MOST_SECRETS} secrets share a mask, not {secrets}"
        );
        Ok(Self { ring, secrets })
    }

    /// The ring of each.
    pub fn ring(&self) -> &RingParameters {
        &self.ring
    }

    /// The number of secrets.
    pub fn secrets(&self) -> usize {
        self.secrets
    }
}

impl TryFrom<Literal> for SharedParameters {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal.ring, literal.secrets)
    }
}

/// As many secret keys as the parameters say. They are wiped from memory when dropped and never shown.
pub struct SharedSecret {
    parameters: SharedParameters,
    keys: Vec<SecretKey>,
}

impl SharedSecret {
    /// Fresh uniform keys.
    pub fn generate(parameters: SharedParameters) -> Self {
        let keys = (0..parameters.secrets).map(|_| SecretKey::generate(parameters.ring)).collect();
        Self { parameters, keys }
    }

    /// What they are for.
    pub fn parameters(&self) -> SharedParameters {
        self.parameters
    }

    /// Each of them.
    pub fn keys(&self) -> &[SecretKey] {
        &self.keys
    }

    /// Their bits, one key after the other.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.byte_count()));
        self.keys.iter().for_each(|key| bytes.extend_from_slice(&key.to_bytes()));
        bytes
    }

    /// The keys that [`SharedSecret::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: SharedParameters, bytes: &[u8]) -> Result<Self> {
        let key_bytes = parameters.ring.polynomial_size() / 8;
        let expected = key_bytes * parameters.secrets;
        ensure!(bytes.len() == expected, "secret keys of {expected} bytes have {} bytes", bytes.len());
        let key = |bytes| SecretKey::from_bytes(parameters.ring, bytes);
        let keys = bytes.chunks_exact(key_bytes).map(key).collect::<Result<_>>()?;
        Ok(Self { parameters, keys })
    }

    fn byte_count(&self) -> usize {
        self.parameters.ring.polynomial_size() / 8 * self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let ring = RingParameters::secure(2048).unwrap();
        let parameters = SharedParameters::new(ring, 3).unwrap();
        let secret = SharedSecret::generate(parameters);
        let bytes = secret.to_bytes();
        let again = SharedSecret::from_bytes(parameters, &bytes).unwrap();
        assert_eq!((bytes.len(), again.to_bytes()), (3 * 256, bytes.clone()));
        assert_ne!(secret.keys()[0].to_bytes(), secret.keys()[1].to_bytes());
        let message = SharedSecret::from_bytes(parameters, &bytes[1..]).err().unwrap().to_string();
        assert_eq!(message, "secret keys of 768 bytes have 767 bytes");
    }

    #[test]
    fn no_secrets_and_too_many_are_refused() {
        let ring = RingParameters::secure(2048).unwrap();
        assert!(SharedParameters::new(ring, 0).is_err());
        let message = SharedParameters::new(ring, 65).unwrap_err().to_string();
        assert_eq!(message, "1 to 64 secrets share a mask, not 65");
    }
}
