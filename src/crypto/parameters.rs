//! Parameter sets: checked once against the public security curves, immutable after.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::noise_formulas::secure_noise::minimal_glwe_variance_for_132_bits_security_gaussian;
use tfhe::core_crypto::prelude::*;

/// The security, in bits, of every parameter set this program accepts: that of tfhe's curves.
pub const SECURITY_BITS: u32 = 132;

/// Ring degrees with a place on the curve that this program uses; above 4096 the least noise modulo
/// 2^64 does not fall any more.
const POLYNOMIAL_SIZES: [usize; 2] = [2048, 4096];

/// Parameters of ring (GLWE, dimension 1) encryption modulo 2^64 under a binary secret key with
/// Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Literal")]
pub struct RingParameters {
    polynomial_size: usize,
    noise_std: f64,
}

/// What a file says; not yet believed.
#[derive(Deserialize)]
struct Literal {
    polynomial_size: usize,
    noise_std: f64,
}

impl RingParameters {
    /// The set of the least noise that is secure at this polynomial size.
    ///
    /// # Errors
    /// If no set of this size is known to be secure.
    pub fn secure(polynomial_size: usize) -> Result<Self> {
        if !POLYNOMIAL_SIZES.contains(&polynomial_size) {
            bail!(
                "no secure parameters with polynomial size {polynomial_size}: it must be one of {POLYNOMIAL_SIZES:?}"
            );
        }
        Ok(Self { polynomial_size, noise_std: minimal_noise_std(polynomial_size) })
    }

    /// All secure sets, from the smallest to the largest polynomial size.
    pub fn all_secure() -> impl Iterator<Item = Self> {
        POLYNOMIAL_SIZES
            .iter()
            .map(|&size| Self { polynomial_size: size, noise_std: minimal_noise_std(size) })
    }

    /// The number N of coefficients of a ring element.
    pub fn polynomial_size(&self) -> usize {
        self.polynomial_size
    }

    /// The standard deviation of fresh noise, as a fraction of the torus.
    pub fn noise_std(&self) -> f64 {
        self.noise_std
    }
}

impl TryFrom<Literal> for RingParameters {
    type Error = anyhow::Error;

    fn try_from(literal: Literal) -> Result<Self> {
        let secure = Self::secure(literal.polynomial_size)?;
        if !(literal.noise_std >= secure.noise_std && literal.noise_std < 1.0) {
            bail!(
                "insecure parameters: noise 2^{:.2} at polynomial size {}, at least 2^{:.2} is needed for {SECURITY_BITS} bits",
                literal.noise_std.log2(),
                literal.polynomial_size,
                secure.noise_std.log2()
            );
        }
        Ok(Self { polynomial_size: literal.polynomial_size, noise_std: literal.noise_std })
    }
}

fn minimal_noise_std(polynomial_size: usize) -> f64 {
    let modulus = 2.0_f64.powi(64);
    minimal_glwe_variance_for_132_bits_security_gaussian(
        GlweDimension(1),
        PolynomialSize(polynomial_size),
        modulus,
    )
    .0
    .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_outside_the_curve_are_refused() {
        let secure = RingParameters::secure(2048).unwrap();
        let weak = format!(r#"{{"polynomial_size":2048,"noise_std":{:e}}}"#, secure.noise_std() / 2.0);
        let message = serde_json::from_str::<RingParameters>(&weak).unwrap_err().to_string();
        assert!(message.contains("insecure parameters"), "{message}");
        assert!(RingParameters::secure(1024).is_err());
    }

    #[test]
    fn a_secure_set_survives_a_file() {
        let set = RingParameters::secure(4096).unwrap();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<RingParameters>(&text).unwrap(), set);
    }
}
