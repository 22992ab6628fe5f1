//! The lookups of one parameter set: its key, and the tables of the layers that use it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::circuit::{Lookup, LookupCircuit};
use crate::crypto::{
    LookupKey, LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, Pool, SeededLookupKey,
};

/// A parameter set made ready to look up.
pub struct LookupSet {
    parameters: LookupParameters,
    key: LookupKey,
    /// Tables by their places in the circuit.
    tables: BTreeMap<u32, LookupTable>,
    workspaces: Pool<LookupWorkspace>,
}

impl LookupSet {
    /// Prepares the key and the tables of the set at this place of a circuit.
    ///
    /// # Errors
    /// If a table does not fit the ring: never, in a checked circuit.
    pub fn new(circuit: &LookupCircuit, place: usize, key: &SeededLookupKey) -> Result<Self> {
        let (parts, parameters) = (circuit.layers().parts(), key.parameters());
        let mut tables = BTreeMap::new();
        let layers = parts.layers.iter().filter(|layer| layer.set as usize == place);
        for Lookup { table, .. } in layers.flat_map(|layer| &layer.lookups) {
            if !tables.contains_key(table) {
                // Tables of checked layers exist.
                let values = &parts.tables[*table as usize].values;
                tables.insert(*table, LookupTable::odd(&parameters, values)?);
            }
        }
        Ok(Self { parameters, key: key.expand(), tables, workspaces: Pool::default() })
    }

    /// The results of each lookup for its sum: one for each offset.
    ///
    /// # Errors
    /// If a table is missing: never, for lookups of layers that use this set.
    pub fn look_up(&self, sums: &[LweCiphertext], lookups: &[&Lookup]) -> Result<Vec<Vec<LweCiphertext>>> {
        let table = |lookup: &&Lookup| self.tables.get(&lookup.table).context("a table is missing");
        let tables: Vec<&LookupTable> = lookups.iter().map(table).collect::<Result<_>>()?;
        // A rotation has 2N places.
        let shift = 63 - self.parameters.polynomial_size().ilog2();
        let places =
            |lookup: &&Lookup| lookup.offsets.iter().map(|offset| (offset >> shift) as usize).collect();
        let offsets: Vec<Vec<usize>> = lookups.iter().map(places).collect();
        let offsets: Vec<&[usize]> = offsets.iter().map(Vec::as_slice).collect();
        Ok(self.workspaces.lend(
            || LookupWorkspace::new(&self.parameters),
            |workspace| self.key.apply_at(sums, &tables, &offsets, workspace),
        ))
    }

    /// The parameters.
    pub fn parameters(&self) -> &LookupParameters {
        &self.parameters
    }

    /// The key alone.
    pub fn key(&self) -> &LookupKey {
        &self.key
    }

    /// The bytes of key and tables.
    pub fn memory_bytes(&self) -> usize {
        self.parameters.memory_bytes() + self.tables.len() * self.parameters.polynomial_size() * 8
    }
}
