//! The client's secret: a binary polynomial. It is wiped from memory when dropped and never shown.

use anyhow::{Result, bail};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::RingParameters;

/// A secret key of ring encryption, for one parameter set.
pub struct SecretKey {
    parameters: RingParameters,
    coefficients: Zeroizing<Vec<u64>>,
}

impl SecretKey {
    /// A fresh uniform key, from the operating system's or the processor's randomness.
    pub fn generate(parameters: RingParameters) -> Self {
        let mut seeder = new_seeder();
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let key: GlweSecretKeyOwned<u64> = allocate_and_generate_new_binary_glwe_secret_key(
            GlweDimension(1),
            PolynomialSize(parameters.polynomial_size()),
            &mut generator,
        );
        Self { parameters, coefficients: Zeroizing::new(key.into_container()) }
    }

    /// The parameter set it belongs to.
    pub fn parameters(&self) -> RingParameters {
        self.parameters
    }

    /// One bit for each coefficient, lowest first.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let byte = |bits: &[u64]| {
            bits.iter().enumerate().fold(0_u8, |byte, (place, bit)| byte | ((*bit as u8) << place))
        };
        Zeroizing::new(self.coefficients.chunks(8).map(byte).collect())
    }

    /// The key that [`SecretKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the number of bytes does not fit the parameters.
    pub fn from_bytes(parameters: RingParameters, bytes: &[u8]) -> Result<Self> {
        if bytes.len() * 8 != parameters.polynomial_size() {
            bail!("a secret key of {} bits has {} bytes", parameters.polynomial_size(), bytes.len());
        }
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |place| u64::from(byte >> place & 1)));
        Ok(Self { parameters, coefficients: Zeroizing::new(bits.collect()) })
    }

    /// The key of these bits.
    ///
    /// # Errors
    /// If their number does not fit the parameters.
    pub(super) fn from_coefficients(parameters: RingParameters, bits: &[u64]) -> Result<Self> {
        if bits.len() != parameters.polynomial_size() {
            bail!("a secret key of {} bits, where {} are due", bits.len(), parameters.polynomial_size());
        }
        Ok(Self { parameters, coefficients: Zeroizing::new(bits.to_vec()) })
    }

    /// The binary coefficients.
    pub(super) fn coefficients(&self) -> &[u64] {
        &self.coefficients
    }

    pub(super) fn as_glwe(&self) -> GlweSecretKeyView<'_, u64> {
        GlweSecretKey::from_container(
            self.coefficients.as_slice(),
            PolynomialSize(self.parameters.polynomial_size()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let parameters = RingParameters::secure(2048).unwrap();
        let key = SecretKey::generate(parameters);
        let bytes = key.to_bytes();
        assert_eq!(bytes.len(), 256);
        let again = SecretKey::from_bytes(parameters, &bytes).unwrap();
        assert_eq!(*again.coefficients, *key.coefficients);
        assert!(SecretKey::from_bytes(parameters, &bytes[1..]).is_err());
    }
}
