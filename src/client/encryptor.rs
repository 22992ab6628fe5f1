//! Rows of integers to encrypted blocks.

use anyhow::{Result, bail};
use rayon::prelude::*;

use crate::circuit::{Encoding, InputBlock, PackedBits, PackedRows, PackedValues, Transport};
use crate::crypto::{ExpansionParameters, LookupSecretKey, Secret, SecretKey, SeededRing};

/// Encrypts rows for one circuit's encoding.
pub struct Encryptor<'a> {
    key: &'a Secret,
    encoding: Encoding,
}

impl<'a> Encryptor<'a> {
    /// An encryptor under a key that was made for the encoding's parameters.
    ///
    /// # Errors
    /// If it was made for others.
    pub fn new(key: &'a Secret, encoding: Encoding) -> Result<Self> {
        super::check_parameters(key, &encoding)?;
        Ok(Self { key, encoding })
    }

    /// Encrypts up to [`Encoding::rows_per_block`] rows.
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
        let ciphertexts = match (&self.encoding, self.key) {
            (Encoding::Rows(encoding), Secret::Ring(key)) => integers(key, encoding, rows),
            (Encoding::Bits(encoding), Secret::Ring(key)) => match &encoding.parts().transport {
                Transport::Packed(expansion) => packed_bits(key, encoding, expansion, rows),
                Transport::Sent(_) => sent_bits(key, encoding, rows),
            },
            (Encoding::Values(encoding), Secret::Lookups(keys)) => values(keys.first(), encoding, rows),
            (Encoding::Rows(_) | Encoding::Bits(_), Secret::Lookups(_))
            | (Encoding::Values(_), Secret::Ring(_))
            | (_, Secret::Shared(_)) => bail!("the secret key is for other circuits"),
        };
        Ok(InputBlock { rows: rows.len(), ciphertexts })
    }
}

/// One ciphertext for each chunk of features.
fn integers(key: &SecretKey, encoding: &PackedRows, rows: &[Vec<i64>]) -> Vec<SeededRing> {
    let layout = encoding.layout(rows.len());
    let chunk = |chunk: std::ops::Range<usize>| {
        let mut coefficients = vec![0; layout.body_len()];
        for (index, row) in rows.iter().enumerate() {
            let start = layout.input_position(index);
            let places = coefficients[start..].iter_mut();
            places
                .zip(&row[chunk.clone()])
                .for_each(|(place, value)| *place = encoding.messages().encode(*value));
        }
        key.encrypt(&coefficients, encoding.body_bits())
    };
    layout.chunks(encoding.features()).map(chunk).collect()
}

/// An item for each bit and level of the gadget.
fn packed_bits(
    key: &SecretKey,
    encoding: &PackedBits,
    expansion: &ExpansionParameters,
    rows: &[Vec<i64>],
) -> Vec<SeededRing> {
    let (count, size) = encoding.input_shape(rows.len());
    let mut polynomials = vec![vec![0; size]; count];
    for (row, bits) in rows.iter().enumerate() {
        for (bit, _) in bits.iter().enumerate().filter(|(_, value)| **value == 1) {
            for (item, scale) in encoding.items(row, bit).zip(encoding.gadget().scales()) {
                // Items of a row lie in the ciphertexts of its block.
                expansion.place(&mut polynomials[item.ciphertext], item.item, scale);
            }
        }
    }
    let encrypt = |polynomial: &Vec<u64>| key.encrypt(polynomial, encoding.body_bits());
    polynomials.par_iter().map(encrypt).collect()
}

/// A ciphertext that multiplies for each bit.
fn sent_bits(key: &SecretKey, encoding: &PackedBits, rows: &[Vec<i64>]) -> Vec<SeededRing> {
    let bits: Vec<bool> = rows.iter().flatten().map(|value| *value == 1).collect();
    let encrypt = |bit: &bool| key.encrypt_ggsw(*bit, encoding.gadget(), encoding.body_bits());
    bits.par_iter().map(encrypt).collect()
}

/// The integers of a row, as many in each ciphertext.
fn values(key: &LookupSecretKey, encoding: &PackedValues, rows: &[Vec<i64>]) -> Vec<SeededRing> {
    let (_, size) = encoding.input_shape();
    let (messages, bits) = (encoding.parts().inputs, encoding.parts().body_bits);
    let encrypt = |integers: &[i64]| {
        let mut values: Vec<u64> = integers.iter().map(|integer| messages.encode(*integer)).collect();
        values.resize(size, 0);
        key.encrypt(&values, bits)
    };
    rows.iter().flat_map(|row| row.chunks(size)).map(encrypt).collect()
}
