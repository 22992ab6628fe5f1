//! Predicted noise: variances as fractions of the torus squared, and what they mean for failures.

use tfhe::core_crypto::commons::noise_formulas::modulus_switch::modulus_switch_additive_variance;
use tfhe::core_crypto::prelude::LweDimension;

use super::{CoefficientBits, RingParameters};

mod leveled;
mod lookup;

pub use leveled::{
    automorphism, expansion, external_product, scheme_switch, square, switching, trace, trace_rest, transform,
};
pub use lookup::{
    key_switch, log2_approximate_failure, log2_exact_failure, lookup_fresh, lookup_input, lookup_output,
    lookup_result, rotation, steps_std,
};

/// The variance of a fresh encryption.
pub fn encryption(parameters: &RingParameters) -> f64 {
    parameters.noise_std().powi(2)
}

/// The variance of an encryption under a public key: the key's noise times a binary polynomial, fresh noise,
/// and the mask's fresh noise times the binary secret.
pub fn public_encryption(parameters: &RingParameters) -> f64 {
    (parameters.polynomial_size() as f64 + 1.0) * encryption(parameters)
}

/// The variance that storing mask and body with these bits adds; the mask's rounding meets the binary secret.
pub fn stored(parameters: &RingParameters, bits: CoefficientBits) -> f64 {
    rounding(bits.body) + parameters.polynomial_size() as f64 / 2.0 * rounding(bits.mask)
}

/// The variance that rounding one value to a multiple of 2^-bits adds.
pub fn rounding(bits: u32) -> f64 {
    (-2.0 * f64::from(bits)).exp2() / 12.0
}

/// The variance after a sum of independent ciphertexts with integer weights of this squared 2-norm.
pub fn weighted_sum(squared_norm2: f64, variance: f64) -> f64 {
    squared_norm2 * variance
}

/// The variance that switching a whole ciphertext to the modulus 2^bits adds.
pub fn modulus_switch(parameters: &RingParameters, bits: u32) -> f64 {
    let modulus = 2.0_f64.powi(64);
    modulus_switch_additive_variance(
        LweDimension(parameters.polynomial_size()),
        modulus,
        f64::from(bits).exp2(),
    )
    .0
    .max(0.0)
}

/// The base-2 logarithm of the probability that Gaussian noise of this variance reaches `distance`
/// (a fraction of the torus) on either side.
pub fn log2_failure(distance: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return f64::NEG_INFINITY;
    }
    log2_erfc(distance / (2.0 * variance).sqrt())
}

/// log2(erfc(x)) for x >= 0, by the continued fraction of Laplace for large and a series for small x.
fn log2_erfc(x: f64) -> f64 {
    if x < 2.0 {
        return (1.0 - erf_series(x)).log2();
    }
    let fraction = (1..=60).rev().fold(0.0, |tail, k| f64::from(k) / 2.0 / (x + tail));
    let scaled = 1.0 / ((x + fraction) * std::f64::consts::PI.sqrt());
    scaled.log2() - x * x * std::f64::consts::LOG2_E
}

fn erf_series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..80 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_probabilities_match_the_normal_distribution() {
        // Two-sided tails of the standard normal distribution at 1, 3 and 6 standard deviations.
        for (sigmas, tail) in [(1.0, 0.317_310_5), (3.0, 0.002_699_796), (6.0, 1.973_175e-9)] {
            let predicted = log2_failure(sigmas, 1.0).exp2();
            assert!((predicted / tail - 1.0).abs() < 1e-5, "{sigmas}: {predicted} against {tail}");
        }
    }

    #[test]
    fn no_noise_never_fails() {
        assert_eq!(log2_failure(0.1, 0.0), f64::NEG_INFINITY);
    }
}
