//! Ring ciphertexts that share one mask, each under a secret key of its own: (a, b_0 ... b_(k-1)) with
//! b_i = a·s_i + m_i + e_i. A message then costs little more than its body.
//!
//! The mask of many ciphertexts may be one if every one has a fresh secret: Peikert, Vaikuntanathan, Waters,
//! *A Framework for Efficient and Composable Oblivious Transfer* (2008).

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Polynomial, Products, RingCiphertext, RingParameters, SecretKey, pack, packed_bytes, switch_modulus,
    unpack,
};

/// One mask, and bodies whose trailing coefficients may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMask {
    /// The mask a, all N coefficients modulo 2^64.
    pub mask: Vec<u64>,
    /// The leading coefficients of each body.
    pub bodies: Vec<Vec<u64>>,
}

/// The bits of each coefficient that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoefficientBits {
    /// Of the mask's coefficients.
    pub mask: u32,
    /// Of the bodies' coefficients.
    pub body: u32,
}

impl SharedMask {
    /// A noiseless encryption of zeros; body i has `lengths[i]` coefficients.
    pub fn zero(polynomial_size: usize, lengths: &[usize]) -> Self {
        Self {
            mask: vec![0; polynomial_size],
            bodies: lengths.iter().map(|length| vec![0; *length]).collect(),
        }
    }

    /// The case of one ciphertext.
    pub fn of(ring: &RingCiphertext) -> Self {
        Self { mask: ring.mask().to_vec(), bodies: vec![ring.body().to_vec()] }
    }

    /// Ciphertext `index` alone, or `None` if there is no such one. Coefficients that its body lacks decrypt to
    /// nonsense.
    pub fn ring(&self, index: usize) -> Option<RingCiphertext> {
        let mut parts = self.mask.clone();
        parts.extend(self.bodies.get(index)?);
        parts.resize(2 * self.mask.len(), 0);
        Some(RingCiphertext::from_parts(&parts))
    }

    /// Adds `weight` times `other`, which has the same shape.
    pub fn add_multiple(&mut self, other: &Self, weight: u64) {
        let parts = std::iter::once((&mut self.mask, &other.mask));
        for (sums, values) in parts.chain(self.bodies.iter_mut().zip(&other.bodies)) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(value.wrapping_mul(weight));
            }
        }
    }

    /// The number of bytes that [`SharedMask::to_bytes`] makes of a mask and of bodies of these lengths.
    pub fn byte_count(polynomial_size: usize, lengths: &[usize], bits: CoefficientBits) -> usize {
        let bodies = lengths.iter().map(|length| packed_bytes(*length, bits.body));
        packed_bytes(polynomial_size, bits.mask) + bodies.sum::<usize>()
    }

    /// Its coefficients, each rounded to its bits. What are multiples of 2^-bits of the torus stay exact.
    pub fn to_bytes(&self, bits: CoefficientBits) -> Vec<u8> {
        let rounded = |values: &[u64], bits: u32| {
            let values: Vec<u64> = values.iter().map(|value| switch_modulus(*value, bits)).collect();
            pack(&values, bits)
        };
        let mut bytes = rounded(&self.mask, bits.mask);
        self.bodies.iter().for_each(|body| bytes.extend(rounded(body, bits.body)));
        bytes
    }

    /// The ciphertexts that [`SharedMask::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the bytes are no such ciphertexts.
    pub fn from_bytes(
        bytes: &[u8],
        polynomial_size: usize,
        lengths: &[usize],
        bits: CoefficientBits,
    ) -> Result<Self> {
        let expected = Self::byte_count(polynomial_size, lengths, bits);
        ensure!(bytes.len() == expected, "ciphertexts of {expected} bytes have {} bytes", bytes.len());
        let mut rest = bytes;
        let mut take = |count: usize, bits: u32| {
            let (packed, tail) = rest.split_at(packed_bytes(count, bits));
            rest = tail;
            let values = unpack(packed, count, bits).context("bits behind a ciphertext are not zero")?;
            Ok::<_, anyhow::Error>(values.iter().map(|value| value << (64 - bits)).collect::<Vec<u64>>())
        };
        let mask = take(polynomial_size, bits.mask)?;
        let bodies = lengths.iter().map(|length| take(*length, bits.body)).collect::<Result<_>>()?;
        Ok(Self { mask, bodies })
    }
}

/// Secret keys made ready to decrypt many ciphertexts that share masks.
pub struct SharedDecryptor {
    products: Products,
    keys: Vec<Zeroizing<Polynomial>>,
}

impl SharedDecryptor {
    /// Transforms the keys once.
    ///
    /// # Errors
    /// If the ring has no exact product.
    pub fn new(ring: &RingParameters, secrets: &[SecretKey]) -> Result<Self> {
        let size = ring.polynomial_size();
        let products = Products::new(size).with_context(|| format!("no exact product of size {size}"))?;
        let keys =
            secrets.iter().map(|secret| Zeroizing::new(products.transform(secret.coefficients()))).collect();
        Ok(Self { products, keys })
    }

    /// The torus values of each body, noise included.
    pub fn decrypt(&self, ciphertext: &SharedMask) -> Vec<Vec<u64>> {
        let mask = self.products.transform(&ciphertext.mask);
        let open = |(body, key): (&Vec<u64>, &Zeroizing<Polynomial>)| {
            let product = Zeroizing::new(self.products.multiply(&mask, key));
            body.iter().zip(product.iter()).map(|(body, masked)| body.wrapping_sub(*masked)).collect()
        };
        ciphertext.bodies.iter().zip(&self.keys).map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BITS: CoefficientBits = CoefficientBits { mask: 13, body: 9 };

    proptest! {
        #[test]
        fn bytes_round_once(values in prop::collection::vec(any::<u64>(), 8), length in 0_usize..=8) {
            let original = SharedMask {
                mask: values.clone(),
                bodies: vec![values.clone(), values.iter().take(length).copied().collect()],
            };
            let lengths = [8, length];
            let bytes = original.to_bytes(BITS);
            prop_assert_eq!(bytes.len(), SharedMask::byte_count(8, &lengths, BITS));
            let stored = SharedMask::from_bytes(&bytes, 8, &lengths, BITS).unwrap();
            let near = |value: u64, kept: u64, bits: u32| {
                (value.wrapping_sub(kept) as i64).unsigned_abs() <= 1 << (63 - bits)
            };
            prop_assert!(original.mask.iter().zip(&stored.mask).all(|(a, b)| near(*a, *b, BITS.mask)));
            prop_assert!(original.bodies[0].iter().zip(&stored.bodies[0]).all(|(a, b)| near(*a, *b, BITS.body)));
            // Sums of what is stored are stored exactly.
            let mut sum = SharedMask::zero(8, &lengths);
            sum.add_multiple(&stored, 5);
            sum.add_multiple(&stored, 7);
            prop_assert_eq!(&SharedMask::from_bytes(&sum.to_bytes(BITS), 8, &lengths, BITS).unwrap(), &sum);
            prop_assert!(SharedMask::from_bytes(&bytes[1..], 8, &lengths, BITS).is_err());
        }
    }
}
