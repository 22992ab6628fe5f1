//! Blind rotation of a batch: tables turned by what small ciphertexts encrypt.
//!
//! For each bit of the small key, each ring ciphertext c of the batch becomes c + bit · (X^a·c - c), by an external
//! product with the key's encryption of the bit. The key is read once for the whole batch, each bit's part from
//! end to end, and sums of products stay in registers.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::prelude::*;

use super::transform::{Transform, vectorize};
use super::{LookupParameters, LookupTable};
use crate::crypto::Gadget;
use crate::crypto::ring_ciphertext::{rotate, zeros};

/// Values of a transformed polynomial that are summed up together: a cache line of real parts.
const TILE: usize = 8;

/// A bootstrapping key that computes: transformed, in the order in which sums read it.
pub(super) struct BootstrapKey {
    parameters: LookupParameters,
    transform: Transform,
    /// For each bit of the small key, tile by tile, in it polynomial by polynomial of the result, in it row by
    /// row: real parts, then imaginary parts.
    values: ABox<[f64]>,
}

/// What one thread needs to rotate.
pub(super) struct RotationMemory {
    /// X^a·c - c, rounded; what is left of it while digits are taken off.
    rest: ABox<[u64]>,
    /// Transformed digits of every row of a key.
    factors: ABox<[f64]>,
    /// Sums of products, transformed.
    sums: ABox<[f64]>,
    /// The ring ciphertexts that are rotated, k masks and the body each.
    rotated: ABox<[u64]>,
}

impl BootstrapKey {
    /// Transforms a key.
    pub fn new(parameters: LookupParameters, key: &LweBootstrapKeyOwned<u64>) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        let rows = parts * parameters.bootstrap().levels();
        let transform = Transform::new(size);
        let mut values = zeros(key.as_ref().len());
        let bits = values.par_chunks_exact_mut(rows * parts * size);
        bits.zip(key.as_ref().par_chunks_exact(rows * parts * size)).for_each_init(
            || zeros(transform.values()),
            |transformed, (places, bit)| {
                for (index, polynomial) in bit.chunks_exact(size).enumerate() {
                    vectorize(Forward { transform: &transform, polynomial, values: transformed });
                    let (row, part) = (index / parts, index % parts);
                    let tiles =
                        places.chunks_exact_mut(2 * TILE).skip(part * rows + row).step_by(parts * rows);
                    let (re, im) = transform.parts(transformed);
                    for (tile, (re, im)) in tiles.zip(re.chunks_exact(TILE).zip(im.chunks_exact(TILE))) {
                        let (re_place, im_place) = tile.split_at_mut(TILE);
                        re_place.copy_from_slice(re);
                        im_place.copy_from_slice(im);
                    }
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
        vectorize(Rotation { key: self, powers: &powers, memory });
        memory.rotated.chunks_exact(parts * size).take(tables.len())
    }
}

impl RotationMemory {
    /// Memory for rotations with this key.
    pub fn new(parameters: &LookupParameters) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        let values = Transform::new(size).values();
        Self {
            rest: zeros(size),
            factors: zeros(values * parts * parameters.bootstrap().levels()),
            sums: zeros(values * parts),
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

/// The transform of a polynomial of torus values.
struct Forward<'a> {
    transform: &'a Transform,
    polynomial: &'a [u64],
    values: &'a mut [f64],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.transform.twist_torus(self.polynomial, self.values);
        self.transform.forward(simd, self.values);
    }
}

/// All turns of a batch.
struct Rotation<'a> {
    key: &'a BootstrapKey,
    /// For each ciphertext the power that each bit of the key turns it by.
    powers: &'a [usize],
    memory: &'a mut RotationMemory,
}

impl WithSimd for Rotation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { key, powers, memory } = self;
        let RotationMemory { rest, factors, sums, rotated } = memory;
        let (size, n) = (key.parameters.polynomial_size(), key.parameters.lwe_dimension());
        let ring_size = size * (key.parameters.glwe_dimension() + 1);
        for (bit, rows) in key.values.chunks_exact(key.values.len() / n).enumerate() {
            for (ring, powers) in rotated.chunks_exact_mut(ring_size).zip(powers.chunks_exact(n)) {
                // As many powers as bits. Nothing changes where nothing turns.
                if powers[bit] != 0 {
                    key.decompose(simd, ring, powers[bit], rest, factors);
                    key.sum_products(simd, rows, factors, sums);
                    let sums = sums.chunks_exact_mut(key.transform.values());
                    for (polynomial, sum) in ring.chunks_exact_mut(size).zip(sums) {
                        key.transform.add_backward(simd, sum, polynomial);
                    }
                }
            }
        }
    }
}

impl BootstrapKey {
    /// Sets the factors to the transformed digits of X^power·c - c: level by level, the finest first, in it
    /// polynomial by polynomial.
    #[inline(always)]
    fn decompose<S: Simd>(&self, simd: S, ring: &[u64], power: usize, rest: &mut [u64], factors: &mut [f64]) {
        let (gadget, values) = (self.parameters.bootstrap(), self.transform.values());
        let parts = self.parameters.glwe_dimension() + 1;
        for (part, polynomial) in ring.chunks_exact(self.parameters.polynomial_size()).enumerate() {
            round_difference(polynomial, power, gadget, rest);
            for (level, factor) in factors.chunks_exact_mut(values).skip(part).step_by(parts).enumerate() {
                if level > 0 {
                    for rest in &mut *rest {
                        (_, *rest) = gadget.split(*rest);
                    }
                }
                self.transform.twist_digits(gadget, rest, factor);
                self.transform.forward(simd, factor);
            }
        }
    }

    /// Sets each sum to Σ (row of a level and polynomial) · (its factor).
    #[inline(always)]
    fn sum_products<S: Simd>(&self, simd: S, rows: &[f64], factors: &[f64], sums: &mut [f64]) {
        let parts = self.parameters.glwe_dimension() + 1;
        let count = parts * self.parameters.bootstrap().levels();
        let values = self.transform.values();
        let imaginary = values / 2;
        for (index, rows) in rows.chunks_exact(2 * TILE * count).enumerate() {
            let (tile, part) = (index / parts * TILE, index % parts * values);
            let zero = simd.splat_f64s(0.0);
            let (mut re, mut im) = ([zero; TILE], [zero; TILE]);
            for (row, factor) in rows.chunks_exact(2 * TILE).zip(factors.chunks_exact(values)) {
                // Registers hold a power of two of numbers, up to a tile: no tails are left.
                let (row, _) = S::as_simd_f64s(row);
                let (row_re, row_im) = row.split_at(row.len() / 2);
                let (factor_re, _) = S::as_simd_f64s(&factor[tile..][..TILE]);
                let (factor_im, _) = S::as_simd_f64s(&factor[imaginary + tile..][..TILE]);
                let row = row_re.iter().zip(row_im);
                let factor = factor_re.iter().zip(factor_im);
                for ((re, im), ((a, b), (c, d))) in re.iter_mut().zip(&mut im).zip(row.zip(factor)) {
                    *re = simd.negate_mul_add_f64s(*b, *d, simd.mul_add_f64s(*a, *c, *re));
                    *im = simd.mul_add_f64s(*b, *c, simd.mul_add_f64s(*a, *d, *im));
                }
            }
            // Tiles are within the planes of the sum.
            let (place, _) = S::as_mut_simd_f64s(&mut sums[part + tile..][..TILE]);
            for (place, sum) in place.iter_mut().zip(re) {
                *place = sum;
            }
            let (place, _) = S::as_mut_simd_f64s(&mut sums[part + imaginary + tile..][..TILE]);
            for (place, sum) in place.iter_mut().zip(im) {
                *place = sum;
            }
        }
    }
}

/// The multiplicities that a gadget rounds X^power · p - p modulo X^N + 1 to, for powers below 2N.
#[inline(always)]
fn round_difference(polynomial: &[u64], power: usize, gadget: Gadget, results: &mut [u64]) {
    let size = polynomial.len();
    let (negative, shift) = (power >= size, power % size);
    let (kept, wrapped) = polynomial.split_at(size - shift);
    let (front, back) = polynomial.split_at(shift);
    let (front_results, back_results) = results.split_at_mut(shift);
    round_sum(wrapped, !negative, front, gadget, front_results);
    round_sum(kept, negative, back, gadget, back_results);
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
            assert_close(measured, predicted, 0.1);
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
