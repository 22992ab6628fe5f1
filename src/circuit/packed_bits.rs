//! The encoding of decision diagrams: the bits of rows as items of packed ring ciphertexts, or as
//! ciphertexts of their own.
//!
//! *Packed*: every bit is an item for each level of the gadget, as [`ExpansionParameters::place`] places
//! them. A block of several rows shares one ciphertext, a row in each of its parts; a wide row takes several
//! ciphertexts. *Sent*: every bit is a GGSW ciphertext made by the client: no evaluation key and a fraction
//! of the time, for megabytes a row.
//!
//! Results of a block share one ring ciphertext: output o of row r is the coefficient r·outputs + o.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Messages;
use crate::crypto::{ExpansionParameters, Gadget, Ggsw, RingParameters, noise};

const MAX_BITS: usize = 1 << 16;
const MAX_OUTPUTS: usize = 1 << 12;

/// How bits come to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transport {
    /// Packed in the coefficients of ring ciphertexts; the server expands them.
    Packed(ExpansionParameters),
    /// Each as a ciphertext that multiplies.
    Sent(RingParameters),
}

/// How the bits of rows lie in ciphertexts, on the way in, and their outputs on the way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PackedBitsParts")]
pub struct PackedBits {
    parts: PackedBitsParts,
}

/// An encoding as it is told; [`PackedBits::new`] checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedBitsParts {
    /// How bits come to the server.
    pub transport: Transport,
    /// The gadget of the ciphertexts that multiply.
    pub gadget: Gadget,
    /// The number of bits of a row.
    pub bits: usize,
    /// The number of integers that come out for a row.
    pub outputs: usize,
    /// The most rows that a block holds.
    pub rows_per_block: usize,
    /// The integers that come out.
    pub messages: Messages,
    /// The bits kept of fresh body coefficients.
    pub body_bits: u32,
    /// The bits kept of results.
    pub output_bits: u32,
}

/// Where an item of a block of rows lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which of the ciphertexts.
    pub ciphertext: usize,
    /// The number of the item in it.
    pub item: usize,
}

impl PackedBits {
    /// Checks an encoding.
    ///
    /// # Errors
    /// If a number lies outside what any circuit needs, or the rows do not fit.
    pub fn new(parts: PackedBitsParts) -> Result<Self> {
        let PackedBitsParts { bits, outputs, rows_per_block, messages, body_bits, output_bits, .. } = parts;
        if !(1..=MAX_BITS).contains(&bits) || !(1..=MAX_OUTPUTS).contains(&outputs) {
            bail!(
                "{bits} bits and {outputs} outputs: a row has 1 to {MAX_BITS} bits and 1 to {MAX_OUTPUTS} outputs"
            );
        }
        let message_bits = messages.bits();
        if !(message_bits..=64).contains(&output_bits) {
            bail!("messages of {message_bits} bits do not fit results of {output_bits} bits");
        }
        let finest = parts.gadget.bits();
        let steps = match &parts.transport {
            Transport::Packed(expansion) => expansion.steps().len() as u32,
            Transport::Sent(_) => 0,
        };
        if message_bits > finest || finest + steps > body_bits || body_bits > 64 {
            bail!(
                "messages of {message_bits} bits, a gadget of {finest} bits and {steps} steps of expansion do not \
                 fit bodies of {body_bits} bits"
            );
        }
        let encoding = Self { parts };
        let most = encoding.most_rows();
        if !(1..=most).contains(&rows_per_block) {
            bail!("a block holds 1 to {most} rows, not {rows_per_block}");
        }
        Ok(encoding)
    }

    /// The same encoding with as many rows in a block as share a ciphertext, up to so many.
    #[must_use]
    pub fn with_rows(mut self, most: usize) -> Self {
        self.parts.rows_per_block = self.most_rows().clamp(1, most.max(1));
        self
    }

    /// What it is made of.
    pub fn parts(&self) -> &PackedBitsParts {
        &self.parts
    }

    /// The parameters of the ciphertexts.
    pub fn parameters(&self) -> &RingParameters {
        match &self.parts.transport {
            Transport::Packed(expansion) => expansion.ring(),
            Transport::Sent(ring) => ring,
        }
    }

    /// The parameters of the evaluation key, if one is needed.
    pub fn expansion(&self) -> Option<&ExpansionParameters> {
        match &self.parts.transport {
            Transport::Packed(expansion) => Some(expansion),
            Transport::Sent(_) => None,
        }
    }

    /// The gadget of the ciphertexts that multiply.
    pub fn gadget(&self) -> Gadget {
        self.parts.gadget
    }

    /// The number of bits of a row.
    pub fn bits(&self) -> usize {
        self.parts.bits
    }

    /// The number of integers that come out for a row.
    pub fn outputs(&self) -> usize {
        self.parts.outputs
    }

    /// The integers that come out.
    pub fn messages(&self) -> Messages {
        self.parts.messages
    }

    /// The bits kept of fresh body coefficients.
    pub fn body_bits(&self) -> u32 {
        self.parts.body_bits
    }

    /// The bits kept of results.
    pub fn output_bits(&self) -> u32 {
        self.parts.output_bits
    }

    /// The most rows a block holds.
    pub fn rows_per_block(&self) -> usize {
        self.parts.rows_per_block
    }

    /// The number of ciphertexts of a block of so many rows, and of body coefficients of each.
    pub fn input_shape(&self, rows: usize) -> (usize, usize) {
        match &self.parts.transport {
            Transport::Packed(expansion) => (self.ciphertexts(), expansion.ring().polynomial_size()),
            Transport::Sent(ring) => (rows * self.bits(), Ggsw::body_count(ring, self.gadget())),
        }
    }

    /// The number of results in a block of so many rows: coefficients from the constant one on.
    pub fn result_count(&self, rows: usize) -> usize {
        rows * self.outputs()
    }

    /// Where the items of a bit lie in a block: the coarsest level first, all in one ciphertext. They are
    /// expanded together up to the last steps.
    pub fn items(&self, row: usize, bit: usize) -> impl Iterator<Item = Item> + use<> {
        let per_ciphertext = self.bits_per_ciphertext();
        let ciphertext = bit / per_ciphertext;
        let first = row * self.row_items() + bit % per_ciphertext * self.bit_items();
        (first..first + self.gadget().levels()).map(move |item| Item { ciphertext, item })
    }

    /// The number of steps of expansion that separate the rows of a block.
    pub fn row_steps(&self) -> usize {
        let capacity = self.expansion().map_or(1, ExpansionParameters::capacity);
        (capacity / self.row_items().min(capacity)).ilog2() as usize
    }

    /// Whether bits that are read only are not expanded: where a single number comes out, other coefficients
    /// may hold anything, so a packed ciphertext is turned until the item lies in the first one.
    pub fn reads_in_place(&self) -> bool {
        self.expansion().is_some() && self.outputs() == 1 && self.rows_per_block() == 1
    }

    /// The level of the items that are read, counted from the coarsest: the coarsest that is no coarser than a
    /// message, since its noise counts least.
    pub fn read_level(&self) -> usize {
        let bits = self.messages().bits().saturating_sub(self.log2_read_divisor());
        bits.div_ceil(self.gadget().log2_base()).max(1) as usize - 1
    }

    /// The torus value that one bit adds to an item that is read, as a power of two.
    pub fn log2_read_scale(&self) -> u32 {
        64 - self.gadget().log2_base() * (self.read_level() as u32 + 1) - self.log2_read_divisor()
    }

    /// Where the item that is read of a bit lies, in the first row of a block.
    pub fn read_item(&self, bit: usize) -> Option<Item> {
        self.items(0, bit).nth(self.read_level())
    }

    /// Packed items are divided by what expansion will multiply them with.
    fn log2_read_divisor(&self) -> u32 {
        match self.expansion() {
            Some(expansion) if self.reads_in_place() => expansion.steps().len() as u32,
            Some(_) | None => 0,
        }
    }

    /// The variance of the items of an expanded row, or of the body rows that a client sends.
    pub fn item_variance(&self) -> f64 {
        match &self.parts.transport {
            Transport::Packed(expansion) => noise::expansion(expansion, self.fresh_variance()),
            Transport::Sent(_) => self.fresh_variance(),
        }
    }

    /// The variance of what is read of one bit.
    pub fn read_variance(&self) -> f64 {
        if self.reads_in_place() { self.fresh_variance() } else { self.item_variance() }
    }

    fn fresh_variance(&self) -> f64 {
        noise::encryption(self.parameters()) + noise::rounding(self.body_bits())
    }

    /// The variance that a product with a sum of so many bits adds.
    pub fn product_variance(&self, terms: usize) -> f64 {
        let (ring, gadget) = (self.parameters(), self.gadget());
        let body_row = self.item_variance() * terms as f64;
        match &self.parts.transport {
            Transport::Packed(expansion) => {
                let mask_row = noise::scheme_switch(expansion, body_row);
                noise::external_product(ring, gadget, body_row, mask_row)
            }
            Transport::Sent(_) => {
                // They are added up as they are, transformed.
                let more = terms.saturating_sub(1) as f64 * noise::transform(ring, gadget);
                noise::external_product(ring, gadget, body_row, body_row) + more
            }
        }
    }

    /// The variance that the modulus switch of results adds.
    pub fn switch_variance(&self) -> f64 {
        noise::modulus_switch(self.parameters(), self.output_bits())
    }

    /// The ciphertexts that one row takes up, whole or in part.
    fn ciphertexts(&self) -> usize {
        self.bits().div_ceil(self.bits_per_ciphertext())
    }

    fn bits_per_ciphertext(&self) -> usize {
        let capacity = self.expansion().map_or(usize::MAX, ExpansionParameters::capacity);
        (capacity / self.bit_items()).min(self.bits())
    }

    /// The items from one bit to the next: a power of two, so that a bit lies in one part at every step.
    fn bit_items(&self) -> usize {
        self.gadget().levels().next_power_of_two()
    }

    /// The items from one row to the next: a power of two, so that rows part early in the expansion.
    fn row_items(&self) -> usize {
        (self.bits_per_ciphertext() * self.bit_items()).next_power_of_two()
    }

    fn most_rows(&self) -> usize {
        let results = self.parameters().polynomial_size() / self.outputs();
        match self.expansion() {
            Some(expansion) if self.ciphertexts() == 1 => {
                results.min(expansion.capacity() / self.row_items())
            }
            Some(_) | None => results.min(1),
        }
    }
}

impl TryFrom<PackedBitsParts> for PackedBits {
    type Error = anyhow::Error;

    fn try_from(parts: PackedBitsParts) -> Result<Self> {
        Self::new(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bits: usize, rows_per_block: usize) -> PackedBitsParts {
        let ring = RingParameters::secure(4096).unwrap();
        PackedBitsParts {
            transport: Transport::Packed(ExpansionParameters::balanced(ring, 12, 20.0).unwrap()),
            gadget: Gadget::new(13, 2).unwrap(),
            bits,
            outputs: 3,
            rows_per_block,
            messages: Messages::new(13).unwrap(),
            body_bits: 54,
            output_bits: 20,
        }
    }

    #[test]
    fn rows_share_a_ciphertext() {
        let encoding = PackedBits::new(parts(20, 64)).unwrap();
        assert_eq!((encoding.input_shape(64), encoding.row_steps()), ((1, 4096), 6));
        let items: Vec<usize> = encoding.items(3, 7).map(|item| item.item).collect();
        assert_eq!(items, [3 * 64 + 14, 3 * 64 + 15]);
        let message = PackedBits::new(parts(20, 65)).unwrap_err().to_string();
        assert_eq!(message, "a block holds 1 to 64 rows, not 65");
    }

    #[test]
    fn a_wide_row_takes_several_ciphertexts() {
        let encoding = PackedBits::new(parts(5000, 1)).unwrap();
        assert_eq!((encoding.input_shape(1), encoding.row_steps()), ((3, 4096), 0));
        let last = encoding.items(0, 4999).last();
        assert_eq!(last, Some(Item { ciphertext: 2, item: 2 * (4999 - 4096) + 1 }));
        assert!(PackedBits::new(parts(5000, 2)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(
            PackedBits::new(PackedBitsParts { messages: Messages::new(27).unwrap(), ..parts(9, 1) }).is_err()
        );
        assert!(PackedBits::new(PackedBitsParts { body_bits: 37, ..parts(9, 1) }).is_err());
        assert!(PackedBits::new(parts(0, 1)).is_err());
    }
}
