//! Decision diagrams: bits become ciphertexts that multiply, then nodes choose from the bottom up.
//!
//! Everything stays in the first coefficients: an expanded bit is a constant polynomial, a leaf has a
//! coefficient for each output. So the outputs of all rows of a block fit one result.

mod expanded;
mod selectors;
mod sent;
mod walker;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use crate::circuit::{DiagramCircuit, InputBlock, OutputBlock, PackedBits, Schedule, Transport};
use crate::crypto::{ExpansionKey, ProductSum, RingCiphertext, RingWorkspace};
use expanded::Expanded;
use selectors::{Rooms, Selectors, Values};
use sent::Sent;
use walker::{Spare, Walker};

/// Rows whose ciphertexts take more bytes are evaluated one after the other, by all threads.
const MAX_ROW_BYTES: usize = 48 << 20;

/// A circuit made ready to run.
pub struct DiagramEvaluator {
    encoding: PackedBits,
    schedule: Schedule,
    selectors: Selectors,
    source: Source,
}

/// How the bits of a row become ciphertexts that multiply.
enum Source {
    Expanded(Box<Expanded>),
    Sent(Sent),
}

impl DiagramEvaluator {
    /// Prepares diagrams; a key is needed if bits come packed.
    ///
    /// # Errors
    /// If the key is missing or has other parameters.
    pub fn new(circuit: &DiagramCircuit, key: Option<&ExpansionKey>) -> Result<Self> {
        let encoding = circuit.encoding().clone();
        let schedule = Schedule::new(circuit.diagrams());
        let selectors = Selectors::new(&encoding, circuit.diagrams(), &schedule);
        let source = match (&encoding.parts().transport, key) {
            (Transport::Sent(_), _) => Source::Sent(Sent),
            (Transport::Packed(expansion), Some(key)) if key.parameters() == expansion => {
                Source::Expanded(Box::new(Expanded::new(&encoding, key, &selectors)))
            }
            (Transport::Packed(_), Some(_)) => {
                bail!("the evaluation key has other parameters than the circuit")
            }
            (Transport::Packed(_), None) => bail!("the circuit needs an evaluation key"),
        };
        Ok(Self { encoding, schedule, selectors, source })
    }

    /// The encrypted outputs for a block of encrypted rows that fits the encoding.
    ///
    /// # Errors
    /// If the expansion refuses the ciphertexts.
    pub fn evaluate(&self, block: &InputBlock) -> Result<OutputBlock> {
        let rows = match &self.source {
            Source::Expanded(expanded) => {
                let parts = expanded.rows(block)?;
                self.rows(parts, |parts, rooms| {
                    Ok(self.outputs(&expanded.values(parts, &self.selectors, rooms)?))
                })?
            }
            Source::Sent(sent) => {
                let parts = block.ciphertexts.chunks(self.encoding.bits()).collect();
                self.rows(parts, |parts, rooms| {
                    Ok(self.outputs(&sent.values(parts, &self.selectors, rooms)?))
                })?
            }
        };
        let size = self.encoding.parameters().polynomial_size();
        let mut results = RingCiphertext::zero(size);
        for (row, outputs) in rows.iter().enumerate() {
            results.add_multiple(outputs, row * self.encoding.outputs(), 1);
        }
        let positions: Vec<usize> = (0..self.encoding.result_count(block.rows)).collect();
        let result = results.switch_modulus(self.encoding.output_bits(), &positions);
        Ok(OutputBlock { rows: block.rows, ciphertexts: vec![result] })
    }

    /// The bytes of the evaluation key in the form that computes, and of the ciphertexts of the rows at work.
    pub fn memory_bytes(&self) -> usize {
        let key = self.encoding.expansion().map_or(0, |expansion| 5 * expansion.key_bytes());
        key + self.rows_at_once() * self.selectors.row_bytes()
    }

    /// How many rows are evaluated at once. All threads share the work of one that takes much memory.
    pub fn rows_at_once(&self) -> usize {
        if self.selectors.row_bytes() > MAX_ROW_BYTES { 1 } else { rayon::current_num_threads() }
    }

    /// The outputs of each row, in its first coefficients.
    fn rows<P: Send>(
        &self,
        parts: Vec<P>,
        outputs: impl Fn(P, &Rooms<'_>) -> Result<RingCiphertext> + Sync,
    ) -> Result<Vec<RingCiphertext>> {
        let evaluate = |parts: P| self.selectors.lend(|rooms| outputs(parts, rooms));
        match self.rows_at_once() {
            1 => parts.into_iter().map(evaluate).collect(),
            _ => parts.into_par_iter().map(evaluate).collect(),
        }
    }

    /// The sum of all diagrams.
    fn outputs(&self, values: &Values<'_>) -> RingCiphertext {
        let walker = Walker::new(&self.encoding, values);
        let ring = self.encoding.parameters();
        let empty = || ProductSum::empty(ring.polynomial_size());
        let workspace = |work: &mut dyn FnMut(&mut RingWorkspace)| {
            self.selectors.workspaces().lend(|| RingWorkspace::new(ring), work);
        };
        let diagrams = self.schedule.diagrams.par_iter();
        let sums = diagrams.fold(
            || (empty(), Spare::default()),
            |(mut sum, mut spare), steps| {
                workspace(&mut |workspace| {
                    let value = walker.value(steps, &mut spare, workspace);
                    sum.add_assign(&value);
                    spare.keep(value);
                });
                (sum, spare)
            },
        );
        let sums = sums.map(|(sum, _)| sum).reduce_with(|mut sum, other| {
            sum.add_assign(&other);
            sum
        });
        let mut outputs = RingCiphertext::zero(ring.polynomial_size());
        let mut products = sums.unwrap_or_else(empty);
        workspace(&mut |workspace| products.settle(&mut outputs, workspace));
        walker.add_linear(&mut outputs, &self.schedule.rest);
        outputs
    }
}

/// What must be there is there: selectors that a schedule names are among its factors and reads.
fn found<T>(value: Option<T>) -> Result<T> {
    value.context("the schedule names a selector that was not prepared")
}
