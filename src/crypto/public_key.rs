//! Public keys: whoever holds one encrypts, and reads nothing.
//!
//! A key is an encryption of zero under each of the secrets, all with one mask: (a, b_i = a·s_i + e_i). To
//! encrypt, it is multiplied by a fresh binary polynomial r, and fresh noise of the same size as the secrets'
//! is added to every part: (a·r + e', b_i·r + e'_i + m_i). Under r this is again an encryption of zero, by the
//! same assumption that hides the secrets (Lyubashevsky, Peikert, Regev, *On Ideal Lattices and Learning with
//! Errors over Rings*, 2010). The compact public key of the tfhe crate is the case of one secret.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::math::random::RandomGenerator;
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::{Polynomial, Products, RingParameters, SecretKey, SharedMask, SharedParameters, expand_mask};

/// A public key for one secret or several ones of the same ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct PublicKey {
    ring: RingParameters,
    seed: [u8; 16],
    bodies: Vec<Vec<u64>>,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    ring: RingParameters,
    seed: [u8; 16],
    bodies: Vec<Vec<u64>>,
}

impl PublicKey {
    /// A fresh public key for these secrets.
    ///
    /// # Errors
    /// If there are none, too many to share a mask, or they are of different rings.
    pub fn generate(secrets: &[SecretKey]) -> Result<Self> {
        let Some(first) = secrets.first() else { bail!("a public key needs a secret") };
        let ring = first.parameters();
        ensure!(
            secrets.iter().all(|secret| secret.parameters() == ring),
            "the secrets are of different rings"
        );
        let seed = new_seeder().seed();
        let zero = vec![0; ring.polynomial_size()];
        let bodies = secrets.iter().map(|secret| secret.encrypt_with(seed, &zero)).collect();
        Literal { ring, seed: seed.0.to_le_bytes(), bodies }.try_into()
    }

    /// The ring of its ciphertexts.
    pub fn ring(&self) -> &RingParameters {
        &self.ring
    }

    /// The number of secrets it encrypts under.
    pub fn secrets(&self) -> usize {
        self.bodies.len()
    }
}

impl TryFrom<Literal> for PublicKey {
    type Error = anyhow::Error;

    fn try_from(Literal { ring, seed, bodies }: Literal) -> Result<Self> {
        let size = SharedParameters::new(ring, bodies.len())?.ring().polynomial_size();
        if let Some(body) = bodies.iter().find(|body| body.len() != size) {
            bail!("a body of a public key of polynomial size {size} has {} coefficients", body.len());
        }
        Ok(Self { ring, seed, bodies })
    }
}

/// A public key made ready to encrypt much.
pub struct PublicEncryptor {
    ring: RingParameters,
    products: Products,
    mask: Polynomial,
    bodies: Vec<Polynomial>,
}

impl PublicEncryptor {
    /// Transforms the key once.
    ///
    /// # Errors
    /// If the ring has no exact product.
    pub fn new(key: &PublicKey) -> Result<Self> {
        let size = key.ring.polynomial_size();
        let products = Products::new(size).with_context(|| format!("no exact product of size {size}"))?;
        let mask = products.transform(&expand_mask(&key.ring, key.seed));
        let bodies = key.bodies.iter().map(|body| products.transform(body)).collect();
        Ok(Self { ring: key.ring, products, mask, bodies })
    }

    /// Encrypts one polynomial under each of the first secrets, given by their leading coefficients (torus
    /// values), and keeps as many of each body.
    ///
    /// The noise variance of a coefficient is [`super::noise::public_encryption`].
    ///
    /// # Errors
    /// If there are more polynomials than secrets, or one has more coefficients than the ring.
    pub fn encrypt(&self, polynomials: &[&[u64]]) -> Result<SharedMask> {
        let (count, size) = (self.bodies.len(), self.ring.polynomial_size());
        ensure!(polynomials.len() <= count, "{} polynomials for {count} secrets", polynomials.len());
        if let Some(long) = polynomials.iter().find(|polynomial| polynomial.len() > size) {
            bail!("a polynomial of {} coefficients for a ring of polynomial size {size}", long.len());
        }
        let mut random = RandomGenerator::<DefaultRandomGenerator>::new(new_seeder().seed());
        let mut factor = Zeroizing::new(vec![0_u64; size]);
        random.fill_slice_with_random_uniform_binary(&mut factor);
        let factor = Zeroizing::new(self.products.transform(&factor));
        let mut zero = |part: &Polynomial, length: usize| {
            let mut values = self.products.multiply(part, &factor);
            values.truncate(length);
            random.unsigned_torus_slice_wrapping_add_random_gaussian_assign(
                &mut values,
                0.0,
                self.ring.noise_std(),
            );
            values
        };
        let mask = zero(&self.mask, size);
        let encrypt = |(part, polynomial): (&Polynomial, &&[u64])| {
            let mut body = zero(part, polynomial.len());
            let sums = body.iter_mut().zip(polynomial.iter());
            sums.for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
            body
        };
        Ok(SharedMask { mask, bodies: self.bodies.iter().zip(polynomials).map(encrypt).collect() })
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{CoefficientBits, SharedDecryptor, noise};

    /// The sum of a binary polynomial's mean, 1/2, times the noise it meets runs like a random walk over the
    /// coefficients, so a ciphertext counts as few samples: the mean square has a variance of 1/6 a ciphertext. Of
    /// 600 independent ones the standard deviation is 1.7 %, a seventh of the tolerance.
    #[test]
    fn noise_fits_the_formulas() {
        let bits = CoefficientBits { mask: 48, body: 44 };
        let ring = RingParameters::secure(2048).unwrap();
        let message: Vec<u64> = (0..2048).map(|i| i << 50).collect();
        let measure = |_| {
            let secrets = [SecretKey::generate(ring)];
            let public = PublicEncryptor::new(&PublicKey::generate(&secrets).unwrap()).unwrap();
            let decryptor = SharedDecryptor::new(&ring, &secrets).unwrap();
            let ciphertext = public.encrypt(&[&message]).unwrap();
            let rounded = SharedMask::from_bytes(&ciphertext.to_bytes(bits), 2048, &[2048], bits).unwrap();
            [ciphertext, rounded]
                .map(|ciphertext| variance(&errors(&decryptor.decrypt(&ciphertext)[0], &message)))
        };
        let measured: Vec<[f64; 2]> = (0..600).into_par_iter().map(measure).collect();
        let mean =
            |place: usize| measured.iter().map(|pair| pair[place]).sum::<f64>() / measured.len() as f64;
        let predicted = noise::public_encryption(&ring);
        assert_close(mean(0), predicted, 0.12);
        assert_close(mean(1), predicted + noise::stored(&ring, bits), 0.12);
    }

    #[test]
    fn each_body_opens_under_its_secret_as_a_ring_ciphertext() {
        let ring = RingParameters::secure(4096).unwrap();
        let secrets = [SecretKey::generate(ring), SecretKey::generate(ring)];
        let public = PublicEncryptor::new(&PublicKey::generate(&secrets).unwrap()).unwrap();
        let messages = [[3 << 60, 5 << 60], [7 << 60, 1 << 60]];
        let ciphertext = public.encrypt(&[&messages[0], &messages[1]]).unwrap();
        for (index, (secret, message)) in secrets.iter().zip(messages).enumerate() {
            let phase = secret.phase(&ciphertext.ring(index).unwrap());
            let opened: Vec<u64> = phase[..2].iter().map(|value| (value + (1 << 59)) >> 60 << 60).collect();
            assert_eq!(opened, message);
        }
        assert!(ciphertext.ring(2).is_none());
        assert_ne!(public.encrypt(&[&messages[0]]).unwrap().mask, ciphertext.mask);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let ring = RingParameters::secure(2048).unwrap();
        assert!(PublicKey::generate(&[]).is_err());
        let key = PublicKey::generate(&[SecretKey::generate(ring)]).unwrap();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&text).unwrap(), key);
        let short = PublicKey { bodies: vec![vec![0; 5]], ..key.clone() };
        let message = serde_json::from_str::<PublicKey>(&serde_json::to_string(&short).unwrap()).unwrap_err();
        assert!(message.to_string().contains("has 5 coefficients"), "{message}");
        let public = PublicEncryptor::new(&key).unwrap();
        assert!(public.encrypt(&[&[0], &[0]]).is_err());
        assert!(public.encrypt(&[&[0; 2049]]).is_err());
    }
}
