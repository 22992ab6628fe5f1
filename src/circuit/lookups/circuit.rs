//! Layers together with the encoding of their inputs and outputs.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Layers, Sum};
use crate::circuit::PackedValues;
use crate::crypto::noise;

/// Layers of lookups on encrypted rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct LookupCircuit {
    encoding: PackedValues,
    layers: Layers,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Unchecked {
    encoding: PackedValues,
    layers: Layers,
}

impl LookupCircuit {
    /// Layers that read rows of this encoding.
    ///
    /// # Errors
    /// If they read other inputs, have other outputs, or tables are larger than a rotation.
    pub fn new(encoding: PackedValues, layers: Layers) -> Result<Self> {
        let (parts, size) = (layers.parts(), encoding.parts().parameters.polynomial_size());
        if (parts.inputs, parts.outputs.len()) != (encoding.parts().features, encoding.parts().outputs) {
            bail!(
                "layers of {} inputs and {} outputs, in an encoding of {} and {}",
                parts.inputs,
                parts.outputs.len(),
                encoding.parts().features,
                encoding.parts().outputs
            );
        }
        if let Some(table) = parts.tables.iter().find(|table| table.values.len() > size) {
            bail!("a table has {} values, the ring {size} coefficients", table.values.len());
        }
        let place = 1_u64 << (63 - size.ilog2());
        let moved = layers.lookups().flat_map(|lookup| &lookup.offsets).find(|offset| *offset % place != 0);
        if let Some(offset) = moved {
            bail!("a lookup is moved by {offset}, a place of a rotation is {place}");
        }
        Ok(Self { encoding, layers })
    }

    /// How rows lie in ciphertexts, on the way in and out.
    pub fn encoding(&self) -> &PackedValues {
        &self.encoding
    }

    /// What is computed on each row.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The outputs for one row of integers, without noise.
    pub fn evaluate(&self, row: &[i64]) -> Vec<i64> {
        self.disturbed(row, |_, value| value)
    }

    /// The outputs for one row of integers, if noise changes sums like this.
    pub fn disturbed(&self, row: &[i64], disturb: impl FnMut(&Sum, u64) -> u64) -> Vec<i64> {
        let parts = self.encoding.parts();
        let inputs: Vec<u64> = row.iter().map(|integer| parts.inputs.encode(*integer)).collect();
        let outputs = self.layers.evaluate(&inputs, disturb);
        outputs.into_iter().map(|value| parts.messages.decode(value)).collect()
    }

    /// The variance of the noise of a sum, before it is looked up or sent.
    fn sum_variance(&self, sum: &Sum) -> f64 {
        let (fresh, looked_up) = self.layers.norms2(sum);
        let parameters = &self.encoding.parts().parameters;
        fresh * self.encoding.fresh_variance() + looked_up * noise::lookup_output(parameters)
    }

    /// The variance of the noise of a sum where it meets its table.
    fn lookup_variance(&self, sum: &Sum) -> f64 {
        noise::lookup_input(&self.encoding.parts().parameters, self.sum_variance(sum))
    }

    /// The variance of the noise of what each lookup reads, in the order of lookups.
    pub fn lookup_variances(&self) -> impl Iterator<Item = f64> {
        self.layers.lookups().map(|lookup| self.lookup_variance(&lookup.sum))
    }

    /// The variance of the noise of each output as the client decrypts it.
    pub fn output_variances(&self) -> impl Iterator<Item = f64> {
        let parts = self.encoding.parts();
        let switch = noise::lookup_result(&parts.parameters, parts.output_bits);
        self.layers.parts().outputs.iter().map(move |sum| self.sum_variance(sum) + switch)
    }
}

impl TryFrom<Unchecked> for LookupCircuit {
    type Error = anyhow::Error;

    fn try_from(Unchecked { encoding, layers }: Unchecked) -> Result<Self> {
        Self::new(encoding, layers)
    }
}
