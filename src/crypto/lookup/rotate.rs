//! Blind rotation of a batch: tables turned by what small ciphertexts encrypt.
//!
//! Bit after bit, each ring ciphertext c of the batch becomes c + s · (X^a·c - c) for a bit s of the small key with
//! the power a, by an external product with the key's encryption of the bit. For a pair of bits s and t with the powers
//! a and b it becomes
//!
//! ```text
//! c + s·(1 - t) · (X^a - 1)·c + (1 - s)·t · (X^b - 1)·c + s·t · (X^(a + b) - 1)·c
//! ```
//!
//! c is decomposed and transformed once and the sums are transformed back once, where bit after bit takes two of each.
//! The key is read once for the whole batch, each group's part from end to end, and sums of products stay in registers.
//!
//! Papers: Zhou, Yang, Liu, Wei, Wang, *Faster bootstrapping with multiple addends* (IEEE Access, 2018); Bourse,
//! Minelli, Minihold, Paillier, *Fast homomorphic evaluation of deep discretized neural networks* (Crypto 2018), on
//! unrolled rotations.

use pulp::Arch;
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::prelude::*;

use super::turned_sum::TurnedSum;
use super::{LookupParameters, LookupTable};
use crate::crypto::conversion::{AddTorus, Scaled};
use crate::crypto::factors::{Factors, GAP, place_rows};
use crate::crypto::ring_ciphertext::{rotate, zeros};
use crate::crypto::transform::Transform;
use crate::crypto::{Block, Gadget};

/// A bootstrapping key that computes: transformed, in the order in which sums read it.
pub(super) struct BootstrapKey {
    parameters: LookupParameters,
    transform: Transform,
    /// For each group of bits of the small key the rows of its patterns, in the order of [`place_rows`]: level by level,
    /// in it polynomial by polynomial, in it pattern by pattern.
    values: Block,
}

/// What one thread needs to rotate.
pub(super) struct RotationMemory {
    /// Transformed digits of a ciphertext or difference: level by level, the finest first, in it polynomial by polynomial.
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
        let (rows, patterns) = (parameters.bootstrap_rows(), parameters.unrolling().patterns());
        let transform = Transform::new(size);
        // Fractions of the torus; and backward transforms multiply by N/2.
        let scale = 2.0_f64.powi(-64) * 2.0 / size as f64;
        let mut values = Block::zeros(key.as_ref().len());
        let group = patterns * rows * parts * size;
        let groups = values.par_chunks_exact_mut(group).zip(key.as_ref().par_chunks_exact(group));
        groups.for_each_init(
            || zeros(size),
            |transformed, (places, group)| {
                for (index, values) in group.chunks_exact(size).enumerate() {
                    transform.forward(Scaled { values, part: |value| value, scale }, transformed);
                    // In the key, the rows of a pattern are neighbours; here, the patterns of a row are.
                    let (pattern, row, part) = (index / parts / rows, index / parts % rows, index % parts);
                    let place = (row * patterns + pattern) * parts + part;
                    place_rows(places, transformed, size, place, patterns * rows * parts);
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

    /// Turns each ring ciphertext of a batch for each group of bits of the key: `powers` has as many of each as bits.
    fn turn(&self, powers: &[usize], memory: &mut RotationMemory) {
        let size = self.parameters.polynomial_size();
        let (parts, n) = (self.parameters.glwe_dimension() + 1, self.parameters.lwe_dimension());
        let RotationMemory { factors, sums, rotated } = memory;
        let bits = self.parameters.unrolling().bits();
        for (group, rows) in
            self.values.chunks_exact(self.values.len() / self.parameters.groups()).enumerate()
        {
            for (ring, powers) in rotated.chunks_exact_mut(parts * size).zip(powers.chunks_exact(n)) {
                // As many powers as bits.
                let powers = &powers[group * bits..][..bits];
                // Nothing changes where nothing turns.
                if powers.iter().all(|power| *power == 0) {
                    continue;
                }
                match powers {
                    [power] => self.sum_of_bit(ring, *power, rows, factors, sums),
                    [a, b] => self.sum_of_pair(ring, [*a, *b], rows, factors, sums),
                    _ => continue,
                }
                let sums = sums.chunks_exact_mut(size + GAP);
                for (polynomial, sum) in ring.chunks_exact_mut(size).zip(sums) {
                    // A sum has room for a polynomial and a gap.
                    self.transform.backward(&mut sum[..size], AddTorus(polynomial));
                }
            }
        }
    }

    /// Sets the sums to the product of a bit's rows and X^power·c - c.
    fn sum_of_bit(&self, ring: &[u64], power: usize, rows: &[f64], factors: &mut Factors, sums: &mut [f64]) {
        let (size, gadget) = (self.parameters.polynomial_size(), self.parameters.bootstrap());
        let parts = self.parameters.glwe_dimension() + 1;
        for (part, polynomial) in ring.chunks_exact(size).enumerate() {
            round_difference(polynomial, power, gadget, factors.rest());
            factors.decompose_rest(gadget, (part, parts), &self.transform);
        }
        factors.sum(sums, parts, rows, self.parameters.bootstrap_rows(), false);
    }

    /// Sets the sums to the products of a pair's rows and c, turned, less c.
    fn sum_of_pair(
        &self,
        ring: &[u64],
        [a, b]: [usize; 2],
        rows: &[f64],
        factors: &mut Factors,
        sums: &mut [f64],
    ) {
        let (size, gadget) = (self.parameters.polynomial_size(), self.parameters.bootstrap());
        let parts = self.parameters.glwe_dimension() + 1;
        for (part, polynomial) in ring.chunks_exact(size).enumerate() {
            factors.decompose(polynomial, gadget, (part, parts), &self.transform);
        }
        let powers = [a, b, (a + b) % (2 * size)];
        TurnedSum { factors, transform: &self.transform, powers, rows, parts }.set(sums);
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

/// The multiplicities that a gadget rounds X^power · p - p modulo X^N + 1 to, for powers below 2N.
fn round_difference(polynomial: &[u64], power: usize, gadget: Gadget, results: &mut [u64]) {
    let size = polynomial.len();
    let (negative, shift) = (power >= size, power % size);
    let (kept, wrapped) = polynomial.split_at(size - shift);
    let (front, back) = polynomial.split_at(shift);
    let (front_results, back_results) = results.split_at_mut(shift);
    Arch::new().dispatch(|| {
        round_sum(wrapped, !negative, front, gadget, front_results);
        round_sum(kept, negative, back, gadget, back_results);
    });
}

/// Rounds the values, negated or not, less the others.
#[inline(always)]
fn round_sum(values: &[u64], negate: bool, others: &[u64], gadget: Gadget, results: &mut [u64]) {
    let sign = if negate { u64::MAX } else { 0 };
    for (result, (value, other)) in results.iter_mut().zip(values.iter().zip(others)) {
        *result = gadget.rounded((value ^ sign).wrapping_sub(sign).wrapping_sub(*other));
    }
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
            assert_close(measured, predicted, 0.15);
        }
    }

    #[test]
    fn differences_turn_negative_at_the_end() {
        let polynomial = [1_u64, 2, 3, 4].map(|value| value << 60);
        let gadget = Gadget::new(2, 2).unwrap();
        for power in 0..8 {
            let mut turned = [0; 4];
            rotate(&polynomial, power, &mut turned);
            let mut result = [0; 4];
            round_difference(&polynomial, power, gadget, &mut result);
            for (result, (turned, value)) in result.iter().zip(turned.iter().zip(polynomial)) {
                assert_eq!(result << 60, turned.wrapping_sub(value));
            }
        }
    }
}
