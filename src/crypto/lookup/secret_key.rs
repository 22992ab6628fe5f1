//! The client's secret of lookups: a ring key and a small key. Both are wiped from memory when dropped.

use anyhow::{Context, Result};
use tfhe::core_crypto::commons::math::random::{CompressionSeed, DynamicDistribution};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::{LookupParameters, SwitchedLwe, Unrolling};
use crate::crypto::{RingParameters, SecretKey, SeededRing, pack, packed_bytes, switch_modulus, unpack};

/// The secret keys of lookups, for one parameter set.
pub struct LookupSecretKey {
    parameters: LookupParameters,
    /// k polynomials of N bits.
    ring: Zeroizing<Vec<u64>>,
    /// n bits.
    small: Zeroizing<Vec<u32>>,
}

impl LookupSecretKey {
    /// Fresh uniform keys, from the operating system's or the processor's randomness.
    pub fn generate(parameters: LookupParameters) -> Self {
        let mut seeder = new_seeder();
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let ring: GlweSecretKeyOwned<u64> = allocate_and_generate_new_binary_glwe_secret_key(
            GlweDimension(parameters.glwe_dimension()),
            PolynomialSize(parameters.polynomial_size()),
            &mut generator,
        );
        let small: LweSecretKeyOwned<u32> = allocate_and_generate_new_binary_lwe_secret_key(
            LweDimension(parameters.lwe_dimension()),
            &mut generator,
        );
        Self {
            parameters,
            ring: Zeroizing::new(ring.into_container()),
            small: Zeroizing::new(small.into_container()),
        }
    }

    /// Keys of another set whose ring has as many bits: the same ring key in that set's shape, a fresh small key.
    pub(super) fn sharing_ring(&self, parameters: LookupParameters) -> Self {
        Self { ring: self.ring.clone(), ..Self::generate(parameters) }
    }

    /// Whether the bits of both ring keys are the same.
    pub(super) fn shares_ring(&self, other: &Self) -> bool {
        self.ring == other.ring
    }

    /// The parameter set they belong to.
    pub fn parameters(&self) -> LookupParameters {
        self.parameters
    }

    /// One bit for each coefficient: those of the ring key, then those of the small key.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let small = self.small.iter().map(|bit| u64::from(*bit));
        let bits: Zeroizing<Vec<u64>> = Zeroizing::new(self.ring.iter().copied().chain(small).collect());
        Zeroizing::new(pack(&bits, 1))
    }

    /// The keys that [`LookupSecretKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: LookupParameters, bytes: &[u8]) -> Result<Self> {
        let count = parameters.big_dimension() + parameters.lwe_dimension();
        let bits = unpack(bytes, count, 1).map(Zeroizing::new).with_context(|| {
            let due = packed_bytes(count, 1);
            format!("a secret key of {count} bits takes {due} bytes, not these {}", bytes.len())
        })?;
        // As many bits as both keys have.
        let (ring, small) = bits.split_at(parameters.big_dimension());
        let small = small.iter().map(|bit| *bit as u32);
        Ok(Self { parameters, ring: Zeroizing::new(ring.to_vec()), small: Zeroizing::new(small.collect()) })
    }

    /// Encrypts torus values, N at most, and keeps a body coefficient of each, rounded to `bits` bits.
    ///
    /// The noise variance of each is [`LookupParameters::ring_variance`] plus
    /// [`noise::rounding`](crate::crypto::noise::rounding).
    ///
    /// # Panics
    /// If there are more than N values.
    pub fn encrypt(&self, values: &[u64], bits: u32) -> SeededRing {
        let size = self.parameters.polynomial_size();
        assert!(values.len() <= size, "{} values in a polynomial of size {size}", values.len());
        let mut seeder = new_seeder();
        let seed = seeder.seed();
        let mut ciphertext = SeededGlweCiphertext::from_container(
            vec![0; size],
            GlweSize(self.parameters.glwe_dimension() + 1),
            CompressionSeed::from(seed),
            CiphertextModulus::new_native(),
        );
        let mut plaintext = Zeroizing::new(values.to_vec());
        plaintext.resize(size, 0);
        encrypt_seeded_glwe_ciphertext(
            &self.as_glwe(),
            &mut ciphertext,
            &PlaintextList::from_container(plaintext.as_slice()),
            self.ring_noise(),
            seeder.as_mut(),
        );
        let body = ciphertext.into_container();
        let body = body.iter().take(values.len()).map(|value| switch_modulus(*value, bits)).collect();
        SeededRing { seed: seed.0.to_le_bytes(), body }
    }

    /// The torus value, noise included, of a result with `bits` bits: body less mask times key.
    pub fn decrypt(&self, result: &SwitchedLwe, bits: u32) -> u64 {
        let products = result.mask.iter().zip(self.ring.iter()).map(|(mask, key)| mask * key);
        products.fold(result.body, u64::wrapping_sub) << (64 - bits)
    }

    /// The same ring key as one polynomial of k·N bits: what a looked-up value is encrypted under is a coefficient of
    /// ring ciphertexts under it.
    ///
    /// # Errors
    /// If there are no secure ring parameters of that size.
    pub fn as_ring_key(&self) -> Result<SecretKey> {
        let parameters = RingParameters::secure(self.parameters.big_dimension())?;
        SecretKey::from_coefficients(parameters, &self.ring)
    }

    pub(super) fn as_glwe(&self) -> GlweSecretKeyView<'_, u64> {
        GlweSecretKey::from_container(self.ring.as_slice(), PolynomialSize(self.parameters.polynomial_size()))
    }

    /// The ring key as the vector that extracted samples are encrypted under.
    pub(super) fn as_big_lwe(&self) -> LweSecretKeyView<'_, u64> {
        LweSecretKey::from_container(self.ring.as_slice())
    }

    pub(super) fn as_small_lwe(&self) -> LweSecretKeyView<'_, u32> {
        LweSecretKey::from_container(self.small.as_slice())
    }

    /// What the bootstrapping key encrypts. For bit after bit of the small key the bit; for each pair whether it is the
    /// first bit alone, the second alone, or both.
    pub(super) fn patterns(&self) -> Zeroizing<Vec<u32>> {
        match self.parameters.unrolling() {
            Unrolling::Single => self.small.clone(),
            Unrolling::Pairs => {
                let pairs = self.small.as_chunks::<2>().0.iter();
                Zeroizing::new(pairs.flat_map(|[a, b]| [a * (1 - b), (1 - a) * b, a * b]).collect())
            }
        }
    }

    pub(super) fn ring_noise(&self) -> DynamicDistribution<u64> {
        DynamicDistribution::new_gaussian(Variance(self.parameters.ring_variance()))
    }

    pub(super) fn small_noise(&self) -> DynamicDistribution<u32> {
        DynamicDistribution::new_gaussian(Variance(self.parameters.small_variance()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::fast;

    #[test]
    fn bytes_and_back() {
        let key = LookupSecretKey::generate(fast());
        let bytes = key.to_bytes();
        let bits = fast().big_dimension() + fast().lwe_dimension();
        assert_eq!(bytes.len(), bits.div_ceil(8));
        let again = LookupSecretKey::from_bytes(fast(), &bytes).unwrap();
        assert_eq!((&*again.ring, &*again.small), (&*key.ring, &*key.small));
        assert!(LookupSecretKey::from_bytes(fast(), &bytes[1..]).is_err());
    }
}
