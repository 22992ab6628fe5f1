//! The live wires of a group of rows between layers.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use super::group::MAX_ROWS;
use super::plan::WirePlan;
use crate::circuit::{PackedValues, Sum};
use crate::crypto::{LookupParameters, LweCiphertext, PackedInputs, WeightedSum};

/// The bytes of each count before the words of wires.
const COUNT_BYTES: usize = 8;

/// A group of rows after some layers.
pub struct Wires {
    layers: usize,
    rows: Vec<Row>,
}

/// What is left of the wires of a row.
pub struct Row {
    inputs: PackedInputs,
    /// Results of lookups that something reads later.
    kept: Vec<Option<LweCiphertext>>,
    /// What sums have come to, where wires are added up as they appear.
    begun: Vec<Mutex<Option<LweCiphertext>>>,
}

impl Wires {
    /// Those of inputs alone.
    pub(super) fn of_inputs(plan: &WirePlan, rows: Vec<PackedInputs>) -> Self {
        let row = |inputs: PackedInputs| Row {
            inputs,
            kept: Vec::new(),
            begun: (0..plan.sums()).map(|_| Mutex::new(None)).collect(),
        };
        Self { layers: 0, rows: rows.into_iter().map(row).collect() }
    }

    /// How many layers have been evaluated.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds the wires of the next layer, row by row, and drops what was read for the last time.
    pub(super) fn extend(
        &mut self,
        plan: &WirePlan,
        mut results: impl Iterator<Item = Option<LweCiphertext>>,
    ) {
        let width = plan.wires(self.layers).len();
        self.layers += 1;
        for row in &mut self.rows {
            row.kept.extend(results.by_ref().take(width));
            for (wire, alive) in row.kept.iter_mut().zip(plan.alive(self.layers)) {
                if !alive {
                    *wire = None;
                }
            }
        }
    }

    /// What `from_bytes` needs to go on: the number of layers and of rows, then for each row its inputs, the live wires
    /// and the sums that are begun.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for count in [self.layers, self.rows.len()] {
            bytes.extend((count as u64).to_le_bytes());
        }
        for row in &self.rows {
            bytes.extend(row.inputs.words().flat_map(u64::to_le_bytes));
            let mut put = |ciphertext: &LweCiphertext| {
                bytes.extend(ciphertext.words().iter().flat_map(|word| word.to_le_bytes()));
            };
            row.kept.iter().flatten().for_each(&mut put);
            row.begun.iter().for_each(|begun| locked(begun).iter().for_each(&mut put));
        }
        bytes
    }

    /// The wires that these bytes hold.
    ///
    /// # Errors
    /// If they are not those of a group of rows of this circuit.
    pub(super) fn from_bytes(
        plan: &WirePlan,
        encoding: &PackedValues,
        most_layers: usize,
        bytes: &[u8],
    ) -> Result<Self> {
        let parameters = encoding.parts().sets.first();
        let (counts, words) =
            bytes.split_first_chunk::<{ 2 * COUNT_BYTES }>().context("wires are cut short")?;
        let (layers, rows) = counts.split_at(COUNT_BYTES);
        let count = |bytes: &[u8]| {
            bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)) as usize
        };
        let (layers, rows) = (count(layers), count(rows));
        ensure!(layers <= most_layers && rows <= MAX_ROWS, "wires of {rows} rows after {layers} layers");
        let (ciphertexts, width) = encoding.input_shape();
        let inputs = ciphertexts * PackedInputs::words_each(parameters);
        let live = plan.alive(layers).chain(plan.begun(layers)).filter(|alive| *alive).count();
        let row_bytes = 8 * (inputs + live * (parameters.big_dimension() + 1));
        ensure!(
            rows.checked_mul(row_bytes) == Some(words.len()),
            "{} bytes of wires, {rows} rows have {row_bytes} bytes each",
            words.len()
        );
        let mut words = words.chunks_exact(8).map(|word| count(word) as u64);
        let mut row = || {
            let inputs: Vec<u64> = words.by_ref().take(inputs).collect();
            let mut next =
                || LweCiphertext::from_words(words.by_ref().take(parameters.big_dimension() + 1).collect());
            Ok(Row {
                inputs: PackedInputs::from_words(parameters, width, &inputs)?,
                kept: plan.alive(layers).map(|alive| alive.then(&mut next)).collect(),
                begun: plan.begun(layers).map(|begun| Mutex::new(begun.then(&mut next))).collect(),
            })
        };
        Ok(Self { layers, rows: (0..rows).map(|_| row()).collect::<Result<_>>()? })
    }
}

impl Row {
    /// Takes the result of a lookup, the wire at this place: it comes back if it is to be kept.
    pub(super) fn take(
        &self,
        plan: &WirePlan,
        parameters: &LookupParameters,
        wire: usize,
        result: LweCiphertext,
    ) -> Option<LweCiphertext> {
        let Some(readers) = plan.readers(wire) else { return Some(result) };
        for (place, weight) in readers {
            // Places are those of sums.
            locked(&self.begun[*place])
                .get_or_insert_with(|| LweCiphertext::trivial(parameters, 0))
                .add_multiple(&result, i64::from(*weight));
        }
        None
    }

    /// The inputs.
    pub(super) fn inputs(&self) -> &PackedInputs {
        &self.inputs
    }

    /// The part of a sum that is still to be added up of results of lookups.
    ///
    /// # Errors
    /// If a wire is not there: never, in checked layers.
    pub(super) fn rest<'a>(&'a self, plan: &WirePlan, sum: &Sum) -> Result<WeightedSum<'a>> {
        let looked_up = sum.looked_up(plan.inputs()).iter();
        let kept = looked_up.filter(|(wire, _)| plan.readers(*wire as usize).is_none());
        let terms = kept.map(|(wire, weight)| {
            let ciphertext = self.kept.get(*wire as usize - plan.inputs()).and_then(Option::as_ref);
            Ok((ciphertext.context("a sum reads a wire that is gone")?, i64::from(*weight)))
        });
        Ok(WeightedSum { constant: sum.constant, terms: terms.collect::<Result<_>>()? })
    }

    /// What the sum at a place has come to already, if it is begun. It stays: a step may be taken again.
    pub(super) fn begun(&self, place: usize) -> Option<LweCiphertext> {
        locked(&self.begun[place]).clone() // places are those of sums
    }

    /// Lets the sums before this place go: they have been looked up.
    pub(super) fn forget_before(&self, place: usize) {
        self.begun.iter().take(place).for_each(|begun| drop(locked(begun).take()));
    }
}

/// What a sum has come to. It is whole after a panic elsewhere, which ends the run anyway.
fn locked(begun: &Mutex<Option<LweCiphertext>>) -> std::sync::MutexGuard<'_, Option<LweCiphertext>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}
