//! Keys that turn a mask times a secret polynomial z back into a ciphertext under the secret key, by
//! products in the Fourier domain that lose nothing to rounding.
//!
//! A key holds, for each level j of its gadget, an encryption of z·q/B^j. From the digits d_j of a mask a,
//! Σ d_j · (row j) encrypts a·z. Only the mask is decomposed: the body needs no key.
//!
//! **Split transform.** Products of 64-bit rows by 53-bit floating point would leave noise far above that
//! of a fresh encryption with N = 4096. So each row is stored in two halves, a multiple of 2^40 and a
//! signed 40-bit rest. Sums of the first half are multiples of 2^40 and are rounded to one; sums of the
//! second half are small. The noise is then that of exact arithmetic: [`noise::switching`](super::noise::switching).
//!
//! Papers: key switching as an external product follows Chillotti, Gama, Georgieva, Izabachène, *TFHE*
//! (Journal of Cryptology, 2020); splitting numbers for floating point transforms is as old as them.

use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::fft_impl::fft64::ABox;
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::conversion::{AddIntegers, AddShifted, Scaled};
use super::factors::place_rows;
use super::ring::gaussian;
use super::ring_ciphertext::zeros;
use super::workspace::RingWorkspace;
use super::{Gadget, RingCiphertext, RingParameters, SecretKey};

/// The lowest bit of the high half of a value.
const SPLIT_BITS: u32 = 40;

/// A key as it is stored: the seed of its masks, and its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeededSwitchingKey {
    seed: [u8; 16],
    /// One polynomial for each level, the finest first.
    bodies: Vec<u64>,
}

impl SeededSwitchingKey {
    /// A fresh key for the polynomial `secret_factor` (small integers modulo 2^64).
    pub fn generate(secret: &SecretKey, secret_factor: &[u64], gadget: Gadget) -> Self {
        let mut seeder = new_seeder();
        let seed = seeder.seed();
        let messages: Zeroizing<Vec<u64>> = Zeroizing::new(
            gadget
                .scales()
                .rev()
                .flat_map(|scale| secret_factor.iter().map(move |value| value.wrapping_mul(scale)))
                .collect(),
        );
        let mut rows = seeded_rows(vec![0; messages.len()], secret_factor.len(), seed);
        encrypt_seeded_glwe_ciphertext_list(
            &secret.as_glwe(),
            &mut rows,
            &PlaintextList::from_container(messages.as_slice()),
            gaussian(&secret.parameters()),
            seeder.as_mut(),
        );
        Self { seed: seed.0.to_le_bytes(), bodies: rows.into_container() }
    }

    /// The bytes of a key: its seed and 8 bytes for each coefficient of each level.
    pub fn byte_count(parameters: &RingParameters, gadget: Gadget) -> usize {
        16 + 8 * gadget.levels() * parameters.polynomial_size()
    }

    /// Appends the key's bytes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.seed);
        bytes.extend(self.bodies.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Takes a key with this gadget off the front of `bytes`, or gives `None` if there are too few.
    pub fn read(bytes: &mut &[u8], parameters: &RingParameters, gadget: Gadget) -> Option<Self> {
        let key = bytes.split_off(..Self::byte_count(parameters, gadget))?;
        let (seed, bodies) = key.split_first_chunk::<16>()?;
        let (bodies, _) = bodies.as_chunks::<8>();
        Some(Self { seed: *seed, bodies: bodies.iter().map(|value| u64::from_le_bytes(*value)).collect() })
    }

    /// The key in the form that computes. `gadget` is that of its making.
    pub fn expand(&self, gadget: Gadget, workspace: &mut RingWorkspace) -> SwitchingKey {
        let size = workspace.mask.len();
        let seed = Seed(u128::from_le_bytes(self.seed));
        let rows = seeded_rows(self.bodies.as_slice(), size, seed).decompress_into_glwe_ciphertext_list();
        let rows = rows.into_container();
        let mut fourier = zeros(2 * rows.len());
        // Backward transforms multiply by N/2.
        let scale = 2.0 / size as f64;
        let low = |value: u64| value.wrapping_sub(high_half(value));
        let high = |value: u64| ((high_half(value) as i64) >> SPLIT_BITS) as u64;
        for (level, row) in rows.chunks_exact(2 * size).enumerate() {
            let (highs, lows) = workspace.sums.split_at_mut(2 * size);
            let places = highs.chunks_exact_mut(size).zip(lows.chunks_exact_mut(size));
            for (values, (high_place, low_place)) in row.chunks_exact(size).zip(places) {
                workspace.transform.forward(Scaled { values, part: high, scale }, high_place);
                workspace.transform.forward(Scaled { values, part: low, scale }, low_place);
            }
            place_rows(&mut fourier, &workspace.sums, size, 4 * level, 4 * gadget.levels());
        }
        SwitchingKey { gadget, rows: fourier }
    }
}

/// A key that computes: split and transformed.
pub(super) struct SwitchingKey {
    gadget: Gadget,
    /// In the order of [`place_rows`]: high mask, high body, low mask and low body of each level.
    rows: ABox<[f64]>,
}

impl SwitchingKey {
    /// Adds an encryption of a·z to `sum`, where a is the mask in the workspace and z the key's polynomial.
    pub fn add_switched(&self, sum: &mut RingCiphertext, workspace: &mut RingWorkspace) {
        workspace.decompose_mask(self.gadget);
        workspace.sum_switched(&self.rows, self.gadget.levels());
        add_sums(sum, workspace);
    }
}

/// Transforms the sums back and adds them to mask and body.
fn add_sums(sum: &mut RingCiphertext, workspace: &mut RingWorkspace) {
    let size = workspace.transform.values();
    let (mask, body) = sum.parts_mut();
    let (high, low) = workspace.sums.split_at_mut(2 * size);
    let halves = high.chunks_exact_mut(size).zip(low.chunks_exact_mut(size));
    for (part, (high, low)) in [mask, body].into_iter().zip(halves) {
        workspace.transform.backward(high, AddShifted { sum: part, bits: SPLIT_BITS });
        workspace.transform.backward(low, AddIntegers(part));
    }
}

/// The nearest multiple of 2^40.
fn high_half(value: u64) -> u64 {
    value.wrapping_add(1 << (SPLIT_BITS - 1)) & (u64::MAX << SPLIT_BITS)
}

fn seeded_rows<C: Container<Element = u64>>(
    bodies: C,
    polynomial_size: usize,
    seed: Seed,
) -> SeededGlweCiphertextList<C> {
    SeededGlweCiphertextList::from_container(
        bodies,
        GlweSize(2),
        PolynomialSize(polynomial_size),
        CompressionSeed::from(seed),
        CiphertextModulus::new_native(),
    )
}
