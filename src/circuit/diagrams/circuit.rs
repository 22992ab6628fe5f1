//! Diagrams together with the encoding of their bits and outputs.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Diagrams;
use crate::circuit::PackedBits;

/// Diagrams on the bits of encrypted rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct DiagramCircuit {
    encoding: PackedBits,
    diagrams: Diagrams,
}

#[derive(Deserialize)]
struct Unchecked {
    encoding: PackedBits,
    diagrams: Diagrams,
}

impl DiagramCircuit {
    /// Diagrams that read rows of this encoding.
    ///
    /// # Errors
    /// If they read other bits or have other outputs.
    pub fn new(encoding: PackedBits, diagrams: Diagrams) -> Result<Self> {
        let (bits, outputs) = (diagrams.parts().bits, diagrams.outputs());
        if (bits, outputs) != (encoding.bits(), encoding.outputs()) {
            bail!(
                "diagrams of {bits} bits and {outputs} outputs, in an encoding of {} bits and {} outputs",
                encoding.bits(),
                encoding.outputs()
            );
        }
        Ok(Self { encoding, diagrams })
    }

    /// How bits lie in ciphertexts, on the way in, and outputs on the way out.
    pub fn encoding(&self) -> &PackedBits {
        &self.encoding
    }

    /// What is computed on each row.
    pub fn diagrams(&self) -> &Diagrams {
        &self.diagrams
    }

    /// The predicted variance of the noise of an output, an upper bound over all rows and outputs.
    pub fn noise_variance(&self) -> f64 {
        self.diagrams.noise_variance(&self.encoding)
    }
}

impl TryFrom<Unchecked> for DiagramCircuit {
    type Error = anyhow::Error;

    fn try_from(Unchecked { encoding, diagrams }: Unchecked) -> Result<Self> {
        Self::new(encoding, diagrams)
    }
}
