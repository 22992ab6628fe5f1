//! Ring (GLWE, dimension 1) ciphertexts: seeded on the way in, modulus-switched on the way out.
//!
//! Only those body coefficients are kept that the evaluation reads or that carry results; the mask
//! is a seed on the way in.

use anyhow::{Context, Result};
use tfhe::core_crypto::commons::math::random::{CompressionSeed, DynamicDistribution, Seed};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::secret_key::SecretKey;
use super::{Polynomial, Products, RingParameters, noise};

/// A fresh ciphertext: the seed of its mask and its leading body coefficients, rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededRing {
    /// The mask is expanded from this.
    pub seed: [u8; 16],
    /// The leading coefficients of the body, as multiples of 2^-bits of the torus.
    pub body: Vec<u64>,
}

/// A result: all of its mask and some of its body coefficients, as multiples of 2^-bits of the torus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedRing {
    /// Every coefficient of the mask.
    pub mask: Vec<u64>,
    /// The body at the positions that hold results, in order.
    pub bodies: Vec<u64>,
}

impl SecretKey {
    /// Encrypts the polynomial with these leading coefficients (torus values; the rest are zero)
    /// and keeps as many body coefficients, rounded to `bits` bits.
    ///
    /// The noise variance of a kept coefficient is [`noise::encryption`] plus [`noise::rounding`].
    pub fn encrypt(&self, coefficients: &[u64], bits: u32) -> SeededRing {
        let seed = new_seeder().seed();
        let mut body = self.encrypt_with(seed, coefficients);
        body.truncate(coefficients.len());
        body.iter_mut().for_each(|value| *value = switch_modulus(*value, bits));
        SeededRing { seed: seed.0.to_le_bytes(), body }
    }

    /// The body of an encryption of the polynomial with these leading coefficients, whose mask has this seed. A
    /// seed serves each secret key once.
    pub(super) fn encrypt_with(&self, seed: Seed, coefficients: &[u64]) -> Vec<u64> {
        let size = self.parameters().polynomial_size();
        let mut ciphertext = seeded(vec![0; size], seed);
        let mut plaintext = coefficients.to_vec();
        plaintext.resize(size, 0);
        encrypt_seeded_glwe_ciphertext(
            &self.as_glwe(),
            &mut ciphertext,
            &PlaintextList::from_container(plaintext),
            gaussian(&self.parameters()),
            new_seeder().as_mut(),
        );
        ciphertext.into_container()
    }
}

/// A secret key made ready to decrypt many results.
pub struct RingDecryptor {
    products: Products,
    key: Zeroizing<Polynomial>,
}

impl RingDecryptor {
    /// Transforms the key once.
    ///
    /// # Errors
    /// If the key's ring has no exact product.
    pub fn new(secret: &SecretKey) -> Result<Self> {
        let size = secret.parameters().polynomial_size();
        let products = Products::new(size).with_context(|| format!("no exact product of size {size}"))?;
        let key = Zeroizing::new(products.transform(secret.coefficients()));
        Ok(Self { products, key })
    }

    /// The torus values, noise included, at `positions` of a result with `bits` bits; position i
    /// belongs to body i. They are body less mask times key.
    pub fn decrypt(&self, result: &SwitchedRing, bits: u32, positions: &[usize]) -> Vec<u64> {
        let shift = 64 - bits;
        let mask: Vec<u64> = result.mask.iter().map(|value| value << shift).collect();
        let product = Zeroizing::new(self.products.multiply(&self.products.transform(&mask), &self.key));
        let bodies = result.bodies.iter().zip(positions);
        bodies.map(|(body, position)| (body << shift).wrapping_sub(product[*position])).collect()
    }
}

/// The mask that a seed stands for.
pub fn expand_mask(parameters: &RingParameters, seed: [u8; 16]) -> Vec<u64> {
    let size = parameters.polynomial_size();
    let empty = seeded(vec![0; size], Seed(u128::from_le_bytes(seed)));
    let mut container = empty.decompress_into_glwe_ciphertext().into_container();
    container.truncate(size);
    container
}

/// The nearest multiple of 2^-bits (1 to 64 bits) of the torus, as its multiplicity.
pub fn switch_modulus(value: u64, bits: u32) -> u64 {
    match bits {
        64 => value,
        _ => value.wrapping_add(1 << (63 - bits)) >> (64 - bits),
    }
}

fn seeded(body: Vec<u64>, seed: Seed) -> SeededGlweCiphertextOwned<u64> {
    SeededGlweCiphertext::from_container(
        body,
        GlweSize(2),
        CompressionSeed::from(seed),
        CiphertextModulus::new_native(),
    )
}

/// The noise of every encryption.
pub(super) fn gaussian(parameters: &RingParameters) -> DynamicDistribution<u64> {
    DynamicDistribution::new_gaussian(Variance(noise::encryption(parameters)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::trial::assert_close;

    /// The variance of torus values, as a fraction of the torus squared.
    fn measured(errors: &[u64]) -> f64 {
        let torus = |error: &u64| (*error as i64) as f64 / 2.0_f64.powi(64);
        errors.iter().map(|error| torus(error).powi(2)).sum::<f64>() / errors.len() as f64
    }

    /// Noise of results after a product with `weights`, for each coefficient from `weights.len()` on.
    fn noise_after_product(size: usize, body_bits: u32, weights: &[u64], output_bits: u32) -> Vec<u64> {
        let parameters = RingParameters::secure(size).unwrap();
        let key = SecretKey::generate(parameters);
        let products = Products::new(size).unwrap();
        let fresh = key.encrypt(&vec![0; size], body_bits);
        let weights = products.transform(weights);
        let multiply = |polynomial: &[u64]| products.multiply(&products.transform(polynomial), &weights);
        let body: Vec<u64> = fresh.body.iter().map(|value| value << (64 - body_bits)).collect();
        let switch =
            |values: Vec<u64>| values.iter().map(|value| switch_modulus(*value, output_bits)).collect();
        let result = SwitchedRing {
            mask: switch(multiply(&expand_mask(&parameters, fresh.seed))),
            bodies: switch(multiply(&body)),
        };
        let positions: Vec<usize> = (0..size).collect();
        RingDecryptor::new(&key).unwrap().decrypt(&result, output_bits, &positions)
    }

    #[test]
    fn encryption_noise_fits_the_formula() {
        for size in [2048, 4096] {
            let parameters = RingParameters::secure(size).unwrap();
            let errors: Vec<u64> = (0..16).flat_map(|_| noise_after_product(size, 64, &[1], 64)).collect();
            assert_close(measured(&errors), noise::encryption(&parameters), 0.06);
        }
    }

    #[test]
    fn product_and_modulus_switch_noise_fit_the_formulas() {
        let (size, body_bits, output_bits) = (2048, 49, 40);
        let parameters = RingParameters::secure(size).unwrap();
        let weights: Vec<u64> = (0..30_i64).map(|i| ((i * 977) % 2000 - 1000) as u64).collect();
        let squared_norm2: f64 = weights.iter().map(|weight| ((*weight as i64) as f64).powi(2)).sum();
        let fresh = noise::encryption(&parameters) + noise::rounding(body_bits);
        let product = noise::weighted_sum(squared_norm2, fresh);

        let exact: Vec<u64> =
            (0..60).flat_map(|_| noise_after_product(size, body_bits, &weights, 64)).collect();
        // Neighbouring coefficients share noise, so the effective sample is smaller than it looks.
        assert_close(measured(&exact), product, 0.1);

        let coarse_bits = output_bits - 10;
        let switched: Vec<u64> =
            (0..400).flat_map(|_| noise_after_product(size, body_bits, &weights, coarse_bits)).collect();
        // The rounded mask meets a key of mean one half: one drift for all coefficients of a ciphertext.
        assert_close(measured(&switched), product + noise::modulus_switch(&parameters, coarse_bits), 0.2);
    }

    #[test]
    fn a_value_survives_encryption() {
        let parameters = RingParameters::secure(2048).unwrap();
        let key = SecretKey::generate(parameters);
        let fresh = key.encrypt(&[3 << 60, 5 << 60], 50);
        let mask = expand_mask(&parameters, fresh.seed);
        let result = SwitchedRing {
            mask: mask.iter().map(|value| switch_modulus(*value, 40)).collect(),
            bodies: fresh.body.iter().map(|value| switch_modulus(value << 14, 40)).collect(),
        };
        let values = RingDecryptor::new(&key).unwrap().decrypt(&result, 40, &[0, 1]);
        let rounded: Vec<u64> = values.iter().map(|value| switch_modulus(*value, 4)).collect();
        assert_eq!(rounded, [3, 5]);
    }

    #[test]
    fn two_encryptions_share_nothing() {
        let key = SecretKey::generate(RingParameters::secure(2048).unwrap());
        assert_ne!(key.encrypt(&[1], 64), key.encrypt(&[1], 64));
    }
}
