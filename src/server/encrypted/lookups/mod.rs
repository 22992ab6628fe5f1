//! Layers of weighted sums and lookups on the LWE ciphertexts of a group of rows.
//!
//! The lookups of a layer in all rows of the group are cut into batches together, so that layers narrower than the
//! machine fill it too. After each layer a group can be laid down and gone on with.

mod group;
mod wires;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{InputBlock, Lookup, LookupCircuit, OutputBlock, Sum};
use crate::crypto::{
    LookupKey, LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, Pool, SeededLookupKey,
    SwitchedRing, WeightedSum,
};
use crate::progress::Progress;
pub use group::LayerTimes;
pub use wires::Wires;
use wires::last_reads;

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
        let last_reads = last_reads(circuit.layers());
        Ok(Self { circuit, key: key.expand(), tables, last_reads, workspaces: Pool::default() })
    }

    /// The wires of the inputs of blocks that fit the encoding.
    ///
    /// # Errors
    /// If a ciphertext holds too many values: never, in a block that fits.
    pub fn begin(&self, blocks: &[InputBlock]) -> Result<Wires> {
        let parts = self.circuit.encoding().parts();
        let inputs = blocks.par_iter().map(|block| {
            let mut wires = Vec::new();
            for packed in &block.ciphertexts {
                wires.extend(LweCiphertext::expand(&parts.parameters, packed, parts.body_bits)?);
            }
            wires.truncate(parts.features);
            Ok(wires)
        });
        Ok(Wires::of_inputs(inputs.collect::<Result<_>>()?))
    }

    /// Evaluates the next layer; whether there was one. Every lookup is a step of progress.
    ///
    /// # Errors
    /// If a wire is missing: never, in checked layers.
    pub fn step(&self, wires: &mut Wires, progress: &dyn Progress) -> Result<bool> {
        let Some(layer) = self.circuit.layers().parts().layers.get(wires.layers()) else { return Ok(false) };
        let rows = wires.rows();
        let lookups: Vec<(usize, &Lookup)> =
            (0..rows.len()).flat_map(|row| layer.lookups.iter().map(move |lookup| (row, lookup))).collect();
        let batches = lookups.par_chunks(group::batch_size(lookups.len())).map(|batch| {
            let results = self.look_up(batch, rows)?;
            progress.advance(batch.len() as u64);
            Ok(results)
        });
        let results: Vec<Vec<LweCiphertext>> = batches.collect::<Result<_>>()?;
        wires.extend(results.into_iter().flatten(), layer.lookups.len(), &self.last_reads);
        Ok(true)
    }

    /// The encrypted outputs of each row, after the last layer.
    ///
    /// # Errors
    /// If a wire is missing: never, in checked layers.
    pub fn finish(&self, wires: &Wires) -> Result<Vec<OutputBlock>> {
        let parts = self.circuit.encoding().parts();
        let sums = &self.circuit.layers().parts().outputs;
        let blocks = wires.rows().par_iter().map(|row| {
            let sums: Vec<_> = sums.iter().map(|sum| (sum, row.as_slice())).collect();
            let results = weighted(&parts.parameters, &sums)?.into_iter().map(|sum| {
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
        Wires::from_bytes(self.circuit, &self.last_reads, bytes)
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

    /// The bytes of key, tables and the wires of the rows at work.
    pub fn memory_bytes(&self) -> usize {
        let parameters = self.circuit.encoding().parts().parameters;
        let tables = self.tables.len() * parameters.polynomial_size() * 8;
        parameters.memory_bytes() + tables + self.rows_at_once() * self.row_bytes()
    }

    /// What layers of this circuit take on this machine.
    ///
    /// # Errors
    /// If a batch has no room in a packed ciphertext: never, with secure parameters.
    pub fn measure(&self) -> Result<LayerTimes> {
        LayerTimes::measure(self.circuit, &self.key)
    }

    /// The bytes of the most wires of a row that live at once.
    fn row_bytes(&self) -> usize {
        let parts = self.circuit.encoding().parts();
        wires::most_alive(self.circuit.layers(), &self.last_reads)
            * (parts.parameters.big_dimension() + 1)
            * 8
    }

    fn look_up(
        &self,
        batch: &[(usize, &Lookup)],
        rows: &[Vec<Option<LweCiphertext>>],
    ) -> Result<Vec<LweCiphertext>> {
        let parameters = self.circuit.encoding().parts().parameters;
        // The rows of a batch are those of the group.
        let sums: Vec<_> = batch.iter().map(|(row, lookup)| (&lookup.sum, rows[*row].as_slice())).collect();
        let sums = weighted(&parameters, &sums)?;
        // Tables of checked layers exist.
        let tables: Vec<&LookupTable> =
            batch.iter().map(|(_, lookup)| &self.tables[lookup.table as usize]).collect();
        let mut workspace = self.workspaces.take(|| LookupWorkspace::new(&parameters));
        let results = self.key.apply(&sums, &tables, &mut workspace);
        self.workspaces.give(workspace);
        Ok(results)
    }
}

/// Weighted sums of wires of rows, all of which are still there.
fn weighted(
    parameters: &LookupParameters,
    sums: &[(&Sum, &[Option<LweCiphertext>])],
) -> Result<Vec<LweCiphertext>> {
    let sums = sums.iter().map(|(sum, wires)| {
        let terms = sum.weights.iter().map(|(wire, weight)| {
            let ciphertext = wires.get(*wire as usize).and_then(Option::as_ref);
            Ok((ciphertext.context("a sum reads a wire that is gone")?, i64::from(*weight)))
        });
        Ok(WeightedSum { constant: sum.constant, terms: terms.collect::<Result<_>>()? })
    });
    let sums: Vec<WeightedSum<'_>> = sums.collect::<Result<_>>()?;
    Ok(LweCiphertext::weighted_sums(parameters, &sums))
}
