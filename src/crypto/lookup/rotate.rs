//! Blind rotation of a batch: tables turned by what small ciphertexts encrypt, two bits of the small key at a time.
//!
//! For a pair of bits s and t with the powers a and b, each ring ciphertext c of the batch becomes
//!
//! c + [s alone] · (X^a - 1)·c + [t alone] · (X^b - 1)·c + [both] · (X^(a + b) - 1)·c
//!
//! by external products with the key's encryptions of the three brackets: c is decomposed and transformed once, the
//! sums are transformed back once, where bit after bit would take two of each. The key is read once for the whole
//! batch, each pair's part from end to end, and sums of products stay in registers.
//!
//! Papers: Zhou, Yang, Liu, Wei, Wang, *Faster bootstrapping with multiple addends* (IEEE Access, 2018); Bourse,
//! Minelli, Minihold, Paillier, *Fast homomorphic evaluation of deep discretized neural networks* (Crypto 2018), on
//! unrolled rotations.

use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::prelude::*;

use super::parameters::PATTERNS;
use super::turned_sum::TurnedSum;
use super::{LookupParameters, LookupTable};
use crate::crypto::conversion::{AddTorus, Scaled};
use crate::crypto::factors::{Factors, GAP, place_rows};
use crate::crypto::ring_ciphertext::{rotate, zeros};
use crate::crypto::transform::Transform;

/// A bootstrapping key that computes: transformed, in the order in which sums read it.
pub(super) struct BootstrapKey {
    parameters: LookupParameters,
    transform: Transform,
    /// For each pair of bits of the small key the rows of its patterns, in the order of [`place_rows`]: level by level,
    /// in it polynomial by polynomial, in it pattern by pattern.
    values: ABox<[f64]>,
}

/// What one thread needs to rotate.
pub(super) struct RotationMemory {
    /// Transformed digits of a ciphertext: level by level, the finest first, in it polynomial by polynomial.
    factors: Factors,
    /// Sums of products, transformed, with a gap after each.
    sums: ABox<[f64]>,
    /// The ring ciphertexts that are rotated, k masks and the body each.
    rotated: ABox<[u64]>,
}

impl BootstrapKey {
    /// Transforms a key.
    pub fn new(parameters: LookupParameters, key: &LweBootstrapKeyOwned<u64>) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        let rows = parameters.bootstrap_rows();
        let transform = Transform::new(size);
        // Fractions of the torus; and backward transforms multiply by N/2.
        let scale = 2.0_f64.powi(-64) * 2.0 / size as f64;
        let mut values = zeros(key.as_ref().len());
        let pair = PATTERNS * rows * parts * size;
        let pairs = values.par_chunks_exact_mut(pair).zip(key.as_ref().par_chunks_exact(pair));
        pairs.for_each_init(
            || zeros(size),
            |transformed, (places, pair)| {
                for (index, values) in pair.chunks_exact(size).enumerate() {
                    transform.forward(Scaled { values, part: |value| value, scale }, transformed);
                    // In the key, the rows of a pattern are neighbours; here, the patterns of a row are.
                    let (pattern, row, part) = (index / parts / rows, index / parts % rows, index % parts);
                    let place = (row * PATTERNS + pattern) * parts + part;
                    place_rows(places, transformed, size, place, PATTERNS * rows * parts);
                }
            },
        );
        Self { parameters, transform, values }
    }

    /// Rotates each table by the message of a small ciphertext: ring ciphertexts one after the other, k masks and
    /// the body each. `small` holds as many ciphertexts as there are tables, mask and body each.
    pub fn rotate<'a>(
        &self,
        small: &[u32],
        tables: &[&LookupTable],
        memory: &'a mut RotationMemory,
    ) -> impl Iterator<Item = &'a [u64]> + use<'a> {
        let size = self.parameters.polynomial_size();
        let (parts, n) = (self.parameters.glwe_dimension() + 1, self.parameters.lwe_dimension());
        if memory.rotated.len() < tables.len() * parts * size {
            memory.rotated = zeros(tables.len() * parts * size);
        }
        let mut powers = Vec::with_capacity(tables.len() * n);
        let rings = memory.rotated.chunks_exact_mut(parts * size);
        for ((ring, table), small) in rings.zip(tables).zip(small.chunks_exact(n + 1)) {
            let body = switch(small, size, &mut powers);
            let (mask, place) = ring.split_at_mut((parts - 1) * size);
            mask.fill(0);
            rotate(table.polynomial(), (2 * size - body) % (2 * size), place);
        }
        self.turn(&powers, memory);
        memory.rotated.chunks_exact(parts * size).take(tables.len())
    }

    /// Turns each ring ciphertext of a batch for each pair of bits of the key: `powers` has as many of each as bits.
    fn turn(&self, powers: &[usize], memory: &mut RotationMemory) {
        let (size, n) = (self.parameters.polynomial_size(), self.parameters.lwe_dimension());
        let (parts, gadget) = (self.parameters.glwe_dimension() + 1, self.parameters.bootstrap());
        let transform = &self.transform;
        let RotationMemory { factors, sums, rotated } = memory;
        for (pair, rows) in self.values.chunks_exact(self.values.len() / self.parameters.pairs()).enumerate()
        {
            for (ring, powers) in rotated.chunks_exact_mut(parts * size).zip(powers.chunks_exact(n)) {
                // As many powers as bits. Nothing changes where nothing turns.
                let (a, b) = (powers[2 * pair], powers[2 * pair + 1]);
                if (a, b) == (0, 0) {
                    continue;
                }
                for (part, polynomial) in ring.chunks_exact(size).enumerate() {
                    factors.decompose(polynomial, gadget, (part, parts), transform);
                }
                let powers = [a, b, (a + b) % (2 * size)];
                TurnedSum { factors, transform, powers, rows, parts }.set(sums);
                let sums = sums.chunks_exact_mut(size + GAP);
                for (polynomial, sum) in ring.chunks_exact_mut(size).zip(sums) {
                    // A sum has room for a polynomial and a gap.
                    transform.backward(&mut sum[..size], AddTorus(polynomial));
                }
            }
        }
    }
}

impl RotationMemory {
    /// Memory for rotations with this key.
    pub fn new(parameters: &LookupParameters) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        Self {
            factors: Factors::new(size, parameters.bootstrap_rows()),
            sums: zeros(parts * (size + GAP)),
            rotated: zeros(0),
        }
    }
}

/// Switches a small ciphertext to the modulus 2N, centered: adds its mask to `powers` and gives its body.
fn switch(small: &[u32], polynomial_size: usize, powers: &mut Vec<usize>) -> usize {
    let small =
        tfhe::core_crypto::prelude::LweCiphertext::from_container(small, CiphertextModulus::new_native());
    let modulus = PolynomialSize(polynomial_size).to_blind_rotation_input_modulus_log();
    let switched = lwe_ciphertext_centered_binary_modulus_switch::<_, usize, _>(small, modulus);
    powers.extend(switched.mask());
    switched.body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::LookupSecretKey;
    use crate::crypto::lookup::trial::{fast, set};
    use crate::crypto::noise;
    use crate::crypto::trial::assert_close;

    #[test]
    fn rotations_have_the_noise_of_the_formula() {
        for parameters in [fast(), set((1, 2048), 812, (23, 1), (3, 5))] {
            let (size, n) = (parameters.polynomial_size(), parameters.lwe_dimension());
            let secret = LookupSecretKey::generate(parameters);
            let key = secret.as_small_lwe();
            let mut state = 1_u64;
            let mut errors = Vec::new();
            for _ in 0..4000 {
                let mut small: Vec<u32> = (0..n)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        (state >> 32) as u32
                    })
                    .collect();
                let products = small.iter().zip(key.as_ref()).map(|(mask, bit)| mask * bit);
                let body = products.fold(0, u32::wrapping_add);
                small.push(body);
                let mut powers = Vec::new();
                let body = switch(&small, size, &mut powers) as i64;
                let turned: i64 =
                    powers.iter().zip(key.as_ref()).map(|(power, bit)| *power as i64 * i64::from(*bit)).sum();
                let error = (body - turned + size as i64).rem_euclid(2 * size as i64) - size as i64;
                // The body was rounded down.
                errors.push((error as f64 + 0.5) / (2 * size) as f64);
            }
            let measured = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
            let predicted = noise::rotation(&parameters) + noise::rounding(size.ilog2() + 1);
            assert_close(measured, predicted, 0.1);
        }
    }
}
