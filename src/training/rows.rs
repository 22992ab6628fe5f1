//! Rows packed into ring ciphertexts: as a party encrypts them and as the server reads them.

use anyhow::{Context, Result, ensure};

use super::parameters::{RING, ROW_BITS};
use super::{Program, Quantized, TrainingParameters};
use crate::crypto::{CoefficientBits, Gadget, RingCiphertext, SharedMask};

/// How the rows of a block lie in its ciphertexts: feature i of row r at coefficient i·S + r', where S rows fit and
/// r' is r with its bits reversed, as expansion takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// log2 of the coefficients of a row.
    log2_window: u32,
    product: Gadget,
}

/// An encrypted block of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedBlock {
    /// The rows in it.
    pub rows: usize,
    /// A ciphertext for each level of the rows' gadget, the first level first, and one of labels.
    pub ciphertexts: Vec<RingCiphertext>,
}

impl Packing {
    /// That of a program with these parameters.
    pub fn of(program: &Program, parameters: &TrainingParameters) -> Self {
        Self { log2_window: program.window().ilog2(), product: parameters.product() }
    }

    /// W: the coefficients of a row, a power of two.
    pub fn window(&self) -> usize {
        1 << self.log2_window
    }

    /// S: from one weight to the next, and the rows of a block.
    pub fn stride(&self) -> usize {
        RING >> self.log2_window
    }

    /// The steps of the expansion that part the rows of a block.
    pub fn steps(&self) -> usize {
        (RING.ilog2() - self.log2_window) as usize
    }

    /// The ciphertexts of a block.
    pub fn ciphertexts(&self) -> usize {
        self.product.levels() + 1
    }

    /// The bytes of a block, full or not: the number of its rows, u32, and its ciphertexts.
    pub fn block_bytes(&self) -> usize {
        4 + self.ciphertexts() * ring_bytes(ROW_BITS)
    }

    /// The polynomials to encrypt for a block of rows and their labels, torus values of each target.
    ///
    /// # Panics
    /// If there are more rows than the block has room for, or a row is longer than its window.
    pub fn polynomials(&self, rows: &[(Quantized, Vec<u64>)]) -> Vec<Vec<u64>> {
        assert!(rows.len() <= self.stride(), "{} rows in a block of {}", rows.len(), self.stride());
        let steps = self.steps() as u32;
        let mut polynomials = vec![vec![0; RING]; self.ciphertexts()];
        for (row, (features, labels)) in rows.iter().enumerate() {
            let place = row.reverse_bits() >> (usize::BITS - steps);
            // Expansion multiplies by the number of rows, a trace by the window.
            let labels = labels.iter().map(|label| ((*label as i64) >> RING.ilog2()) as u64);
            let mut scaled: Vec<Vec<u64>> = self
                .product
                .scales()
                .map(|scale| {
                    features.integers.iter().map(|x| (*x as u64).wrapping_mul(scale >> steps)).collect()
                })
                .collect();
            scaled.push(labels.collect());
            for (polynomial, values) in polynomials.iter_mut().zip(scaled) {
                let places = polynomial.iter_mut().skip(place).step_by(self.stride());
                places.zip(values).for_each(|(coefficient, value)| *coefficient = value);
            }
        }
        polynomials
    }
}

impl EncryptedBlock {
    /// Appends the block's bytes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.rows as u32).to_le_bytes());
        self.ciphertexts.iter().for_each(|ciphertext| bytes.extend(write_ring(ciphertext, ROW_BITS)));
    }

    /// The block that [`EncryptedBlock::write`] wrote.
    ///
    /// # Errors
    /// If the bytes are no block of this packing.
    pub fn read(packing: &Packing, bytes: &[u8]) -> Result<Self> {
        let (rows, ciphertexts) =
            bytes.split_first_chunk::<4>().context("a block of rows that ends early")?;
        let rows = u32::from_le_bytes(*rows) as usize;
        let most = packing.stride();
        ensure!((1..=most).contains(&rows), "a block of {rows} rows, where 1 to {most} are possible");
        let due = packing.block_bytes();
        ensure!(bytes.len() == due, "a block of {} bytes, where {due} are due", bytes.len());
        let size = ring_bytes(ROW_BITS);
        let read = |bytes| read_ring(bytes, ROW_BITS);
        Ok(Self { rows, ciphertexts: ciphertexts.chunks_exact(size).map(read).collect::<Result<_>>()? })
    }
}

/// The bytes of a ciphertext.
pub fn ring_bytes(bits: CoefficientBits) -> usize {
    SharedMask::byte_count(RING, &[RING], bits)
}

/// A ciphertext with so many bits of each coefficient.
pub fn write_ring(ciphertext: &RingCiphertext, bits: CoefficientBits) -> Vec<u8> {
    SharedMask::of(ciphertext).to_bytes(bits)
}

/// The ciphertext that [`write_ring`] wrote.
///
/// # Errors
/// If there are more or fewer bytes.
pub fn read_ring(bytes: &[u8], bits: CoefficientBits) -> Result<RingCiphertext> {
    SharedMask::from_bytes(bytes, RING, &[RING], bits)?.ring(0).context("a ciphertext without a body")
}
