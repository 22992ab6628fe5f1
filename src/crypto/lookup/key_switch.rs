//! Key switches of a whole batch: from the big key modulo 2^64 to the small key modulo 2^32, as one product of
//! matrices of integers.
//!
//! A key switch takes the digits of a mask and subtracts the key's row of each digit, times the digit, from the
//! body. One ciphertext at a time, that reads a key of many megabytes for two operations on each of its numbers.
//! Here a block of rows stays in the cache while all ciphertexts of the batch use it, and sums stay in registers.
//!
//! Digits follow the rules of [`Gadget`](crate::crypto::Gadget): no bias, on ties either.

use pulp::{Arch, Simd, WithSimd};
use tfhe::core_crypto::prelude::*;

use super::{LookupParameters, LweCiphertext};

/// Columns that are summed up together: a cache line.
const TILE: usize = 16;
/// Ciphertexts that are summed up together.
const GROUP: usize = 4;
/// Rows that stay in the cache, with the digits of their batch.
const BLOCK: usize = 192;

/// A key-switching key, in the order in which sums read it.
pub(super) struct KeySwitch {
    parameters: LookupParameters,
    /// For each tile of columns its part of every row, the rows level by level, the finest first. Columns are
    /// the mask and the body of a small ciphertext, filled up with zeros.
    tiles: Vec<[u32; TILE]>,
}

/// What one thread needs to switch a batch.
#[derive(Default)]
pub(super) struct KeySwitchMemory {
    /// What is left of a mask while its digits are taken off, and the digits.
    rest: Vec<u64>,
    digits: Vec<u64>,
    /// The digits of the batch: group by group, in it row by row.
    factors: Vec<[u32; GROUP]>,
    /// Group by group, in it tile by tile: the sums of each ciphertext.
    sums: Vec<[[u32; TILE]; GROUP]>,
}

impl KeySwitch {
    /// Puts a key in order.
    pub fn new(parameters: LookupParameters, key: &LweKeyswitchKeyOwned<u32>) -> Self {
        let (levels, columns) = (parameters.key_switch().levels(), parameters.lwe_dimension() + 1);
        let (rows, count) = (key.as_ref(), parameters.key_switch_rows());
        let mut tiles = vec![[0; TILE]; columns.div_ceil(TILE) * count];
        for (tile, places) in tiles.chunks_exact_mut(count).enumerate() {
            let start = tile * TILE;
            let width = TILE.min(columns - start);
            for (place, to) in places.iter_mut().enumerate() {
                // In the key, levels of a bit are neighbours; here, bits of a level are.
                let (level, bit) = (place / parameters.big_dimension(), place % parameters.big_dimension());
                let from = (bit * levels + level) * columns + start;
                to[..width].copy_from_slice(&rows[from..from + width]);
            }
        }
        Self { parameters, tiles }
    }

    /// Ciphertexts under the small key, one after the other, of the messages of `inputs`: mask, then body.
    pub fn switch(&self, inputs: &[LweCiphertext], memory: &mut KeySwitchMemory) -> Vec<u32> {
        self.decompose(inputs, memory);
        let tiles = (self.parameters.lwe_dimension() + 1).div_ceil(TILE);
        memory.sums.clear();
        memory.sums.resize(tiles * inputs.len().div_ceil(GROUP), [[0; TILE]; GROUP]);
        let rows = self.parameters.key_switch_rows();
        vectorize(Accumulate { tiles: &self.tiles, rows, factors: &memory.factors, sums: &mut memory.sums });
        let columns = self.parameters.lwe_dimension() + 1;
        let mut switched = Vec::with_capacity(inputs.len() * columns);
        for (index, input) in inputs.iter().enumerate() {
            let (group, lane) = (index / GROUP, index % GROUP);
            let start = switched.len();
            let sums = memory.sums.chunks_exact(tiles).nth(group).unwrap_or_default();
            switched.extend(sums.iter().flat_map(|tile| tile[lane]).take(columns));
            let (_, body) = input.parts();
            // The last column is the body; adding half a unit rounds it.
            let body = (body.wrapping_add(1 << 31) >> 32) as u32;
            switched[start + columns - 1] = switched[start + columns - 1].wrapping_add(body);
        }
        switched
    }

    /// Fills in the digits of all inputs.
    fn decompose(&self, inputs: &[LweCiphertext], memory: &mut KeySwitchMemory) {
        let (gadget, dimension) = (self.parameters.key_switch(), self.parameters.big_dimension());
        let rows = self.parameters.key_switch_rows();
        memory.rest.resize(dimension, 0);
        memory.digits.resize(dimension, 0);
        memory.factors.clear();
        memory.factors.resize(rows * inputs.len().div_ceil(GROUP), [0; GROUP]);
        for (index, input) in inputs.iter().enumerate() {
            gadget.round(input.parts().0, &mut memory.rest);
            let factors = memory.factors.chunks_exact_mut(rows).nth(index / GROUP).unwrap_or_default();
            for level in factors.chunks_exact_mut(dimension) {
                gadget.take_digits(&mut memory.rest, &mut memory.digits);
                for (factor, digit) in level.iter_mut().zip(&memory.digits) {
                    // Digits are subtracted.
                    factor[index % GROUP] = (*digit as u32).wrapping_neg();
                }
            }
        }
    }
}

/// Adds every row of a key times its digits to the sums.
struct Accumulate<'a> {
    tiles: &'a [[u32; TILE]],
    rows: usize,
    factors: &'a [[u32; GROUP]],
    sums: &'a mut [[[u32; TILE]; GROUP]],
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.rows;
        let tiles = self.tiles.len() / rows;
        for start in (0..rows).step_by(BLOCK) {
            let end = rows.min(start + BLOCK);
            for (tile, key) in self.tiles.chunks_exact(rows).enumerate() {
                for (sums, factors) in self.sums.chunks_exact_mut(tiles).zip(self.factors.chunks_exact(rows))
                {
                    // As many tiles as sums, as many rows as factors.
                    add_products(&mut sums[tile], &key[start..end], &factors[start..end]);
                }
            }
        }
    }
}

/// Works with registers of 256 bits at most: given wider ones, the compiler gathers columns of the key from afar
/// instead of summing tiles.
fn vectorize(work: Accumulate) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    Arch::new().dispatch(work);
}

#[inline(always)]
fn add_products(sums: &mut [[u32; TILE]; GROUP], key: &[[u32; TILE]], factors: &[[u32; GROUP]]) {
    let mut registers = *sums;
    for (row, factors) in key.iter().zip(factors) {
        for (sums, factor) in registers.iter_mut().zip(factors) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(value.wrapping_mul(*factor));
            }
        }
    }
    *sums = registers;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{fast, set};
    use crate::crypto::lookup::{LookupSecretKey, SeededLookupKey};
    use crate::crypto::noise;
    use crate::crypto::trial::{assert_close, errors, variance};

    /// Ciphertexts of noise, none of whose digits are ties: there the rules of tfhe differ.
    fn inputs(parameters: &LookupParameters, count: usize) -> Vec<LweCiphertext> {
        let gadget = parameters.key_switch();
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let mut value = || {
            let (base, mut sum) = (1 << gadget.log2_base(), random());
            for scale in gadget.scales() {
                let digit = (random() % (base - 1)).wrapping_sub(base / 2 - 1);
                sum = digit.wrapping_mul(scale).wrapping_add(sum);
            }
            sum
        };
        (0..count)
            .map(|_| {
                let mut input = LweCiphertext::trivial(parameters, value());
                input.set_mask(&(0..parameters.big_dimension()).map(|_| value()).collect::<Vec<_>>());
                input
            })
            .collect()
    }

    #[test]
    fn a_batch_is_switched_as_tfhe_switches_each() {
        for parameters in [fast(), set((2, 1024), 602, (23, 1), (3, 6))] {
            let key = SeededLookupKey::for_key_switches(&LookupSecretKey::generate(parameters))
                .full_key_switch_key();
            let inputs = inputs(&parameters, 6);
            let columns = parameters.lwe_dimension() + 1;
            let switched = KeySwitch::new(parameters, &key).switch(&inputs, &mut KeySwitchMemory::default());
            for (input, switched) in inputs.iter().zip(switched.chunks_exact(columns)) {
                let (mask, body) = input.parts();
                let container = [mask, &[body]].concat();
                let input = tfhe::core_crypto::prelude::LweCiphertext::from_container(
                    container,
                    CiphertextModulus::new_native(),
                );
                let mut output = tfhe::core_crypto::prelude::LweCiphertext::new(
                    0,
                    LweSize(columns),
                    CiphertextModulus::new_native(),
                );
                keyswitch_lwe_ciphertext_with_scalar_change(&key, &input, &mut output);
                assert_eq!(output.as_ref(), switched);
            }
        }
    }

    #[test]
    fn key_switch_noise_fits_the_formula() {
        for parameters in [fast(), set((3, 512), 744, (17, 1), (4, 3))] {
            let mut all = Vec::new();
            for _ in 0..10 {
                let secret = LookupSecretKey::generate(parameters);
                let key = SeededLookupKey::for_key_switches(&secret).full_key_switch_key();
                let fresh = secret.encrypt(&vec![1 << 62; 256], 64);
                let inputs = LweCiphertext::expand(&parameters, &fresh, 64).unwrap();
                let switched =
                    KeySwitch::new(parameters, &key).switch(&inputs, &mut KeySwitchMemory::default());
                all.extend(switched.chunks_exact(parameters.lwe_dimension() + 1).map(|small| {
                    let small = tfhe::core_crypto::prelude::LweCiphertext::from_container(
                        small,
                        CiphertextModulus::new_native(),
                    );
                    u64::from(decrypt_lwe_ciphertext(&secret.as_small_lwe(), &small).0) << 32
                }));
            }
            let predicted = noise::key_switch(&parameters) + parameters.ring_variance();
            // Results of one key share noise.
            assert_close(variance(&errors(&all, &vec![1 << 62; all.len()])), predicted, 0.3);
        }
    }
}
