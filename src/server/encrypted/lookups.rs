//! Layers of weighted sums and lookups on the LWE ciphertexts of a row.

use anyhow::{Result, bail};
use rayon::prelude::*;

use super::wires::{WirePlan, Wires};
use crate::circuit::{InputBlock, Lookup, LookupCircuit, OutputBlock};
use crate::crypto::{
    LookupKey, LookupTable, LookupWorkspace, LweCiphertext, Pool, SeededLookupKey, SwitchedRing,
};

/// The most lookups that read the key once.
const BATCH: usize = 32;

/// A circuit made ready to run.
pub struct LookupEvaluator<'a> {
    circuit: &'a LookupCircuit,
    key: LookupKey,
    tables: Vec<LookupTable>,
    plan: WirePlan,
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
        let plan = WirePlan::new(circuit);
        Ok(Self { circuit, key: key.expand(), tables, plan, workspaces: Pool::default() })
    }

    /// The encrypted outputs for a block of one encrypted row that fits the encoding.
    ///
    /// # Errors
    /// If a ciphertext holds too many values, or a wire is missing: never, in checked layers.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        let parts = self.circuit.encoding().parts();
        let mut inputs: Vec<LweCiphertext> = Vec::new();
        for packed in &block.ciphertexts {
            inputs.extend(LweCiphertext::expand(&parts.parameters, packed, parts.body_bits)?);
        }
        inputs.truncate(parts.features);
        let mut wires = Wires::new(&self.plan, parts.parameters, inputs);
        let mut first_sum = 0;
        for (index, layer) in self.circuit.layers().parts().layers.iter().enumerate() {
            let (mut batches, mut places) = (Vec::new(), (first_sum, wires.len()));
            for lookups in layer.lookups.chunks(batch_size(layer.lookups.len())) {
                batches.push((lookups, places));
                places.0 += lookups.len();
                places.1 += lookups.iter().map(Lookup::results).sum::<usize>();
            }
            let results: Vec<Vec<Option<LweCiphertext>>> = batches
                .into_par_iter()
                .map(|(lookups, places)| self.look_up(lookups, places, &wires))
                .collect::<Result<_>>()?;
            wires.end_layer(index, results.into_iter().flatten());
            first_sum += layer.lookups.len();
        }
        let outputs = self.circuit.layers().parts().outputs.par_iter().enumerate().map(|(place, sum)| {
            let result = wires.sum(first_sum + place, sum)?.switch_modulus(parts.output_bits);
            Ok(SwitchedRing { mask: result.mask, bodies: vec![result.body] })
        });
        Ok(OutputBlock { rows: block.rows, ciphertexts: outputs.collect::<Result<_>>()? })
    }

    /// The bytes of key, tables, the wires of a row and the results of a batch on each thread.
    pub fn memory_bytes(&self) -> usize {
        let parameters = self.circuit.encoding().parts().parameters;
        let ciphertext = (parameters.big_dimension() + 1) * 8;
        let tables = self.tables.len() * parameters.polynomial_size() * 8;
        let results = self.circuit.layers().lookups().map(Lookup::results).max().unwrap_or(0);
        let batches = rayon::current_num_threads() * BATCH * results;
        parameters.memory_bytes() + tables + (self.plan.ciphertexts() + batches) * ciphertext
    }

    /// Looks up a batch, whose first sum and first result have these places.
    fn look_up(
        &self,
        lookups: &[Lookup],
        (first_sum, first_wire): (usize, usize),
        wires: &Wires<'_>,
    ) -> Result<Vec<Option<LweCiphertext>>> {
        let parameters = self.circuit.encoding().parts().parameters;
        let sums = (first_sum..).zip(lookups).map(|(place, lookup)| wires.sum(place, &lookup.sum));
        let sums: Vec<LweCiphertext> = sums.collect::<Result<_>>()?;
        // Tables of checked layers exist.
        let tables: Vec<&LookupTable> =
            lookups.iter().map(|lookup| &self.tables[lookup.table as usize]).collect();
        // A rotation has 2N places.
        let shift = 63 - parameters.polynomial_size().ilog2();
        let offsets = lookups
            .iter()
            .map(|lookup| lookup.offsets.iter().map(|offset| (offset >> shift) as usize).collect::<Vec<_>>());
        let offsets: Vec<Vec<usize>> = offsets.collect();
        let offsets: Vec<&[usize]> = offsets.iter().map(Vec::as_slice).collect();
        let mut workspace = self.workspaces.take(|| LookupWorkspace::new(&parameters));
        let results = self.key.apply_at(&sums, &tables, &offsets, &mut workspace);
        self.workspaces.give(workspace);
        Ok(wires.add_up(first_wire, results.into_iter().flatten().collect()))
    }
}

/// Parts of a layer that keep all threads equally busy.
fn batch_size(lookups: usize) -> usize {
    let threads = rayon::current_num_threads();
    let rounds = lookups.div_ceil(threads * BATCH).max(1);
    lookups.div_ceil(threads * rounds).max(1)
}
