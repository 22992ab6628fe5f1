//! Which results of lookups are kept as wires, and which are added to the sums that read them as they appear.
//!
//! A layer may have far more results than there are sums that read them: then none of them is kept, and memory
//! depends on the number of sums alone.

use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::circuit::{LookupCircuit, Sum};
use crate::crypto::{LookupParameters, LweCiphertext};

/// How the wires of a circuit are held.
pub struct WirePlan {
    /// For each wire the layer after which nothing reads it; outputs come after all layers.
    last_reads: Vec<usize>,
    /// For each wire the sums that it is added to when it appears, with its weights; `None` if it is kept.
    readers: Vec<Option<Vec<(usize, i32)>>>,
    /// The number of sums: lookups in their order, then outputs.
    sums: usize,
}

/// The wires of a row while it is evaluated.
pub struct Wires<'a> {
    plan: &'a WirePlan,
    parameters: LookupParameters,
    kept: Vec<Option<LweCiphertext>>,
    /// What sums have come to, where wires are added up as they appear.
    begun: Vec<Mutex<Option<LweCiphertext>>>,
}

impl WirePlan {
    /// Decides for every layer.
    pub fn new(circuit: &LookupCircuit) -> Self {
        let parts = circuit.layers().parts();
        let sums: Vec<&Sum> =
            circuit.layers().lookups().map(|lookup| &lookup.sum).chain(&parts.outputs).collect();
        let mut first_wires = vec![parts.inputs];
        let mut layer_of_sum = Vec::with_capacity(sums.len());
        for (index, layer) in parts.layers.iter().enumerate() {
            let results: usize = layer.lookups.iter().map(|lookup| lookup.results()).sum();
            first_wires.push(first_wires[index] + results); // one for each layer before
            layer_of_sum.extend(layer.lookups.iter().map(|_| index));
        }
        layer_of_sum.resize(sums.len(), parts.layers.len());
        let wires = first_wires.last().copied().unwrap_or(parts.inputs);
        // What nothing reads is needed by nobody: after the first layer it may go.
        let (mut last_reads, mut readers) = (vec![0; wires], vec![None; wires]);
        for (sum, layer) in sums.iter().zip(&layer_of_sum) {
            for (wire, _) in &sum.weights {
                last_reads[*wire as usize] = *layer; // wires of checked layers exist
            }
        }
        for range in first_wires.windows(2).map(|ends| ends[0]..ends[1]) {
            let read = |sum: &&Sum| sum.weights.iter().any(|(wire, _)| range.contains(&(*wire as usize)));
            if sums.iter().filter(|sum| read(sum)).count() < range.len() {
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
        Self { last_reads, readers, sums: sums.len() }
    }

    /// The ciphertexts that a row needs at most: wires that are kept, and sums that are begun.
    pub fn ciphertexts(&self) -> usize {
        let mut begun = vec![false; self.sums];
        for (place, _) in self.readers.iter().flatten().flatten() {
            begun[*place] = true; // places are those of sums
        }
        self.readers.iter().filter(|readers| readers.is_none()).count()
            + begun.iter().filter(|begun| **begun).count()
    }
}

impl<'a> Wires<'a> {
    /// The wires of the inputs.
    pub fn new(plan: &'a WirePlan, parameters: LookupParameters, inputs: Vec<LweCiphertext>) -> Self {
        let begun = (0..plan.sums).map(|_| Mutex::new(None)).collect();
        Self { plan, parameters, kept: inputs.into_iter().map(Some).collect(), begun }
    }

    /// The number of wires so far.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Takes the results of some lookups, which are the wires from `first` on: those that are to be kept come back.
    pub fn add_up(&self, first: usize, results: Vec<LweCiphertext>) -> Vec<Option<LweCiphertext>> {
        let add = |(wire, result): (usize, LweCiphertext)| {
            let Some(Some(readers)) = self.plan.readers.get(wire) else { return Some(result) };
            for (place, weight) in readers {
                // Places are those of sums; a thread that panicked ends the run.
                let mut begun = self.begun[*place].lock().unwrap_or_else(|broken| broken.into_inner());
                begun
                    .get_or_insert_with(|| LweCiphertext::trivial(&self.parameters, 0))
                    .add_multiple(&result, i64::from(*weight));
            }
            None
        };
        (first..).zip(results).map(add).collect()
    }

    /// Keeps the wires of a layer, and lets those go that no later layer reads.
    pub fn end_layer(&mut self, layer: usize, results: impl Iterator<Item = Option<LweCiphertext>>) {
        self.kept.extend(results);
        for (wire, last) in self.kept.iter_mut().zip(&self.plan.last_reads) {
            if *last <= layer {
                *wire = None;
            }
        }
    }

    /// A weighted sum of wires: the sum at `place`.
    ///
    /// # Errors
    /// If a wire is not there: never, in checked layers.
    pub fn sum(&self, place: usize, sum: &Sum) -> Result<LweCiphertext> {
        // Places are those of sums; a thread that panicked ends the run.
        let begun = self.begun[place].lock().unwrap_or_else(|broken| broken.into_inner()).take();
        let mut result = begun.unwrap_or_else(|| LweCiphertext::trivial(&self.parameters, 0));
        result.add_plaintext(sum.constant);
        for (wire, weight) in &sum.weights {
            if let Some(None) = self.plan.readers.get(*wire as usize) {
                let ciphertext = self.kept.get(*wire as usize).and_then(Option::as_ref);
                result
                    .add_multiple(ciphertext.context("a sum reads a wire that is gone")?, i64::from(*weight));
            }
        }
        Ok(result)
    }
}
