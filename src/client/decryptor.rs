//! Encrypted results to rows of integers.

use anyhow::{Result, bail};

use crate::circuit::{Encoding, OutputBlock, PackedBits, PackedRows};
use crate::crypto::{RingDecryptor, SecretKey};

/// Decrypts the results of one circuit's encoding.
pub struct Decryptor {
    key: RingDecryptor,
    encoding: Encoding,
}

impl Decryptor {
    /// A decryptor under the key that the rows were encrypted with.
    ///
    /// # Errors
    /// If the key was made for other parameters.
    pub fn new(key: &SecretKey, encoding: Encoding) -> Result<Self> {
        super::check_parameters(key, &encoding)?;
        Ok(Self { key: RingDecryptor::new(key)?, encoding })
    }

    /// The outputs of each row of a block.
    ///
    /// # Errors
    /// If the block does not fit the encoding.
    pub fn decrypt(&self, block: &OutputBlock) -> Result<Vec<Vec<i64>>> {
        let expected = self.encoding.output_shape(block.rows).len();
        if block.ciphertexts.len() != expected {
            bail!(
                "a block of {} rows has {expected} results, this one {}",
                block.rows,
                block.ciphertexts.len()
            );
        }
        Ok(match &self.encoding {
            Encoding::Rows(encoding) => self.integers(encoding, block),
            Encoding::Bits(encoding) => self.first_coefficients(encoding, block),
        })
    }

    /// A result for each group of outputs, with a coefficient for each row and output.
    fn integers(&self, encoding: &PackedRows, block: &OutputBlock) -> Vec<Vec<i64>> {
        let layout = encoding.layout(block.rows);
        let mut rows = vec![Vec::with_capacity(encoding.outputs()); block.rows];
        for (outputs, ciphertext) in layout.groups().zip(&block.ciphertexts) {
            let positions = layout.output_positions(outputs.len());
            let values = self.key.decrypt(ciphertext, encoding.output_bits(), &positions);
            for (row, values) in rows.iter_mut().zip(values.chunks(outputs.len())) {
                row.extend(values.iter().map(|value| encoding.messages().decode(*value)));
            }
        }
        rows
    }

    /// One result for all rows.
    fn first_coefficients(&self, encoding: &PackedBits, block: &OutputBlock) -> Vec<Vec<i64>> {
        let positions: Vec<usize> = (0..encoding.result_count(block.rows)).collect();
        let decrypt = |result| self.key.decrypt(result, encoding.output_bits(), &positions);
        let values: Vec<u64> = block.ciphertexts.iter().flat_map(decrypt).collect();
        let row = |values: &[u64]| values.iter().map(|value| encoding.messages().decode(*value)).collect();
        values.chunks(encoding.outputs()).map(row).collect()
    }
}
