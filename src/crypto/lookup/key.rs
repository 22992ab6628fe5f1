//! The evaluation key of lookups: made under the secret keys, stored as seeds and bodies.

use anyhow::{Context, Result, bail};
use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroize;

use super::{LookupKey, LookupParameters, LookupSecretKey};
use crate::crypto::{pack, packed_bytes, switch_modulus, unpack};

/// A bootstrapping key and a key-switching key. They compute and cannot read.
///
/// Bodies are rounded to the bits that are not noise ([`LookupParameters::bootstrap_bits`] and
/// [`LookupParameters::key_switch_bits`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededLookupKey {
    parameters: LookupParameters,
    /// For each group of bits of the small key a GGSW ciphertext under the ring key for each pattern.
    bootstrap: Seeded,
    /// For each bit of the big key an encryption at every level, the finest first, under the small key.
    key_switch: Seeded,
}

/// The seed of all masks, and the bodies as multiples of the last bit that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seeded {
    seed: [u8; 16],
    bodies: Vec<u64>,
}

impl SeededLookupKey {
    /// A fresh key, made on all threads.
    pub fn generate(secret: &LookupSecretKey) -> Self {
        let parameters = secret.parameters();
        let (bootstrap, key_switch) = rayon::join(|| bootstrap_key(secret), || key_switch_key(secret));
        Self { parameters, bootstrap, key_switch }
    }

    /// A key of random masks and no message, as good as any to measure time with.
    pub(super) fn meaningless(parameters: LookupParameters) -> Self {
        let zeros = |count| Seeded { seed: [0; 16], bodies: vec![0; count] };
        Self {
            parameters,
            bootstrap: zeros(parameters.bootstrap_bodies()),
            key_switch: zeros(parameters.key_switch_rows()),
        }
    }

    /// A key whose bootstrapping key is missing.
    #[cfg(test)]
    pub(super) fn for_key_switches(secret: &LookupSecretKey) -> Self {
        Self { key_switch: key_switch_key(secret), ..Self::meaningless(secret.parameters()) }
    }

    /// The parameters it was made for.
    pub fn parameters(&self) -> LookupParameters {
        self.parameters
    }

    /// The key's bytes: [`LookupParameters::key_bytes`] of them, for each part its seed and its bodies.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parameters.key_bytes());
        self.bootstrap.write(self.parameters.bootstrap_bits(), &mut bytes);
        self.key_switch.write(self.parameters.key_switch_bits(), &mut bytes);
        bytes
    }

    /// The key that [`SeededLookupKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: LookupParameters, mut bytes: &[u8]) -> Result<Self> {
        if bytes.len() != parameters.key_bytes() {
            bail!("an evaluation key of {} bytes, where {} are due", bytes.len(), parameters.key_bytes());
        }
        let mut read = |count, bits| {
            Seeded::read(count, bits, &mut bytes).context("an evaluation key with bytes that mean nothing")
        };
        Ok(Self {
            parameters,
            bootstrap: read(parameters.bootstrap_bodies(), parameters.bootstrap_bits())?,
            key_switch: read(parameters.key_switch_rows(), parameters.key_switch_bits())?,
        })
    }

    /// The key in the form that computes, made on all threads.
    pub fn expand(&self) -> LookupKey {
        LookupKey::new(self.parameters, &self.full_bootstrap_key(), &self.full_key_switch_key())
    }

    fn full_bootstrap_key(&self) -> LweBootstrapKeyOwned<u64> {
        let shift = u64::BITS - self.parameters.bootstrap_bits();
        let bodies: Vec<u64> = self.bootstrap.bodies.iter().map(|body| body << shift).collect();
        seeded_bootstrap(&self.parameters, bodies, self.bootstrap.seed())
            .par_decompress_into_lwe_bootstrap_key()
    }

    pub(super) fn full_key_switch_key(&self) -> LweKeyswitchKeyOwned<u32> {
        let shift = u32::BITS - self.parameters.key_switch_bits();
        let bodies: Vec<u32> = self.key_switch.bodies.iter().map(|body| (*body as u32) << shift).collect();
        seeded_key_switch(&self.parameters, bodies, self.key_switch.seed())
            .par_decompress_into_lwe_keyswitch_key()
    }
}

impl Seeded {
    fn seed(&self) -> Seed {
        Seed(u128::from_le_bytes(self.seed))
    }

    fn write(&self, bits: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.seed);
        bytes.extend(pack(&self.bodies, bits));
    }

    fn read(count: usize, bits: u32, bytes: &mut &[u8]) -> Option<Self> {
        let seed = *bytes.split_off(..16)?.first_chunk::<16>()?;
        let bodies = unpack(bytes.split_off(..packed_bytes(count, bits))?, count, bits)?;
        Some(Self { seed, bodies })
    }
}

fn bootstrap_key(secret: &LookupSecretKey) -> Seeded {
    let parameters = secret.parameters();
    let mut seeder = new_seeder();
    let seed = seeder.seed();
    let mut key = seeded_bootstrap(&parameters, vec![0; parameters.bootstrap_bodies()], seed);
    // What is encrypted is a key of its own to tfhe.
    let patterns = secret.patterns();
    par_generate_seeded_lwe_bootstrap_key(
        &LweSecretKey::from_container(patterns.as_slice()),
        &secret.as_glwe(),
        &mut key,
        secret.ring_noise(),
        seeder.as_mut(),
    );
    let mut bodies = key.into_container();
    bodies.iter_mut().for_each(|body| *body = rounded(*body, parameters.bootstrap_bits()));
    Seeded { seed: seed.0.to_le_bytes(), bodies }
}

fn key_switch_key(secret: &LookupSecretKey) -> Seeded {
    let parameters = secret.parameters();
    let mut seeder = new_seeder();
    let seed = seeder.seed();
    let mut key = seeded_key_switch(&parameters, vec![0; parameters.key_switch_rows()], seed);
    generate_seeded_lwe_keyswitch_key(
        &secret.as_big_lwe(),
        &secret.as_small_lwe(),
        &mut key,
        secret.small_noise(),
        seeder.as_mut(),
    );
    let torus = |body: &u32| u64::from(*body) << u32::BITS;
    let mut container = key.into_container();
    let bodies = container.iter().map(|body| rounded(torus(body), parameters.key_switch_bits())).collect();
    container.zeroize();
    Seeded { seed: seed.0.to_le_bytes(), bodies }
}

/// The nearest multiple of 2^-bits of the torus, as its multiplicity, below 2^bits.
fn rounded(value: u64, bits: u32) -> u64 {
    switch_modulus(value, bits) & (u64::MAX >> (u64::BITS - bits))
}

fn seeded_bootstrap<C: Container<Element = u64>>(
    parameters: &LookupParameters,
    bodies: C,
    seed: Seed,
) -> SeededLweBootstrapKey<C> {
    SeededLweBootstrapKey::from_container(
        bodies,
        GlweSize(parameters.glwe_dimension() + 1),
        PolynomialSize(parameters.polynomial_size()),
        DecompositionBaseLog(parameters.bootstrap().log2_base() as usize),
        DecompositionLevelCount(parameters.bootstrap().levels()),
        CompressionSeed::from(seed),
        CiphertextModulus::new_native(),
    )
}

fn seeded_key_switch<C: Container<Element = u32>>(
    parameters: &LookupParameters,
    bodies: C,
    seed: Seed,
) -> SeededLweKeyswitchKey<C> {
    SeededLweKeyswitchKey::from_container(
        bodies,
        DecompositionBaseLog(parameters.key_switch().log2_base() as usize),
        DecompositionLevelCount(parameters.key_switch().levels()),
        LweSize(parameters.lwe_dimension() + 1),
        CompressionSeed::from(seed),
        CiphertextModulus::new_native(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::fast;

    #[test]
    fn bytes_and_back() {
        let key = SeededLookupKey::generate(&LookupSecretKey::generate(fast()));
        let bytes = key.to_bytes();
        assert_eq!(bytes.len(), fast().key_bytes());
        assert_eq!(SeededLookupKey::from_bytes(fast(), &bytes).unwrap(), key);
    }

    #[test]
    fn other_sizes_are_refused() {
        let bytes = vec![0; fast().key_bytes() + 1];
        for bytes in [&bytes[..], &bytes[2..], &[]] {
            assert!(SeededLookupKey::from_bytes(fast(), bytes).is_err());
        }
    }
}
