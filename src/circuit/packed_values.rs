//! The encoding of circuits with lookups: the integers of a row as coefficients of ring ciphertexts, each of which
//! becomes an LWE ciphertext; every result is an LWE ciphertext of its own.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Messages;
use crate::crypto::{LookupSets, noise};

const MAX_FEATURES: usize = 1 << 20;
const MAX_OUTPUTS: usize = 1 << 16;

/// How a row lies in ciphertexts, and its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PackedValuesParts")]
pub struct PackedValues {
    parts: PackedValuesParts,
}

/// An encoding as it is told; [`PackedValues::new`] checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedValuesParts {
    /// The parameters of ciphertexts, which are those of the first set, and of lookups.
    pub sets: LookupSets,
    /// The number of integers of a row.
    pub features: usize,
    /// The number of integers that come out for a row.
    pub outputs: usize,
    /// The integers of a row.
    pub inputs: Messages,
    /// The integers that come out.
    pub messages: Messages,
    /// The bits kept of fresh body coefficients.
    pub body_bits: u32,
    /// The bits kept of results.
    pub output_bits: u32,
}

impl PackedValues {
    /// Checks an encoding.
    ///
    /// # Errors
    /// If a number lies outside what any circuit needs.
    pub fn new(parts: PackedValuesParts) -> Result<Self> {
        let &PackedValuesParts { features, outputs, inputs, messages, body_bits, output_bits, .. } = &parts;
        if !(1..=MAX_FEATURES).contains(&features) || !(1..=MAX_OUTPUTS).contains(&outputs) {
            bail!(
                "{features} features and {outputs} outputs: a row has 1 to {MAX_FEATURES} features and 1 to \
                 {MAX_OUTPUTS} outputs"
            );
        }
        if !(inputs.bits()..=64).contains(&body_bits) || !(messages.bits()..=64).contains(&output_bits) {
            bail!(
                "integers of {} and {} bits do not fit bodies of {body_bits} and results of {output_bits} bits",
                inputs.bits(),
                messages.bits()
            );
        }
        Ok(Self { parts })
    }

    /// What it is made of.
    pub fn parts(&self) -> &PackedValuesParts {
        &self.parts
    }

    /// The number of ciphertexts of a row, and of body coefficients of each; the last one may hold fewer
    /// integers.
    pub fn input_shape(&self) -> (usize, usize) {
        let ciphertexts = self.parts.features.div_ceil(self.parts.sets.first().polynomial_size());
        (ciphertexts, self.parts.features.div_ceil(ciphertexts))
    }

    /// The variance of the noise of an input.
    pub fn fresh_variance(&self) -> f64 {
        self.parts.sets.first().ring_variance() + noise::rounding(self.parts.body_bits)
    }
}

impl TryFrom<PackedValuesParts> for PackedValues {
    type Error = anyhow::Error;

    fn try_from(parts: PackedValuesParts) -> Result<Self> {
        Self::new(parts)
    }
}
