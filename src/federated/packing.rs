//! How the values of an update lie in ciphertexts.
//!
//! A block is a mask with a body for each secret, N values each; only the last block has fewer.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::crypto::{CoefficientBits, SharedMask, SharedParameters};

/// The most values of an update.
const MOST_VALUES: u64 = 1 << 40;

/// The layout of an update's values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct Packing {
    parameters: SharedParameters,
    bits: CoefficientBits,
    values: u64,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    parameters: SharedParameters,
    bits: CoefficientBits,
    values: u64,
}

impl Packing {
    /// A layout of so many values, with so many bits stored of each coefficient.
    ///
    /// # Errors
    /// If there are no values or too many, or a coefficient has no bits or more than 64.
    pub fn new(parameters: SharedParameters, bits: CoefficientBits, values: u64) -> Result<Self> {
        ensure!((1..=MOST_VALUES).contains(&values), "an update has 1 to {MOST_VALUES} values, not {values}");
        for bits in [bits.mask, bits.body] {
            ensure!((1..=64).contains(&bits), "a coefficient is stored in 1 to 64 bits, not {bits}");
        }
        Ok(Self { parameters, bits, values })
    }

    /// The ring, and the number of secrets that share a mask.
    pub fn parameters(&self) -> &SharedParameters {
        &self.parameters
    }

    /// The bits of each coefficient that are stored.
    pub fn bits(&self) -> CoefficientBits {
        self.bits
    }

    /// The number of values.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// The number of values in a full block.
    pub fn block_values(&self) -> usize {
        self.size() * self.parameters.secrets()
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u64 {
        self.values.div_ceil(self.block_values() as u64)
    }

    /// The lengths of the bodies of a block of so many values.
    pub fn lengths(&self, values: usize) -> Vec<usize> {
        let size = self.size();
        (0..values.div_ceil(size)).map(|body| size.min(values - body * size)).collect()
    }

    /// The number of values in a block, counted from 0.
    pub fn values_of(&self, block: u64) -> usize {
        let before = block.saturating_mul(self.block_values() as u64);
        let left = usize::try_from(self.values.saturating_sub(before)).unwrap_or(usize::MAX);
        left.min(self.block_values())
    }

    /// The bytes of a block of so many values.
    pub fn block_bytes(&self, values: usize) -> usize {
        SharedMask::byte_count(self.size(), &self.lengths(values), self.bits)
    }

    /// The bytes of all blocks.
    pub fn bytes(&self) -> u64 {
        let last = self.blocks() - 1;
        last * self.block_bytes(self.block_values()) as u64 + self.block_bytes(self.values_of(last)) as u64
    }

    /// The ciphertexts of a block of so many values.
    ///
    /// # Errors
    /// If the bytes are no such block.
    pub fn read(&self, bytes: &[u8], values: usize) -> Result<SharedMask> {
        SharedMask::from_bytes(bytes, self.size(), &self.lengths(values), self.bits)
    }

    fn size(&self) -> usize {
        self.parameters.ring().polynomial_size()
    }
}

impl TryFrom<Literal> for Packing {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        Self::new(literal.parameters, literal.bits, literal.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::RingParameters;

    #[test]
    fn the_last_block_is_as_long_as_it_must_be() {
        let parameters = SharedParameters::new(RingParameters::secure(2048).unwrap(), 2).unwrap();
        let bits = CoefficientBits { mask: 48, body: 40 };
        let packing = Packing::new(parameters, bits, 4096 + 2050).unwrap();
        assert_eq!((packing.blocks(), packing.values_of(0), packing.values_of(1)), (2, 4096, 2050));
        assert_eq!(packing.lengths(2050), [2048, 2]);
        assert_eq!(packing.bytes(), 2 * 2048 * 6 + (4096 + 2050) * 5);
        let bytes = vec![0; packing.block_bytes(2050)];
        assert_eq!(packing.read(&bytes, 2050).unwrap(), SharedMask::zero(2048, &[2048, 2]));
        assert!(packing.read(&bytes, 2049).is_err());
        assert!(Packing::new(parameters, bits, 0).is_err());
    }
}
