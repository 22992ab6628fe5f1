//! LWE ciphertexts under the big key: made of packed ones, added and scaled, sent back.

use anyhow::{Result, ensure};
use pulp::Arch;
use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::prelude::*;

use super::LookupParameters;
use crate::crypto::{SeededRing, switch_modulus};

/// An LWE ciphertext modulo 2^64 of dimension k·N: (a, b) with b = <a, s> + m + e.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LweCiphertext {
    /// The mask a, then the body b.
    container: Vec<u64>,
}

/// A result on its way back, as multiples of 2^-bits of the torus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedLwe {
    /// Every coefficient of the mask.
    pub mask: Vec<u64>,
    /// The body.
    pub body: u64,
}

/// A sum of ciphertexts with integer weights, and a public torus value.
#[derive(Clone, Debug)]
pub struct WeightedSum<'a> {
    /// The torus value.
    pub constant: u64,
    /// Ciphertexts of the same dimension, with weights.
    pub terms: Vec<(&'a LweCiphertext, i64)>,
}

/// Words of a ciphertext that are added up before those after them: what a thousand terms read then stays in the
/// cache for the next sum of the same terms.
const STRIP: usize = 128;

impl LweCiphertext {
    /// The ciphertext with this mask and body, one after the other.
    pub fn from_words(words: Vec<u64>) -> Self {
        Self { container: words }
    }

    /// Mask and body, one after the other.
    pub fn words(&self) -> &[u64] {
        &self.container
    }

    /// The sums; noise variances come with squared weights.
    pub fn weighted_sums(parameters: &LookupParameters, sums: &[WeightedSum<'_>]) -> Vec<Self> {
        let mut results: Vec<Self> = sums.iter().map(|sum| Self::trivial(parameters, sum.constant)).collect();
        let words = parameters.big_dimension() + 1;
        Arch::new().dispatch(|| {
            for start in (0..words).step_by(STRIP) {
                let strip = start..(start + STRIP).min(words);
                for (result, sum) in results.iter_mut().zip(sums) {
                    // Ciphertexts of the same parameters have as many words.
                    let result = &mut result.container[strip.clone()];
                    for (ciphertext, weight) in &sum.terms {
                        for (value, other) in result.iter_mut().zip(&ciphertext.container[strip.clone()]) {
                            *value = value.wrapping_add(other.wrapping_mul(*weight as u64));
                        }
                    }
                }
            }
        });
        results
    }

    /// A noiseless, public encryption of a torus value.
    pub fn trivial(parameters: &LookupParameters, value: u64) -> Self {
        let mut container = vec![0; parameters.big_dimension()];
        container.push(value);
        Self { container }
    }

    /// A ciphertext of each value that [`LookupSecretKey::encrypt`](super::LookupSecretKey::encrypt) encrypted
    /// with as many `bits`.
    ///
    /// # Errors
    /// If there are more values than a polynomial has coefficients.
    pub fn expand(parameters: &LookupParameters, packed: &SeededRing, bits: u32) -> Result<Vec<Self>> {
        let ring = full_ring(parameters, packed, bits)?;
        let extract = |position| Self::extract(&ring, parameters.polynomial_size(), position);
        Ok((0..packed.body.len()).map(extract).collect())
    }

    /// The ciphertext of the coefficient at `position` (below N) of a ring ciphertext: k masks and the body, one
    /// after the other.
    pub(in crate::crypto) fn extract(ring: &[u64], polynomial_size: usize, position: usize) -> Self {
        let mut container = Vec::with_capacity(ring.len() + 1 - polynomial_size);
        let polynomials = ring.chunks_exact(polynomial_size);
        let (masks, body) = ring.split_at(ring.len() - polynomial_size);
        debug_assert!(polynomials.remainder().is_empty() && position < polynomial_size);
        for mask in masks.chunks_exact(polynomial_size) {
            // Coefficient j of the key meets the mask's coefficient position - j, negative beyond the end.
            let (before, after) = mask.split_at(position + 1);
            container.extend(before.iter().rev());
            container.extend(after.iter().rev().map(|value| value.wrapping_neg()));
        }
        container.push(body[position]);
        Self { container }
    }

    /// The dimension of the mask.
    pub fn dimension(&self) -> usize {
        self.container.len() - 1
    }

    /// Mask and body.
    pub(in crate::crypto) fn parts(&self) -> (&[u64], u64) {
        match self.container.split_last() {
            Some((body, mask)) => (mask, *body),
            None => (&[], 0),
        }
    }

    #[cfg(test)]
    pub(super) fn set_mask(&mut self, mask: &[u64]) {
        let dimension = self.dimension();
        self.container[..dimension].copy_from_slice(mask);
    }

    /// Adds `other`, which has the same dimension; the noise variances add up.
    pub fn add_assign(&mut self, other: &Self) {
        Arch::new().dispatch(|| {
            for (value, other) in self.container.iter_mut().zip(&other.container) {
                *value = value.wrapping_add(*other);
            }
        });
    }

    /// Subtracts `other`, which has the same dimension; the noise variances add up.
    pub fn sub_assign(&mut self, other: &Self) {
        Arch::new().dispatch(|| {
            for (value, other) in self.container.iter_mut().zip(&other.container) {
                *value = value.wrapping_sub(*other);
            }
        });
    }

    /// Adds `weight` times `other`, which has the same dimension; the noise variance of `other` comes with the
    /// weight's square.
    pub fn add_multiple(&mut self, other: &Self, weight: i64) {
        Arch::new().dispatch(|| {
            for (value, other) in self.container.iter_mut().zip(&other.container) {
                *value = value.wrapping_add(other.wrapping_mul(weight as u64));
            }
        });
    }

    /// Adds a public torus value.
    pub fn add_plaintext(&mut self, value: u64) {
        if let Some(body) = self.container.last_mut() {
            *body = body.wrapping_add(value);
        }
    }

    /// The result that is sent back: rounded to `bits` bits (1 to 64).
    ///
    /// Rounding errors of the mask meet bits of the key, half of which are 1: their half is taken off the body.
    /// That leaves [`noise::lookup_result`](crate::crypto::noise::lookup_result).
    pub fn switch_modulus(&self, bits: u32) -> SwitchedLwe {
        let (mask, body) = self.parts();
        let switched: Vec<u64> = mask.iter().map(|value| switch_modulus(*value, bits)).collect();
        let errors =
            switched.iter().zip(mask).map(|(rounded, value)| (rounded << (64 - bits)).wrapping_sub(*value));
        // Errors are at most half a step each: their sum fits in 128 bits, its half in what wraps.
        let error: i128 = errors.map(|error| i128::from(error as i64)).sum();
        let body = body.wrapping_add((error / 2) as u64);
        let modulus = u64::MAX >> (64 - bits);
        SwitchedLwe {
            mask: switched.into_iter().map(|value| value & modulus).collect(),
            body: switch_modulus(body, bits) & modulus,
        }
    }
}

/// The k masks and the body of a packed ciphertext whose body has so many bits; coefficients that it does not have are 0.
///
/// # Errors
/// If there are more values than a polynomial has coefficients.
pub(super) fn full_ring(parameters: &LookupParameters, packed: &SeededRing, bits: u32) -> Result<Vec<u64>> {
    let (size, count) = (parameters.polynomial_size(), packed.body.len());
    ensure!(count <= size, "{count} values in a ciphertext that has room for {size}");
    let mut body: Vec<u64> = packed.body.iter().map(|value| value << (64 - bits)).collect();
    body.resize(size, 0);
    let ring = SeededGlweCiphertext::from_container(
        body,
        GlweSize(parameters.glwe_dimension() + 1),
        CompressionSeed::from(Seed(u128::from_le_bytes(packed.seed))),
        CiphertextModulus::new_native(),
    );
    Ok(ring.decompress_into_glwe_ciphertext().into_container())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::LookupSecretKey;
    use crate::crypto::lookup::trial::{fast, phase};
    use crate::crypto::noise;
    use crate::crypto::trial::{assert_close, errors, variance};

    #[test]
    fn packed_values_come_apart() {
        let key = LookupSecretKey::generate(fast());
        let values: Vec<u64> = (0..100).map(|value| value << 56).collect();
        let packed = key.encrypt(&values, 40);
        assert_eq!(packed.body.len(), 100);
        let expanded = LweCiphertext::expand(&fast(), &packed, 40).unwrap();
        let opened: Vec<u64> = expanded.iter().map(|value| switch_modulus(phase(&key, value), 8)).collect();
        assert_eq!(opened, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn more_values_than_coefficients_are_refused() {
        let packed = SeededRing { seed: [0; 16], body: vec![0; fast().polynomial_size() + 1] };
        assert!(LweCiphertext::expand(&fast(), &packed, 40).is_err());
    }

    #[test]
    fn sums_are_sums() {
        let key = LookupSecretKey::generate(fast());
        let packed = key.encrypt(&[1 << 56, 2 << 56], 64);
        let [mut a, b] = <[_; 2]>::try_from(LweCiphertext::expand(&fast(), &packed, 64).unwrap()).unwrap();
        a.add_multiple(&b, -7);
        a.add_plaintext(100 << 56);
        a.add_assign(&b);
        a.sub_assign(&LweCiphertext::trivial(&fast(), 3 << 56));
        assert_eq!(switch_modulus(phase(&key, &a), 8), 100 + 1 - 2 * 6 - 3);
    }

    #[test]
    fn result_noise_fits_the_formula() {
        let bits = 14;
        let key = LookupSecretKey::generate(fast());
        let mut all = Vec::new();
        for _ in 0..40 {
            let packed = key.encrypt(&[0; 256], 64);
            for value in LweCiphertext::expand(&fast(), &packed, 64).unwrap() {
                all.push(key.decrypt(&value.switch_modulus(bits), bits));
            }
        }
        let predicted = fast().ring_variance() + noise::lookup_result(&fast(), bits);
        assert_close(variance(&errors(&all, &vec![0; all.len()])), predicted, 0.1);
    }
}
