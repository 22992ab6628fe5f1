//! Which results of lookups are kept as wires, and which are added to the sums that read them as they appear.
//!
//! A layer may have far more results than there are sums that read them: then none of them is kept, and memory
//! depends on the number of sums alone. Inputs stay packed, and are no wires here.

use std::ops::Range;

use crate::circuit::{Layers, Sum};

/// Results of a layer that are kept in any case: adding them up together is faster.
const FEW: usize = 2048;

/// How the wires of a row are held.
pub struct WirePlan {
    inputs: usize,
    /// For each wire the layer after which nothing reads it; outputs come after all layers.
    last_reads: Vec<usize>,
    /// For each wire the sums that it is added to when it appears, with its weights; `None` if it is kept.
    readers: Vec<Option<Vec<(usize, i32)>>>,
    /// For each sum its layer: of lookups in their order, then of outputs.
    layers_of_sums: Vec<usize>,
    /// For each sum the first layer after which it is begun, if it is.
    begun: Vec<Option<usize>>,
    /// The wires before each layer, and after all.
    first_wires: Vec<usize>,
    /// The sums before each layer, and before the outputs.
    first_sums: Vec<usize>,
}

impl WirePlan {
    /// Decides for every layer.
    pub fn new(layers: &Layers) -> Self {
        let parts = layers.parts();
        let sums: Vec<&Sum> = layers.lookups().map(|lookup| &lookup.sum).chain(&parts.outputs).collect();
        let (mut first_wires, mut first_sums) = (vec![parts.inputs], vec![0]);
        let (mut wires, mut count) = (parts.inputs, 0);
        let mut layers_of_sums = Vec::with_capacity(sums.len());
        for (index, layer) in parts.layers.iter().enumerate() {
            wires += layer.lookups.iter().map(|lookup| lookup.results()).sum::<usize>();
            count += layer.lookups.len();
            first_wires.push(wires);
            first_sums.push(count);
            layers_of_sums.resize(count, index);
        }
        layers_of_sums.resize(sums.len(), parts.layers.len());
        let (mut last_reads, mut readers) = (vec![0; wires], vec![None; wires]);
        for (sum, layer) in sums.iter().zip(&layers_of_sums) {
            for (wire, _) in &sum.weights {
                last_reads[*wire as usize] = *layer; // wires of checked layers exist
            }
        }
        let mut begun = vec![None; sums.len()];
        for (layer, ends) in first_wires.windows(2).enumerate() {
            let range = ends[0]..ends[1]; // two ends
            let reads = |sum: &Sum| sum.weights.iter().any(|(wire, _)| range.contains(&(*wire as usize)));
            let reading: Vec<usize> = (0..sums.len()).filter(|place| reads(sums[*place])).collect();
            if range.len() > FEW && reading.len() < range.len() {
                reading.iter().for_each(|place| begun[*place] = begun[*place].or(Some(layer)));
                readers[range].fill(Some(Vec::new()));
            }
        }
        for (place, sum) in sums.iter().enumerate() {
            for (wire, weight) in &sum.weights {
                if let Some(readers) = &mut readers[*wire as usize] {
                    readers.push((place, *weight));
                }
            }
        }
        Self { inputs: parts.inputs, last_reads, readers, layers_of_sums, begun, first_wires, first_sums }
    }

    /// The sums that a wire is added to when it appears; `None` if it is kept.
    pub fn readers(&self, wire: usize) -> Option<&[(usize, i32)]> {
        self.readers.get(wire)?.as_deref()
    }

    /// The number of inputs: as many wires come before those of layers.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The wires that a layer adds.
    pub fn wires(&self, layer: usize) -> Range<usize> {
        // Layers of the circuit the plan is for.
        self.first_wires[layer]..self.first_wires[layer + 1]
    }

    /// The place of the first sum of a layer; after all layers, of the outputs.
    pub fn first_sum(&self, layer: usize) -> usize {
        self.first_sums[layer] // as above
    }

    /// The number of sums.
    pub fn sums(&self) -> usize {
        self.layers_of_sums.len()
    }

    /// Of the results of so many layers, which are kept and read later.
    pub fn alive(&self, done: usize) -> impl Iterator<Item = bool> {
        let wires = self.last_reads.iter().zip(&self.readers).take(self.first_wires[done]); // as above
        wires.skip(self.inputs).map(move |(last, readers)| readers.is_none() && *last >= done)
    }

    /// Which sums are begun after so many layers, and not yet looked up.
    pub fn begun(&self, done: usize) -> impl Iterator<Item = bool> {
        let sums = self.begun.iter().zip(&self.layers_of_sums);
        sums.map(move |(begun, layer)| *layer >= done && begun.is_some_and(|begun| begun < done))
    }

    /// The most ciphertexts of a row that live at once: wires, what a layer adds to them, and sums that are begun.
    pub fn most_alive(&self) -> usize {
        let count = |alive: &mut dyn Iterator<Item = bool>| alive.filter(|alive| *alive).count();
        let during = |layer: usize| {
            let added = self.wires(layer).filter(|wire| self.readers(*wire).is_none()).count();
            count(&mut self.alive(layer)) + added + count(&mut self.begun(layer + 1))
        };
        let layers = self.first_wires.len() - 1;
        (0..layers).map(during).max().unwrap_or(0)
    }
}
