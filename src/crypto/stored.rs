//! Whole ring ciphertexts as bytes: mask and body, rounded to some bits.

use anyhow::{Context, Result};

use super::{RingCiphertext, pack, packed_bytes, switch_modulus, unpack};

impl RingCiphertext {
    /// The bytes of a ciphertext of `polynomial_size` coefficients with `bits` bits each.
    pub fn byte_count(polynomial_size: usize, bits: u32) -> usize {
        packed_bytes(2 * polynomial_size, bits)
    }

    /// Mask and body, rounded to `bits` bits (1 to 64): that adds
    /// [`noise::modulus_switch`](super::noise::modulus_switch).
    pub fn to_bytes(&self, bits: u32) -> Vec<u8> {
        let mask = u64::MAX >> (64 - bits);
        let rounded: Vec<u64> = self.words().iter().map(|value| switch_modulus(*value, bits) & mask).collect();
        pack(&rounded, bits)
    }

    /// The ciphertext that [`RingCiphertext::to_bytes`] wrote with as many bits.
    ///
    /// # Errors
    /// If there are more or fewer bytes.
    pub fn from_bytes(polynomial_size: usize, bits: u32, bytes: &[u8]) -> Result<Self> {
        let words = unpack(bytes, 2 * polynomial_size, bits).with_context(|| {
            let due = Self::byte_count(polynomial_size, bits);
            format!("a ring ciphertext of {due} bytes is due, not these {}", bytes.len())
        })?;
        let words: Vec<u64> = words.into_iter().map(|word| word << (64 - bits)).collect();
        Ok(Self::from_parts(&words))
    }
}
