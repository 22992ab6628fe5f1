//! Decision diagrams: bits are expanded into ciphertexts that multiply, then nodes are chosen from the
//! bottom up.
//!
//! Everything stays in the first coefficients: an expanded bit is a constant polynomial, a leaf a polynomial
//! with a coefficient for each output. So the outputs of all rows of a block fit one result.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{DiagramCircuit, InputBlock, Linear, OutputBlock, PackedBits, Schedule, Selector, Step};
use crate::crypto::{
    Expander, ExpansionKey, Ggsw, Pool, RingCiphertext, RingWorkspace, SeededRing,
};

/// A circuit made ready to run.
pub struct DiagramEvaluator {
    encoding: PackedBits,
    selectors: Vec<Selector>,
    schedule: Schedule,
    expander: Option<Expander>,
    needs: Needs,
    workspaces: Pool<RingWorkspace>,
    rooms: Pool<Vec<Ggsw>>,
}

/// The items of one row that are needed, in the order of expansion.
struct Needs {
    /// For each ciphertext of a block, in rising order, the items within a row's part.
    items: Vec<Vec<usize>>,
    /// For each needed bit, where its items are in the flat list of all expanded ones.
    places: BTreeMap<u32, Vec<usize>>,
}

/// The selectors of a row, ready for use.
struct Row {
    /// The place of each selector among those that multiply.
    factors: Vec<Ggsw>,
    reads: Vec<RingCiphertext>,
}

impl DiagramEvaluator {
    /// Prepares diagrams; a key is needed if bits come packed.
    ///
    /// # Errors
    /// If the key is missing or has other parameters.
    pub fn new(circuit: &DiagramCircuit, key: Option<&ExpansionKey>) -> Result<Self> {
        let encoding = circuit.encoding().clone();
        let expander = match (encoding.expansion(), key) {
            (None, _) => None,
            (Some(expansion), Some(key)) if key.parameters() == expansion => Some(key.expand()),
            (Some(_), Some(_)) => bail!("the evaluation key has other parameters than the circuit"),
            (Some(_), None) => bail!("the circuit needs an evaluation key"),
        };
        let schedule = Schedule::new(circuit.diagrams());
        let selectors = circuit.diagrams().parts().selectors.clone();
        let needs = Needs::new(&encoding, &schedule, &selectors);
        Ok(Self {
            encoding,
            selectors,
            schedule,
            expander,
            needs,
            workspaces: Pool::default(),
            rooms: Pool::default(),
        })
    }
}
