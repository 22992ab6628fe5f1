//! Layers of weighted sums and lookups on the LWE ciphertexts of a group of rows.
//!
//! The lookups of a layer in all rows of the group are cut into batches together, so that layers narrower than the
//! machine fill it too. After each layer a group can be laid down and gone on with.

mod group;
mod plan;
mod set;
mod wires;

use anyhow::{Result, bail};
use rayon::prelude::*;

use crate::circuit::{InputBlock, Lookup, LookupCircuit, OutputBlock, Sum};
use crate::crypto::{LweCiphertext, PackedInputs, Pool, SeededLookupKey, SumMemory, SwitchedRing};
use crate::progress::Progress;
pub use group::LayerTimes;
use plan::WirePlan;
use set::LookupSet;
use wires::Row;
pub use wires::Wires;

/// A circuit made ready to run.
pub struct LookupEvaluator<'a> {
    circuit: &'a LookupCircuit,
    /// What looks up with each parameter set.
    sets: Vec<LookupSet>,
    plan: WirePlan,
    memory: Pool<SumMemory>,
}

impl<'a> LookupEvaluator<'a> {
    /// Prepares tables and keys, one for each parameter set.
    ///
    /// # Errors
    /// If keys are for other parameters.
    pub fn new(circuit: &'a LookupCircuit, keys: &[SeededLookupKey]) -> Result<Self> {
        if !keys.iter().map(SeededLookupKey::parameters).eq(circuit.encoding().parts().sets.iter().copied()) {
            bail!("the evaluation key is for lookups with other parameters");
        }
        let sets = keys.iter().enumerate().map(|(place, key)| LookupSet::new(circuit, place, key));
        let (sets, plan) = (sets.collect::<Result<_>>()?, WirePlan::new(circuit.layers()));
        Ok(Self { circuit, sets, plan, memory: Pool::default() })
    }

    /// The wires of the inputs of blocks that fit the encoding.
    ///
    /// # Errors
    /// If a ciphertext holds too many values: never, in a block that fits.
    pub fn begin(&self, blocks: &[InputBlock]) -> Result<Wires> {
        let parts = self.circuit.encoding().parts();
        let inputs = blocks
            .par_iter()
            .map(|block| PackedInputs::expand(parts.sets.first(), &block.ciphertexts, parts.body_bits));
        Ok(Wires::of_inputs(&self.plan, inputs.collect::<Result<_>>()?))
    }

    /// Evaluates the next layer; whether there was one. Every lookup is a step of progress.
    ///
    /// # Errors
    /// If a wire is missing: never, in checked layers.
    pub fn step(&self, wires: &mut Wires, progress: &dyn Progress) -> Result<bool> {
        let index = wires.layers();
        let Some(layer) = self.circuit.layers().parts().layers.get(index) else { return Ok(false) };
        let (first_sum, first_wire) = (self.plan.first_sum(index), self.plan.wires(index).start);
        let rows = wires.rows();
        let mut tasks = Vec::with_capacity(rows.len() * layer.lookups.len());
        for row in rows {
            let mut wire = first_wire;
            for (place, lookup) in (first_sum..).zip(&layer.lookups) {
                tasks.push(Task { row, place, wire, lookup });
                wire += lookup.results();
            }
        }
        // Sets of checked layers exist.
        let set = &self.sets[layer.set as usize];
        let batches = tasks.par_chunks(group::batch_size(tasks.len())).map(|batch| {
            let results = self.look_up(set, batch)?;
            progress.advance(batch.len() as u64);
            Ok(results)
        });
        let results: Vec<Vec<Option<LweCiphertext>>> = batches.collect::<Result<_>>()?;
        rows.iter().for_each(|row| row.forget_before(first_sum + layer.lookups.len()));
        wires.extend(&self.plan, results.into_iter().flatten());
        Ok(true)
    }

    /// The encrypted outputs of each row, after the last layer.
    ///
    /// # Errors
    /// If a wire is missing: never, in checked layers.
    pub fn finish(&self, wires: &Wires) -> Result<Vec<OutputBlock>> {
        let parts = self.circuit.encoding().parts();
        let first_sum = self.plan.first_sum(wires.layers());
        let outputs = &self.circuit.layers().parts().outputs;
        let blocks = wires.rows().par_iter().map(|row| {
            let sums: Vec<_> = (first_sum..).zip(outputs).map(|(place, sum)| (row, place, sum)).collect();
            let results = self.sums(&sums)?.into_iter().map(|sum| {
                let result = sum.switch_modulus(parts.output_bits);
                SwitchedRing { mask: result.mask, bodies: vec![result.body] }
            });
            Ok(OutputBlock { rows: 1, ciphertexts: results.collect() })
        });
        blocks.collect()
    }

    /// Wires that were laid down as bytes after a layer.
    ///
    /// # Errors
    /// If they are not those of so many rows of this circuit.
    pub fn restore(&self, bytes: &[u8]) -> Result<Wires> {
        let layers = self.circuit.layers().parts().layers.len();
        Wires::from_bytes(&self.plan, self.circuit.encoding(), layers, bytes)
    }

    /// The lookups of a row.
    pub fn lookups(&self) -> usize {
        self.circuit.layers().lookups().count()
    }

    /// The lookups of a row in the first so many layers.
    pub fn lookups_before(&self, layers: usize) -> usize {
        self.circuit.layers().parts().layers.iter().take(layers).map(|layer| layer.lookups.len()).sum()
    }

    /// How many rows are evaluated at once: as many as fill the machine, within bounds of memory.
    pub fn rows_at_once(&self) -> usize {
        group::rows_at_once(self.circuit, self.row_bytes())
    }

    /// The bytes of key, tables, the wires of the rows at work and the results of a batch on each thread.
    pub fn memory_bytes(&self) -> usize {
        let results = self.circuit.layers().lookups().map(Lookup::results).max().unwrap_or(0);
        let batches = rayon::current_num_threads() * group::BATCH * results * self.wire_bytes();
        let sets: usize = self.sets.iter().map(LookupSet::memory_bytes).sum();
        sets + batches + self.rows_at_once() * self.row_bytes()
    }

    /// What layers of this circuit take on this machine.
    ///
    /// # Errors
    /// If a batch has no room in a packed ciphertext: never, with secure parameters.
    pub fn measure(&self) -> Result<LayerTimes> {
        LayerTimes::measure(self.circuit, &self.sets)
    }

    /// The bytes of the most wires of a row that live at once.
    fn row_bytes(&self) -> usize {
        let (ciphertexts, _) = self.circuit.encoding().input_shape();
        let parameters = self.circuit.encoding().parts().sets.first();
        // The masks of inputs are kept as they are and transformed.
        let input = 8 * (PackedInputs::words_each(parameters) + parameters.big_dimension());
        ciphertexts * input + self.plan.most_alive() * self.wire_bytes()
    }

    fn wire_bytes(&self) -> usize {
        (self.circuit.encoding().parts().sets.first().big_dimension() + 1) * 8
    }

    /// Looks up a batch; what is to be kept of the results.
    fn look_up(&self, set: &LookupSet, batch: &[Task<'_>]) -> Result<Vec<Option<LweCiphertext>>> {
        let sums: Vec<_> = batch.iter().map(|task| (task.row, task.place, &task.lookup.sum)).collect();
        let sums = self.sums(&sums)?;
        let lookups: Vec<&Lookup> = batch.iter().map(|task| task.lookup).collect();
        let results = set.look_up(&sums, &lookups)?;
        let parameters = self.circuit.encoding().parts().sets.first();
        let places = batch.iter().flat_map(|task| {
            let wires = task.wire..task.wire + task.lookup.results();
            wires.map(move |wire| (task.row, wire))
        });
        let results = places.zip(results.into_iter().flatten());
        Ok(results.map(|((row, wire), result)| row.take(&self.plan, parameters, wire, result)).collect())
    }

    /// Sums of wires of rows, with their places.
    fn sums(&self, sums: &[(&Row, usize, &Sum)]) -> Result<Vec<LweCiphertext>> {
        let parameters = self.circuit.encoding().parts().sets.first();
        let rest = sums.iter().map(|(row, _, sum)| row.rest(&self.plan, sum)).collect::<Result<Vec<_>>>()?;
        let mut results = LweCiphertext::weighted_sums(parameters, &rest);
        let mut memory = self.memory.take(|| SumMemory::new(parameters));
        for (result, (row, place, sum)) in results.iter_mut().zip(sums) {
            row.inputs().add_sum(sum.fresh(self.plan.inputs()), result, &mut memory);
            if let Some(begun) = row.begun(*place) {
                result.add_assign(&begun);
            }
        }
        self.memory.give(memory);
        Ok(results)
    }
}

/// A lookup in a row.
struct Task<'a> {
    row: &'a Row,
    /// The place of its sum.
    place: usize,
    /// The place of its first result.
    wire: usize,
    lookup: &'a Lookup,
}
