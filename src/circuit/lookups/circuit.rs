//! Layers together with the encoding of their inputs and outputs.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Layer, Layers, Lookup, Sum};
use crate::circuit::PackedValues;
use crate::crypto::{LookupParameters, noise};

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
        let (parts, sets) = (layers.parts(), &encoding.parts().sets);
        if (parts.inputs, parts.outputs.len()) != (encoding.parts().features, encoding.parts().outputs) {
            bail!(
                "layers of {} inputs and {} outputs, in an encoding of {} and {}",
                parts.inputs,
                parts.outputs.len(),
                encoding.parts().features,
                encoding.parts().outputs
            );
        }
        for layer in &parts.layers {
            let Some(set) = sets.get(layer.set as usize) else {
                bail!(
                    "the lookups of '{}' use parameter set {}, which does not exist",
                    layer.name,
                    layer.set
                );
            };
            let size = set.polynomial_size();
            let place = 1_u64 << (63 - size.ilog2());
            for Lookup { table, offsets, .. } in &layer.lookups {
                let values = parts.tables[*table as usize].values.len(); // tables of checked layers exist
                if values > size {
                    bail!("a table has {values} values, the ring {size} coefficients");
                }
                if let Some(offset) = offsets.iter().find(|offset| *offset % place != 0) {
                    bail!("a lookup is moved by {offset}, a place of a rotation is {place}");
                }
            }
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

    /// The predicted seconds of all lookups of a row, in batches on one thread.
    pub fn seconds(&self) -> f64 {
        let layers = self.layers.parts().layers.iter();
        layers.map(|layer| layer.lookups.len() as f64 * self.set(layer).seconds()).sum()
    }

    /// The variance of the noise of inputs, then of the results of each layer.
    fn wire_variances(&self) -> Vec<f64> {
        let results = self.layers.parts().layers.iter().map(|layer| noise::lookup_output(self.set(layer)));
        [self.encoding.fresh_variance()].into_iter().chain(results).collect()
    }

    /// The variance of the noise of a sum, before it is looked up or sent, for those of wires.
    fn sum_variance(&self, sum: &Sum, wires: &[f64]) -> f64 {
        self.layers.norms2(sum).into_iter().zip(wires).map(|(norm2, variance)| norm2 * variance).sum()
    }

    /// The parameter set of a layer's lookups.
    pub fn set(&self, layer: &Layer) -> &LookupParameters {
        let sets = &self.encoding.parts().sets;
        // Sets of checked layers exist.
        sets.get(layer.set as usize).unwrap_or(sets.first())
    }

    /// The variance of the noise of what each lookup reads, in the order of lookups.
    pub fn lookup_variances(&self) -> impl Iterator<Item = f64> {
        let wires = self.wire_variances();
        let layers = self.layers.parts().layers.iter();
        let lookups = layers.flat_map(|layer| layer.lookups.iter().map(|lookup| (self.set(layer), lookup)));
        lookups.map(move |(set, lookup)| noise::lookup_input(set, self.sum_variance(&lookup.sum, &wires)))
    }

    /// The variance of the noise of each output as the client decrypts it.
    pub fn output_variances(&self) -> impl Iterator<Item = f64> {
        let parts = self.encoding.parts();
        let switch = noise::lookup_result(parts.sets.first(), parts.output_bits);
        let wires = self.wire_variances();
        self.layers.parts().outputs.iter().map(move |sum| self.sum_variance(sum, &wires) + switch)
    }
}

impl TryFrom<Unchecked> for LookupCircuit {
    type Error = anyhow::Error;

    fn try_from(Unchecked { encoding, layers }: Unchecked) -> Result<Self> {
        Self::new(encoding, layers)
    }
}
