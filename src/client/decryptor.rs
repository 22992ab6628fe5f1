//! Encrypted results to rows of integers.

use anyhow::{Result, bail};

use crate::circuit::{Encoding, OutputBlock, PackedBits, PackedRows, PackedValues};
use crate::crypto::{LookupSecretKey, RingDecryptor, Secret, SwitchedLwe};

/// Decrypts the results of one circuit's encoding.
pub struct Decryptor<'a> {
    key: Key<'a>,
    encoding: Encoding,
}

enum Key<'a> {
    Ring(Box<RingDecryptor>),
    Lookups(&'a LookupSecretKey),
}

impl<'a> Decryptor<'a> {
    /// A decryptor under the key that the rows were encrypted with.
    ///
    /// # Errors
    /// If the key was made for other parameters.
    pub fn new(key: &'a Secret, encoding: Encoding) -> Result<Self> {
        super::check_parameters(key, &encoding)?;
        let key = match key {
            Secret::Ring(key) => Key::Ring(Box::new(RingDecryptor::new(key)?)),
            Secret::Lookups(keys) => Key::Lookups(keys.first()),
            Secret::Shared(_) => bail!("the secret key is for other circuits"),
        };
        Ok(Self { key, encoding })
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
        Ok(match (&self.encoding, &self.key) {
            (Encoding::Rows(encoding), Key::Ring(key)) => integers(key, encoding, block),
            (Encoding::Bits(encoding), Key::Ring(key)) => first_coefficients(key, encoding, block),
            (Encoding::Values(encoding), Key::Lookups(key)) => values(key, encoding, block),
            (Encoding::Rows(_) | Encoding::Bits(_), Key::Lookups(_))
            | (Encoding::Values(_), Key::Ring(_)) => {
                bail!("the secret key is for other circuits")
            }
        })
    }
}

/// A result for each group of outputs, with a coefficient for each row and output.
fn integers(key: &RingDecryptor, encoding: &PackedRows, block: &OutputBlock) -> Vec<Vec<i64>> {
    let layout = encoding.layout(block.rows);
    let mut rows = vec![Vec::with_capacity(encoding.outputs()); block.rows];
    for (outputs, ciphertext) in layout.groups().zip(&block.ciphertexts) {
        let positions = layout.output_positions(outputs.len());
        let values = key.decrypt(ciphertext, encoding.output_bits(), &positions);
        for (row, values) in rows.iter_mut().zip(values.chunks(outputs.len())) {
            row.extend(values.iter().map(|value| encoding.messages().decode(*value)));
        }
    }
    rows
}

/// One result for all rows.
fn first_coefficients(key: &RingDecryptor, encoding: &PackedBits, block: &OutputBlock) -> Vec<Vec<i64>> {
    let positions: Vec<usize> = (0..encoding.result_count(block.rows)).collect();
    let decrypt = |result| key.decrypt(result, encoding.output_bits(), &positions);
    let values: Vec<u64> = block.ciphertexts.iter().flat_map(decrypt).collect();
    let row = |values: &[u64]| values.iter().map(|value| encoding.messages().decode(*value)).collect();
    values.chunks(encoding.outputs()).map(row).collect()
}

/// A result for each output.
fn values(key: &LookupSecretKey, encoding: &PackedValues, block: &OutputBlock) -> Vec<Vec<i64>> {
    let parts = encoding.parts();
    let integer = |body: u64, mask: &[u64]| {
        let result = SwitchedLwe { mask: mask.to_vec(), body };
        parts.messages.decode(key.decrypt(&result, parts.output_bits))
    };
    let ciphertexts = block.ciphertexts.iter();
    let integers =
        ciphertexts.flat_map(|result| result.bodies.iter().map(|body| integer(*body, &result.mask)));
    vec![integers.collect()]
}
