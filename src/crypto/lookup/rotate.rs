//! Blind rotation of a batch: tables turned by what small ciphertexts encrypt.
//!
//! For each bit of the small key, each ring ciphertext c of the batch becomes c + bit · (X^a·c - c), by an external
//! product with the key's encryption of the bit. The key is read once for the whole batch, each bit's part from
//! end to end, and sums of products stay in registers.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tfhe::core_crypto::fft_impl::fft64::math::polynomial::FourierPolynomialMutView;
use tfhe::core_crypto::fft_impl::fft64::{ABox, c64};
use tfhe::core_crypto::prelude::*;

use super::tiles::{SumProducts, TILE, tile, transform, transform_torus};
use super::{LookupParameters, LookupTable};
use crate::crypto::ring_ciphertext::{rotate, zeros};

/// A bootstrapping key that computes: transformed, in the order in which sums read it.
pub(super) struct BootstrapKey {
    parameters: LookupParameters,
    /// For each bit of the small key its rows in the order of [`tile`].
    values: ABox<[c64]>,
}

/// What one thread needs to rotate.
pub(super) struct RotationMemory {
    fft: Fft,
    buffers: ComputationBuffers,
    /// X^a·c - c, then the digits of a level of it.
    digits: ABox<[u64]>,
    /// What is left of it while digits are taken off.
    rest: ABox<[u64]>,
    /// Transformed digits of every row of a key, with a tile between them: factors a power of two apart would
    /// fight for the same cache lines.
    factors: ABox<[c64]>,
    /// Sums of products.
    sums: ABox<[c64]>,
    /// The ring ciphertexts that are rotated, k masks and the body each.
    rotated: ABox<[u64]>,
}

impl BootstrapKey {
    /// Transforms a key.
    pub fn new(parameters: LookupParameters, key: &LweBootstrapKeyOwned<u64>) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        let rows = parts * parameters.bootstrap().levels();
        let mut values = zeros(key.as_ref().len() / 2);
        let bits = values.par_chunks_exact_mut(rows * parts * size / 2);
        bits.zip(key.as_ref().par_chunks_exact(rows * parts * size)).for_each_init(
            || (RotationMemory::new(&parameters), zeros(rows * parts * size / 2)),
            |(memory, transformed), (place, bit)| {
                for (place, row) in transformed.chunks_exact_mut(size / 2).zip(bit.chunks_exact(size)) {
                    transform_torus(&memory.fft, &mut memory.buffers, row, place);
                }
                tile(transformed, rows, parts, place);
            },
        );
        Self { parameters, values }
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
        let mut rotated = std::mem::replace(&mut memory.rotated, zeros(0));
        if rotated.len() < tables.len() * parts * size {
            rotated = zeros(tables.len() * parts * size);
        }
        let mut powers = Vec::with_capacity(tables.len() * n);
        let rings = rotated.chunks_exact_mut(parts * size);
        for ((ring, table), small) in rings.zip(tables).zip(small.chunks_exact(n + 1)) {
            let body = switch(small, size, &mut powers);
            let (mask, place) = ring.split_at_mut((parts - 1) * size);
            mask.fill(0);
            rotate(table.polynomial(), (2 * size - body) % (2 * size), place);
        }
        let length = self.values.len() / n;
        for (bit, rows) in self.values.chunks_exact(length).enumerate() {
            let rings = rotated.chunks_exact_mut(parts * size);
            for (ring, powers) in rings.zip(powers.chunks_exact(n)) {
                // As many powers as bits. Nothing changes where nothing turns.
                if powers[bit] != 0 {
                    self.turn(ring, powers[bit], rows, memory);
                }
            }
        }
        memory.rotated = rotated;
        memory.rotated.chunks_exact(parts * size).take(tables.len())
    }

    /// Adds bit · (X^power·c - c) to the ciphertext c, where `rows` encrypt the bit.
    fn turn(&self, ring: &mut [u64], power: usize, rows: &[c64], memory: &mut RotationMemory) {
        let (gadget, parts) = (self.parameters.bootstrap(), self.parameters.glwe_dimension() + 1);
        let size = self.parameters.polynomial_size();
        let (half, stride) = (size / 2, size / 2 + TILE);
        let RotationMemory { fft, buffers, digits, rest, factors, sums, .. } = memory;
        for (part, polynomial) in ring.chunks_exact(size).enumerate() {
            Arch::new().dispatch(Difference { polynomial, power, result: digits });
            gadget.round(digits, rest);
            for factor in factors.chunks_exact_mut(stride).skip(part).step_by(parts) {
                gadget.take_digits(rest, digits);
                let (place, _) = factor.split_at_mut(half);
                fft.as_view().forward_as_integer(
                    FourierPolynomialMutView { data: place },
                    Polynomial::from_container(&**digits).as_view(),
                    buffers.stack(),
                );
            }
        }
        let levels = parts * gadget.levels();
        Arch::new().dispatch(SumProducts { sums, rows, factors, stride, levels, parts });
        for (polynomial, sum) in ring.chunks_exact_mut(size).zip(sums.chunks_exact_mut(half)) {
            let polynomial = Polynomial::from_container(polynomial);
            let sum = FourierPolynomialMutView { data: sum };
            fft.as_view().add_backward_in_place_as_torus(polynomial, sum, buffers.stack());
        }
    }
}

impl RotationMemory {
    /// Memory for rotations with these parameters.
    pub fn new(parameters: &LookupParameters) -> Self {
        let (size, parts) = (parameters.polynomial_size(), parameters.glwe_dimension() + 1);
        let fft = transform(size);
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        buffers.resize(view.forward_scratch().or(view.backward_scratch()).unaligned_bytes_required());
        Self {
            fft,
            buffers,
            digits: zeros(size),
            rest: zeros(size),
            factors: zeros((size / 2 + TILE) * parts * parameters.bootstrap().levels()),
            sums: zeros(parts * size / 2),
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

/// X^power · p - p modulo X^N + 1, for powers below 2N.
struct Difference<'a> {
    polynomial: &'a [u64],
    power: usize,
    result: &'a mut [u64],
}

impl WithSimd for Difference<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let size = self.polynomial.len();
        let (negative, shift) = (self.power >= size, self.power % size);
        let (kept, wrapped) = self.polynomial.split_at(size - shift);
        let (front, back) = self.polynomial.split_at(shift);
        let (front_result, back_result) = self.result.split_at_mut(shift);
        subtract(wrapped, !negative, front, front_result);
        subtract(kept, negative, back, back_result);
    }
}

#[inline(always)]
fn subtract(values: &[u64], negate: bool, others: &[u64], results: &mut [u64]) {
    let sign = if negate { u64::MAX } else { 0 };
    for (result, (value, other)) in results.iter_mut().zip(values.iter().zip(others)) {
        *result = (value ^ sign).wrapping_sub(sign).wrapping_sub(*other);
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
        let polynomial = [1_u64, 2, 3, 4];
        for power in 0..8 {
            let mut turned = [0; 4];
            rotate(&polynomial, power, &mut turned);
            let mut result = [0; 4];
            Arch::new().dispatch(Difference { polynomial: &polynomial, power, result: &mut result });
            for (result, (turned, value)) in result.iter().zip(turned.iter().zip(polynomial)) {
                assert_eq!(*result, turned.wrapping_sub(value));
            }
        }
    }
}
