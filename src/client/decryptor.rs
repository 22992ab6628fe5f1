//! Encrypted results to rows of integers.

use anyhow::{Result, bail};

use crate::circuit::{OutputBlock, PackedRows};
use crate::crypto::{RingDecryptor, SecretKey};

/// Decrypts the results of one circuit's encoding.
pub struct Decryptor {
    key: RingDecryptor,
    encoding: PackedRows,
}

impl Decryptor {
    /// A decryptor under the key that the rows were encrypted with.
    ///
    /// # Errors
    /// If the key was made for other parameters.
    pub fn new(key: &SecretKey, encoding: PackedRows) -> Result<Self> {
        super::check_parameters(key, &encoding)?;
        Ok(Self { key: RingDecryptor::new(key)?, encoding })
    }

    /// The outputs of each row of a block.
    ///
    /// # Errors
    /// If the block does not fit the encoding.
    pub fn decrypt(&self, block: &OutputBlock) -> Result<Vec<Vec<i64>>> {
        let layout = self.encoding.layout(block.rows);
        let groups: Vec<_> = layout.groups().collect();
        if groups.len() != block.ciphertexts.len() {
            bail!(
                "a block of {} rows has {} results, this one {}",
                block.rows,
                groups.len(),
                block.ciphertexts.len()
            );
        }
        let mut rows = vec![Vec::with_capacity(self.encoding.outputs()); block.rows];
        for (outputs, ciphertext) in groups.iter().zip(&block.ciphertexts) {
            let positions = layout.output_positions(outputs.len());
            let values = self.key.decrypt(ciphertext, self.encoding.output_bits(), &positions);
            for (row, values) in rows.iter_mut().zip(values.chunks(outputs.len())) {
                row.extend(values.iter().map(|value| self.encoding.decode(*value)));
            }
        }
        Ok(rows)
    }
}
