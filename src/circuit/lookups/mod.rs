//! Layers of weighted sums and lookups.
//!
//! A *wire* carries a torus value: first those of the inputs, then the results of lookups in their order. A lookup
//! reads a weighted sum of wires of earlier layers off a table, in one place or in several at the price of one; an
//! output is such a sum by itself.

mod circuit;
mod evaluate;

pub use circuit::LookupCircuit;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Layers, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LayerParts", into = "LayerParts")]
pub struct Layers {
    parts: LayerParts,
    /// The first wire of each layer.
    starts: Vec<u32>,
}

/// Layers as they are told; [`Layers::new`] checks them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerParts {
    /// The number of inputs.
    pub inputs: usize,
    /// What lookups read, each once.
    pub tables: Vec<Table>,
    /// Lookups, by layers.
    pub layers: Vec<Layer>,
    /// What comes out.
    pub outputs: Vec<Sum>,
}

/// A function of the torus: its values on the first half, in equal steps that begin at 0; on the second half it has
/// the same values with the other sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// A power of two of torus values.
    pub values: Vec<u64>,
}

/// Lookups that do not depend on each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The model's node, for people.
    pub name: String,
    /// The place of the parameter set that its lookups use.
    pub set: u32,
    /// Whether sums should lie on the first half of the torus: what lies on the second has left its range.
    pub half: bool,
    /// The lookups.
    pub lookups: Vec<Lookup>,
}

/// A sum, looked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lookup {
    /// What is looked up.
    pub sum: Sum,
    /// The place of the table.
    pub table: u32,
    /// Torus values below one half that are added to the sum, each for a result of its own: a whole number of places
    /// of a rotation. What is looked up once has 0 alone.
    pub offsets: Vec<u64>,
}

/// A weighted sum of wires and a constant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Wires, in rising order, with weights.
    pub weights: Vec<(u32, i32)>,
    /// A torus value.
    pub constant: u64,
}

impl Layers {
    /// Checks layers.
    ///
    /// # Errors
    /// If a table has no power of two of values, or a sum reads a wire that is not there before it.
    pub fn new(parts: LayerParts) -> Result<Self> {
        if let Some(table) = parts.tables.iter().find(|table| !table.values.len().is_power_of_two()) {
            bail!("a table has {} values, which is no power of two", table.values.len());
        }
        let mut wires = parts.inputs;
        let mut starts = Vec::with_capacity(parts.layers.len());
        let reads = |sum: &Sum, wires: usize| {
            sum.weights.is_sorted_by(|a, b| a.0 < b.0)
                && sum.weights.last().is_none_or(|(wire, _)| (*wire as usize) < wires)
        };
        for Layer { name, lookups, .. } in &parts.layers {
            starts.push(u32::try_from(wires).context("there are more wires than can be counted")?);
            for Lookup { sum, table, offsets } in lookups {
                if !reads(sum, wires) {
                    bail!("a lookup of '{name}' reads a wire that does not come before it, or not in order");
                }
                if *table as usize >= parts.tables.len() {
                    bail!("a lookup of '{name}' reads table {table}, there are {}", parts.tables.len());
                }
                if offsets.iter().any(|offset| *offset >= 1 << 63) {
                    bail!("a lookup of '{name}' is moved by half the torus or more");
                }
            }
            wires += lookups.iter().map(Lookup::results).sum::<usize>();
        }
        if !parts.outputs.iter().all(|sum| reads(sum, wires)) {
            bail!("an output reads a wire that does not exist, or wires are not in order");
        }
        Ok(Self { parts, starts })
    }

    /// What they are made of.
    pub fn parts(&self) -> &LayerParts {
        &self.parts
    }

    /// All lookups, in the order of their wires.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.parts.layers.iter().flat_map(|layer| &layer.lookups)
    }

    /// The squared 2-norms of the weights of a sum: of inputs, then of the results of each layer.
    pub fn norms2(&self, sum: &Sum) -> Vec<f64> {
        sum.norms2(&self.starts)
    }
}

impl Sum {
    /// The terms of inputs, of which there are so many.
    pub fn fresh(&self, inputs: usize) -> &[(u32, i32)] {
        // Wires are in rising order, here and below.
        &self.weights[..self.fresh_count(inputs)]
    }

    /// The terms of results of lookups.
    pub fn looked_up(&self, inputs: usize) -> &[(u32, i32)] {
        &self.weights[self.fresh_count(inputs)..]
    }

    /// The squared 2-norms of the weights of inputs, then of the results of each layer, whose wires start here.
    pub fn norms2(&self, starts: &[u32]) -> Vec<f64> {
        let mut norms2 = vec![0.0; starts.len() + 1];
        for (wire, weight) in &self.weights {
            // The place is the number of starts up to the wire.
            norms2[starts.partition_point(|start| start <= wire)] += f64::from(*weight).powi(2);
        }
        norms2
    }

    fn fresh_count(&self, inputs: usize) -> usize {
        self.weights.partition_point(|(wire, _)| (*wire as usize) < inputs)
    }
}

impl Lookup {
    /// A sum that is looked up in one place.
    pub fn new(sum: Sum, table: u32) -> Self {
        Self { sum, table, offsets: vec![0] }
    }

    /// The number of its results, each a wire.
    pub fn results(&self) -> usize {
        self.offsets.len()
    }
}

impl Table {
    /// The value looked up for a torus value.
    pub fn value(&self, x: u64) -> u64 {
        let steps = 2 * self.values.len();
        let step = (x >> (64 - steps.ilog2())) as usize;
        // Steps of the second half are those of the first.
        let value = self.values[step % self.values.len()];
        if step < self.values.len() { value } else { value.wrapping_neg() }
    }
}

impl From<Layers> for LayerParts {
    fn from(layers: Layers) -> Self {
        layers.parts
    }
}

impl TryFrom<LayerParts> for Layers {
    type Error = anyhow::Error;

    fn try_from(parts: LayerParts) -> Result<Self> {
        Self::new(parts)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two inputs, the sign of their sum, and that sign twice plus the first input.
    pub fn example() -> LayerParts {
        let sum = |weights: &[(u32, i32)], constant| Sum { weights: weights.to_vec(), constant };
        let lookup = Lookup::new(sum(&[(0, 1), (1, 1)], 0), 0);
        LayerParts {
            inputs: 2,
            tables: vec![Table { values: vec![1 << 58] }],
            layers: vec![Layer { name: "sign".to_owned(), set: 0, half: false, lookups: vec![lookup] }],
            outputs: vec![sum(&[(0, 1), (2, 2)], 1 << 56)],
        }
    }

    #[test]
    fn damaged_layers_are_refused() {
        let refused = |damage: fn(&mut LayerParts), sentence: &str| {
            let mut parts = example();
            damage(&mut parts);
            let message = Layers::new(parts).unwrap_err().to_string();
            assert!(message.contains(sentence), "{message}");
        };
        assert!(Layers::new(example()).is_ok());
        refused(|parts| parts.tables[0].values.clear(), "a table has 0 values");
        refused(|parts| parts.layers[0].lookups[0].table = 1, "reads table 1, there are 1");
        refused(|parts| parts.layers[0].lookups[0].offsets.push(1 << 63), "half the torus or more");
        refused(|parts| parts.layers[0].lookups[0].sum.weights[1].0 = 2, "does not come before it");
        refused(|parts| parts.layers[0].lookups[0].sum.weights.reverse(), "not in order");
        refused(|parts| parts.outputs[0].weights[1].0 = 3, "an output reads a wire");
    }
}
