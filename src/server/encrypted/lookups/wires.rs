//! The live wires of a group of rows between layers.

use anyhow::{Context, Result, ensure};

use super::group::MAX_ROWS;
use crate::circuit::{Layers, LookupCircuit, Sum};
use crate::crypto::LweCiphertext;

/// The bytes of each count before the words of wires.
const COUNT_BYTES: usize = 8;

/// A group of rows after some layers: for each row its wires, without those that nothing reads any more.
pub struct Wires {
    layers: usize,
    rows: Vec<Vec<Option<LweCiphertext>>>,
}

impl Wires {
    /// Those of inputs alone.
    pub(super) fn of_inputs(rows: Vec<Vec<LweCiphertext>>) -> Self {
        let rows = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
        Self { layers: 0, rows }
    }

    /// How many layers have been evaluated.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The wires of each row.
    pub fn rows(&self) -> &[Vec<Option<LweCiphertext>>] {
        &self.rows
    }

    /// Adds the results of the next layer, `width` to a row, and drops what was read for the last time.
    pub(super) fn extend(
        &mut self,
        mut results: impl Iterator<Item = LweCiphertext>,
        width: usize,
        last_reads: &[usize],
    ) {
        for row in &mut self.rows {
            row.extend(results.by_ref().take(width).map(Some));
            for (wire, last) in row.iter_mut().zip(last_reads) {
                if *last <= self.layers {
                    *wire = None;
                }
            }
        }
        self.layers += 1;
    }

    /// What `from_bytes` needs to go on: the number of layers and of rows, then the live wires.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for count in [self.layers, self.rows.len()] {
            bytes.extend((count as u64).to_le_bytes());
        }
        for wire in self.rows.iter().flatten().flatten() {
            bytes.extend(wire.words().iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes
    }

    /// The wires that these bytes hold.
    ///
    /// # Errors
    /// If they are not those of a group of rows of this circuit.
    pub(super) fn from_bytes(circuit: &LookupCircuit, last_reads: &[usize], bytes: &[u8]) -> Result<Self> {
        let (counts, words) =
            bytes.split_first_chunk::<{ 2 * COUNT_BYTES }>().context("wires are cut short")?;
        let (layers, rows) = counts.split_at(COUNT_BYTES);
        let count = |bytes: &[u8]| {
            bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)) as usize
        };
        let (layers, rows) = (count(layers), count(rows));
        let most = circuit.layers().parts().layers.len();
        ensure!(layers <= most && rows <= MAX_ROWS, "wires of {rows} rows after {layers} layers");
        let parameters = &circuit.encoding().parts().parameters;
        let alive = alive_after(circuit.layers(), last_reads, layers);
        let wire_bytes = (parameters.big_dimension() + 1) * 8;
        let live = alive.iter().filter(|alive| **alive).count();
        ensure!(
            rows.checked_mul(live * wire_bytes) == Some(words.len()),
            "{} bytes of wires, {rows} rows have {live} wires of {wire_bytes} bytes each",
            words.len()
        );
        let mut wires = words.chunks_exact(wire_bytes);
        let mut next = || {
            let words = wires.next().unwrap_or_default().chunks_exact(8);
            LweCiphertext::from_words(words.map(|word| count(word) as u64).collect())
        };
        let mut row = || alive.iter().map(|alive| alive.then(&mut next)).collect();
        Ok(Self { layers, rows: (0..rows).map(|_| row()).collect() })
    }
}

/// For each wire the layer after which nothing reads it.
pub(super) fn last_reads(layers: &Layers) -> Vec<usize> {
    let parts = layers.parts();
    let wires = parts.inputs + layers.lookups().count();
    // What nothing reads is needed by nobody: after the first layer it may go.
    let mut last = vec![0; wires];
    let mut read = |sum: &Sum, layer: usize| {
        for (wire, _) in &sum.weights {
            // Wires of checked layers exist.
            last[*wire as usize] = layer;
        }
    };
    for (index, layer) in parts.layers.iter().enumerate() {
        layer.lookups.iter().for_each(|lookup| read(&lookup.sum, index));
    }
    parts.outputs.iter().for_each(|sum| read(sum, parts.layers.len()));
    last
}

/// The most wires of a row that live at once, with what a layer adds to them.
pub(super) fn most_alive(layers: &Layers, last_reads: &[usize]) -> usize {
    let alive = |done: usize| alive_after(layers, last_reads, done).iter().filter(|alive| **alive).count();
    let widths = layers.parts().layers.iter().map(|layer| layer.lookups.len());
    widths
        .enumerate()
        .map(|(layer, width)| alive(layer) + width)
        .chain([layers.parts().inputs])
        .max()
        .unwrap_or(0)
}

/// Of the wires that exist after so many layers, which something reads later.
fn alive_after(layers: &Layers, last_reads: &[usize], done: usize) -> Vec<bool> {
    let parts = layers.parts();
    let results: usize = parts.layers.iter().take(done).map(|layer| layer.lookups.len()).sum();
    last_reads.iter().take(parts.inputs + results).map(|last| done == 0 || *last >= done).collect()
}
