//! The encoding of linear circuits: rows of integers as coefficients of ring ciphertexts.
//!
//! A block holds up to [`PackedRows::rows_per_block`] rows. Feature i of row r is the coefficient
//! `offset + r·stride + i`; multiplied by the reversed weights, the coefficient `offset + r·stride +
//! (m+1)·F − 1` of the product holds output m of the row, for the m-th of a *group* of outputs that
//! share one result ciphertext. With one output a group, rows lie side by side; a block of few rows
//! spreads them out instead and gets all its outputs in fewer, so smaller, results. Rows wider than
//! the ring are cut into chunks, one ciphertext each.

use std::ops::Range;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Messages;
use super::encoding::{COUNT_BYTES, SEED_BYTES};
use crate::crypto::{RingParameters, noise, packed_bytes};

const MAX_FEATURES: usize = 1 << 20;
const MAX_OUTPUTS: usize = 1 << 16;

/// How rows lie in ciphertexts, on the way in and out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PackedRows {
    parameters: RingParameters,
    features: usize,
    outputs: usize,
    messages: Messages,
    body_bits: u32,
    output_bits: u32,
}

#[derive(Deserialize)]
struct Unchecked {
    parameters: RingParameters,
    features: usize,
    outputs: usize,
    messages: Messages,
    body_bits: u32,
    output_bits: u32,
}

/// Where the rows of one block lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    rows: usize,
    outputs: usize,
    chunk: usize,
    chunks: usize,
    group: usize,
}

impl PackedRows {
    /// An encoding of `features` integers in and `outputs` integers out; fresh bodies are rounded to `body_bits`, results to `output_bits` bits.
    ///
    /// # Errors
    /// If a number lies outside what any circuit needs.
    pub fn new(
        parameters: RingParameters,
        (features, outputs): (usize, usize),
        messages: Messages,
        body_bits: u32,
        output_bits: u32,
    ) -> Result<Self> {
        Self::try_from(Unchecked { parameters, features, outputs, messages, body_bits, output_bits })
    }

    /// The parameters of the ciphertexts.
    pub fn parameters(&self) -> &RingParameters {
        &self.parameters
    }

    /// The number of integers in a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The number of integers that come out for a row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The integers that come out.
    pub fn messages(&self) -> Messages {
        self.messages
    }

    /// The bits kept of fresh body coefficients.
    pub fn body_bits(&self) -> u32 {
        self.body_bits
    }

    /// The bits kept of results.
    pub fn output_bits(&self) -> u32 {
        self.output_bits
    }

    /// The predicted variance of the noise of an output whose weights have this squared 2-norm.
    pub fn noise_variance(&self, squared_norm2: f64) -> f64 {
        let fresh = noise::encryption(&self.parameters) + noise::rounding(self.body_bits);
        noise::weighted_sum(squared_norm2, fresh) + noise::modulus_switch(&self.parameters, self.output_bits)
    }

    /// The most rows a block holds.
    pub fn rows_per_block(&self) -> usize {
        self.parameters.polynomial_size() / self.chunk()
    }

    /// Where rows and results lie in a block of so many rows: the layout of the fewest bytes.
    pub fn layout(&self, rows: usize) -> Layout {
        let widest = (self.parameters.polynomial_size() / self.chunk() + 1) / (rows + 1);
        let layout = |group| Layout {
            rows,
            outputs: self.outputs,
            chunk: self.chunk(),
            chunks: self.features.div_ceil(self.chunk()),
            group,
        };
        (1..=widest.clamp(1, self.outputs))
            .map(layout)
            .min_by_key(|layout| self.input_bytes(layout) + self.output_bytes(layout))
            .unwrap_or_else(|| layout(1))
    }

    fn chunk(&self) -> usize {
        let chunks = self.features.div_ceil(self.parameters.polynomial_size());
        self.features.div_ceil(chunks)
    }

    fn input_bytes(&self, layout: &Layout) -> usize {
        COUNT_BYTES + layout.chunks * (SEED_BYTES + packed_bytes(layout.body_len(), self.body_bits))
    }

    fn output_bytes(&self, layout: &Layout) -> usize {
        let mask = packed_bytes(self.parameters.polynomial_size(), self.output_bits);
        let bodies = |group: Range<usize>| packed_bytes(layout.rows * group.len(), self.output_bits);
        COUNT_BYTES + layout.groups().map(|group| mask + bodies(group)).sum::<usize>()
    }
}

impl TryFrom<Unchecked> for PackedRows {
    type Error = anyhow::Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        let Unchecked { parameters, features, outputs, messages, body_bits, output_bits } = unchecked;
        let message_bits = messages.bits();
        if !(1..=MAX_FEATURES).contains(&features) || !(1..=MAX_OUTPUTS).contains(&outputs) {
            bail!(
                "{features} features and {outputs} outputs: a row has 1 to {MAX_FEATURES} features and 1 to {MAX_OUTPUTS} outputs"
            );
        }
        if !(message_bits..=64).contains(&output_bits) {
            bail!("messages of {message_bits} bits do not fit results of {output_bits} bits");
        }
        if !(message_bits..=64).contains(&body_bits) {
            bail!("messages of {message_bits} bits do not fit bodies of {body_bits} bits");
        }
        Ok(Self { parameters, features, outputs, messages, body_bits, output_bits })
    }
}

impl Layout {
    /// The number of ciphertexts, and of body coefficients of each.
    pub(super) fn input_shape(&self) -> (usize, usize) {
        (self.chunks, self.body_len())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the weight polynomials of another layout are those of this one.
    pub fn same_weights(&self, other: &Self) -> bool {
        Self { rows: 0, ..*self } == Self { rows: 0, ..*other }
    }

    /// The features of each chunk; the last may be shorter.
    pub fn chunks(&self, features: usize) -> impl Iterator<Item = Range<usize>> {
        let chunk = self.chunk;
        (0..self.chunks).map(move |index| index * chunk..((index + 1) * chunk).min(features))
    }

    /// The outputs of each group.
    pub fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        let (group, outputs) = (self.group, self.outputs);
        (0..outputs.div_ceil(group)).map(move |index| index * group..((index + 1) * group).min(outputs))
    }

    /// The coefficient of the first feature of a row's chunk.
    pub fn input_position(&self, row: usize) -> usize {
        (self.group - 1 + row * self.group) * self.chunk
    }

    /// The coefficient of the result that belongs to the `member`-th output of a group.
    pub fn output_position(&self, row: usize, member: usize) -> usize {
        self.input_position(row) + (member + 1) * self.chunk - 1
    }

    /// The exponent of the weight of the chunk's `feature` for the `member`-th output of a group.
    pub fn weight_position(&self, member: usize, feature: usize) -> usize {
        (member + 1) * self.chunk - 1 - feature
    }

    /// How many leading body coefficients the results depend on.
    pub fn body_len(&self) -> usize {
        (self.group - 1 + self.rows * self.group) * self.chunk
    }

    /// All result positions of a group with so many members, row by row.
    pub fn output_positions(&self, members: usize) -> Vec<usize> {
        let member = |row| (0..members).map(move |member| self.output_position(row, member));
        (0..self.rows).flat_map(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(features: usize, outputs: usize) -> PackedRows {
        let parameters = RingParameters::secure(2048).unwrap();
        PackedRows::new(parameters, (features, outputs), Messages::new(30).unwrap(), 50, 40).unwrap()
    }

    #[test]
    fn full_blocks_hold_as_many_rows_as_fit() {
        assert_eq!(encoding(30, 1).rows_per_block(), 68);
        assert_eq!(encoding(2048, 1).rows_per_block(), 1);
        assert_eq!(encoding(5000, 1).rows_per_block(), 1);
    }

    #[test]
    fn a_single_row_gets_its_outputs_in_one_result() {
        let layout = encoding(64, 10).layout(1);
        assert_eq!(layout.groups().count(), 1);
        assert!(layout.body_len() <= 2048);
    }

    #[test]
    fn results_lie_inside_the_body() {
        for (features, outputs, rows) in [(30, 3, 68), (30, 3, 1), (30, 3, 20), (64, 10, 2), (1, 1, 2048)] {
            let layout = encoding(features, outputs).layout(rows);
            let members = layout.groups().next().unwrap().len();
            let last = layout.output_position(rows - 1, members - 1);
            assert!(last < layout.body_len() && layout.body_len() <= 2048, "{features} {outputs} {rows}");
        }
    }
}
