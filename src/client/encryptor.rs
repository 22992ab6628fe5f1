//! Rows of integers to encrypted blocks.

use anyhow::{Result, bail};

use crate::circuit::{InputBlock, PackedRows};
use crate::crypto::SecretKey;

/// Encrypts rows for one circuit's encoding.
pub struct Encryptor<'a> {
    key: &'a SecretKey,
    encoding: PackedRows,
}

impl<'a> Encryptor<'a> {
    /// An encryptor under a key that was made for the encoding's parameters.
    ///
    /// # Errors
    /// If it was made for others.
    pub fn new(key: &'a SecretKey, encoding: PackedRows) -> Result<Self> {
        super::check_parameters(key, &encoding)?;
        Ok(Self { key, encoding })
    }

    /// Encrypts up to [`PackedRows::rows_per_block`] rows.
    ///
    /// # Errors
    /// If there are none or too many, or a row has the wrong length.
    pub fn encrypt(&self, rows: &[Vec<i64>]) -> Result<InputBlock> {
        let (most, features) = (self.encoding.rows_per_block(), self.encoding.features());
        if rows.is_empty() || rows.len() > most {
            bail!("a block holds 1 to {most} rows, not {}", rows.len());
        }
        if let Some(row) = rows.iter().find(|row| row.len() != features) {
            bail!("the circuit has {features} features, a row has {}", row.len());
        }
        let layout = self.encoding.layout(rows.len());
        let ciphertexts = layout.chunks(features).map(|chunk| {
            let mut coefficients = vec![0; layout.body_len()];
            for (index, row) in rows.iter().enumerate() {
                let start = layout.input_position(index);
                let places = coefficients[start..].iter_mut();
                places
                    .zip(&row[chunk.clone()])
                    .for_each(|(place, value)| *place = self.encoding.encode(*value));
            }
            self.key.encrypt(&coefficients, self.encoding.body_bits())
        });
        Ok(InputBlock { rows: rows.len(), ciphertexts: ciphertexts.collect() })
    }
}
