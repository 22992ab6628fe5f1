//! What ties files together: circuit ids, key ids, checksums.

use std::fmt;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex::Hex;

/// Names a circuit by its content; carried by client file, server file and ciphertexts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CircuitId(Hex<16>);

impl CircuitId {
    /// The id of the circuit that these bytes encode: the first 16 bytes of their SHA-256.
    pub fn of(circuit: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(circuit).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(Hex(id))
    }

    /// The first four digits, enough to tell two ids apart in a message.
    pub fn short(&self) -> String {
        short(self)
    }
}

/// Names a set of keys made together; carried by the keys and by every ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Hex<16>);

impl KeyId {
    /// A new id.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn random() -> Result<Self> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| anyhow!("no randomness from the system: {error}"))?;
        Ok(Self(Hex(id)))
    }

    /// The first four digits, enough to tell two ids apart in a message.
    pub fn short(&self) -> String {
        short(self)
    }
}

/// The SHA-256 that ends an artifact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksum(Hex<32>);

impl Checksum {
    /// The bytes of the checksum.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// That of several files, in this order.
    pub fn of_all(checksums: &[Self]) -> Self {
        let mut hash = Sha256::new();
        checksums.iter().for_each(|checksum| hash.update(checksum.as_bytes()));
        Self::new(hash.finalize().into())
    }

    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Hex(bytes))
    }
}

impl fmt::Display for CircuitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CircuitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircuitId({self})")
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

fn short(id: &impl fmt::Display) -> String {
    id.to_string().chars().take(4).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_id_is_the_head_of_its_sha256() {
        let id = CircuitId::of(b"hello world");
        assert_eq!(id.to_string(), "b94d27b9934d3e08a52e52d7da7dabfa");
        assert_eq!(id.short(), "b94d…");
    }

    #[test]
    fn key_ids_differ() {
        assert_ne!(KeyId::random().unwrap(), KeyId::random().unwrap());
    }
}
