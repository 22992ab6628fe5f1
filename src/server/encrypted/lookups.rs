//! Layers of weighted sums and lookups on the LWE ciphertexts of a row.

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{InputBlock, Lookup, LookupCircuit, OutputBlock, Sum};
use crate::crypto::{
    LookupKey, LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, Pool, SeededLookupKey,
    SwitchedRing,
};

/// The most lookups that read the key once.
const BATCH: usize = 32;

/// A circuit made ready to run.
pub struct LookupEvaluator<'a> {
    circuit: &'a LookupCircuit,
    key: LookupKey,
    tables: Vec<LookupTable>,
    /// For each wire the layer after which nothing reads it; outputs come after all layers.
    last_reads: Vec<usize>,
    workspaces: Pool<LookupWorkspace>,
}

impl<'a> LookupEvaluator<'a> {
    /// Prepares tables and key.
    ///
    /// # Errors
    /// If the key is for other parameters.
    pub fn new(circuit: &'a LookupCircuit, key: &SeededLookupKey) -> Result<Self> {
        let parameters = circuit.encoding().parts().parameters;
        if key.parameters() != parameters {
            bail!("the evaluation key is for lookups with other parameters");
        }
        let tables = circuit.layers().parts().tables.iter();
        let tables =
            tables.map(|table| LookupTable::odd(&parameters, &table.values)).collect::<Result<_>>()?;
        let last_reads = last_reads(circuit);
        Ok(Self { circuit, key: key.expand(), tables, last_reads, workspaces: Pool::default() })
    }

    /// The encrypted outputs for a block of one encrypted row that fits the encoding.
    ///
    /// # Errors
    /// If a ciphertext holds too many values, or a wire is missing: never, in checked layers.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        let parts = self.circuit.encoding().parts();
        let mut wires: Vec<Option<LweCiphertext>> = Vec::new();
        for packed in &block.ciphertexts {
            let expanded = LweCiphertext::expand(&parts.parameters, packed, parts.body_bits)?;
            wires.extend(expanded.into_iter().map(Some));
        }
        wires.truncate(parts.features);
        for (index, layer) in self.circuit.layers().parts().layers.iter().enumerate() {
            let results: Vec<Vec<LweCiphertext>> = layer
                .lookups
                .par_chunks(batch_size(layer.lookups.len()))
                .map(|lookups| self.look_up(lookups, &wires))
                .collect::<Result<_>>()?;
            wires.extend(results.into_iter().flatten().map(Some));
            for (wire, last) in wires.iter_mut().zip(&self.last_reads) {
                if *last <= index {
                    *wire = None;
                }
            }
        }
        let outputs = self.circuit.layers().parts().outputs.par_iter().map(|sum| {
            let result = weighted(&parts.parameters, sum, &wires)?.switch_modulus(parts.output_bits);
            Ok(SwitchedRing { mask: result.mask, bodies: vec![result.body] })
        });
        Ok(OutputBlock { rows: block.rows, ciphertexts: outputs.collect::<Result<_>>()? })
    }

    /// The bytes of key, tables and the wires of a row.
    pub fn memory_bytes(&self) -> usize {
        let parameters = self.circuit.encoding().parts().parameters;
        let wire = (parameters.big_dimension() + 1) * 8;
        let tables = self.tables.len() * parameters.polynomial_size() * 8;
        parameters.memory_bytes() + tables + self.last_reads.len() * wire
    }

    fn look_up(&self, lookups: &[Lookup], wires: &[Option<LweCiphertext>]) -> Result<Vec<LweCiphertext>> {
        let parameters = self.circuit.encoding().parts().parameters;
        let sums: Vec<LweCiphertext> =
            lookups.iter().map(|lookup| weighted(&parameters, &lookup.sum, wires)).collect::<Result<_>>()?;
        // Tables of checked layers exist.
        let tables: Vec<&LookupTable> =
            lookups.iter().map(|lookup| &self.tables[lookup.table as usize]).collect();
        let mut workspace = self.workspaces.take(|| LookupWorkspace::new(&parameters));
        let results = self.key.apply(&sums, &tables, &mut workspace);
        self.workspaces.give(workspace);
        Ok(results)
    }
}

/// A weighted sum of wires, all of which are still there.
fn weighted(
    parameters: &LookupParameters,
    sum: &Sum,
    wires: &[Option<LweCiphertext>],
) -> Result<LweCiphertext> {
    let mut result = LweCiphertext::trivial(parameters, sum.constant);
    for (wire, weight) in &sum.weights {
        let ciphertext = wires.get(*wire as usize).and_then(Option::as_ref);
        result.add_multiple(ciphertext.context("a sum reads a wire that is gone")?, i64::from(*weight));
    }
    Ok(result)
}

/// Parts of a layer that keep all threads equally busy.
fn batch_size(lookups: usize) -> usize {
    let threads = rayon::current_num_threads();
    let rounds = lookups.div_ceil(threads * BATCH).max(1);
    lookups.div_ceil(threads * rounds).max(1)
}

fn last_reads(circuit: &LookupCircuit) -> Vec<usize> {
    let parts = circuit.layers().parts();
    let wires = parts.inputs + circuit.layers().lookups().count();
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
