//! Predicted noise of lookups: key switch, modulus switches, bootstrapping.
//!
//! All are variances as fractions of the torus squared, averaged over secret keys. The formulas are tfhe's, for
//! keys of the least secure noise; what rounding of stored keys adds is counted here.

use tfhe::core_crypto::commons::noise_formulas::lwe_keyswitch::keyswitch_additive_variance_132_bits_security_gaussian;
use tfhe::core_crypto::commons::noise_formulas::lwe_programmable_bootstrap::pbs_variance_132_bits_security_gaussian_fft_mul;
use tfhe::core_crypto::prelude::*;

use super::{log2_failure, rounding};
use crate::crypto::{LookupParameters, Unrolling};

/// What switching from the big key to the small key adds.
pub fn key_switch(parameters: &LookupParameters) -> f64 {
    let gadget = parameters.key_switch();
    let added = keyswitch_additive_variance_132_bits_security_gaussian(
        LweDimension(parameters.big_dimension()),
        LweDimension(parameters.lwe_dimension()),
        DecompositionBaseLog(gadget.log2_base() as usize),
        DecompositionLevelCount(gadget.levels()),
        2.0_f64.powi(64),
        2.0_f64.powi(32),
    );
    let digits =
        gadget.levels() as f64 * parameters.big_dimension() as f64 * f64::from(2 * gadget.log2_base()).exp2()
            / 12.0;
    added.0 + digits * rounding(parameters.key_switch_bits())
}

/// The variance of a fresh encryption that is sent with [`LookupParameters::bootstrap_bits`] bits.
pub fn lookup_fresh(parameters: &LookupParameters) -> f64 {
    parameters.ring_variance() + rounding(parameters.bootstrap_bits())
}

/// What the centered switch to the modulus 2N adds: rounding of each coefficient of the mask meets a bit of the
/// key less one half. The body is rounded down, to the place of the table that it lies in: that moves nothing
/// across a step.
pub fn rotation(parameters: &LookupParameters) -> f64 {
    rounding(parameters.polynomial_size().ilog2() + 1) * parameters.lwe_dimension() as f64 / 4.0
}

/// What the centered switch of a result to the modulus 2^bits adds.
pub fn lookup_result(parameters: &LookupParameters, bits: u32) -> f64 {
    rounding(bits) * (parameters.big_dimension() as f64 / 4.0 + 1.0)
}

/// The variance of what meets the table, if an input of this variance is looked up.
pub fn lookup_input(parameters: &LookupParameters, variance: f64) -> f64 {
    variance + key_switch(parameters) + rotation(parameters)
}

/// The variance of a looked-up value.
///
/// Bit after bit of the small key, a product adds the noise of one GGSW ciphertext of the key, and what rounding to the
/// gadget drops if the bit is set. For a pair of bits, three ciphertexts are added up, each times a power of X
/// less one, which doubles its noise; what is dropped meets such a difference too, in three cases of four.
pub fn lookup_output(parameters: &LookupParameters) -> f64 {
    let gadget = parameters.bootstrap();
    let (n, big) = (parameters.lwe_dimension() as f64, parameters.big_dimension() as f64);
    let bit_after_bit = pbs_variance_132_bits_security_gaussian_fft_mul(
        LweDimension(parameters.lwe_dimension()),
        GlweDimension(parameters.glwe_dimension()),
        PolynomialSize(parameters.polynomial_size()),
        DecompositionBaseLog(gadget.log2_base() as usize),
        DecompositionLevelCount(gadget.levels()),
        f64::from(f64::MANTISSA_DIGITS),
        2.0_f64.powi(64),
    );
    let dropped = n * (big / 2.0 + 1.0) * rounding(gadget.bits()) / 2.0;
    let products = n * gadget.levels() as f64 * (big + parameters.polynomial_size() as f64);
    let digits = products * f64::from(2 * gadget.log2_base()).exp2() / 12.0;
    let keys = bit_after_bit.0 - dropped + digits * rounding(parameters.bootstrap_bits());
    match parameters.unrolling() {
        Unrolling::Single => keys + dropped,
        Unrolling::Pairs => 3.0 * keys + 1.5 * dropped,
    }
}

/// The standard deviation of what meets the table, in steps of a padded table of 2^bits values, if an input of
/// this variance is looked up.
pub fn steps_std(parameters: &LookupParameters, bits: u32, variance: f64) -> f64 {
    lookup_input(parameters, variance).sqrt() / step(bits)
}

/// The base-2 logarithm of the probability that a padded table of 2^bits values gives another value than that of
/// the input: that noise reaches half a step.
pub fn log2_exact_failure(parameters: &LookupParameters, bits: u32, variance: f64) -> f64 {
    log2_failure(step(bits) / 2.0, lookup_input(parameters, variance))
}

/// The base-2 logarithm of the probability that a padded table of 2^bits values gives a value that is not next to
/// that of the input: that noise reaches one and a half steps.
pub fn log2_approximate_failure(parameters: &LookupParameters, bits: u32, variance: f64) -> f64 {
    log2_failure(step(bits) * 1.5, lookup_input(parameters, variance))
}

/// The width of a step of a padded table of 2^bits values.
fn step(bits: u32) -> f64 {
    (-f64::from(bits + 1)).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{bit_by_bit, keys, phase, set};
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{
        LookupKey, LookupSecretKey, LookupTable, LookupWorkspace, LweCiphertext, switch_modulus,
    };

    /// The phases of lookups of fresh encryptions of `value`, on all threads.
    fn look_up(secret: &LookupSecretKey, key: &LookupKey, table: &LookupTable, values: &[u64]) -> Vec<u64> {
        use rayon::prelude::*;
        let parameters = secret.parameters();
        let fresh = secret.encrypt(values, 64);
        let inputs = LweCiphertext::expand(&parameters, &fresh, 64).unwrap();
        let batches = inputs.par_chunks(16).map_init(
            || LookupWorkspace::new(&parameters),
            |workspace, inputs| {
                let outputs = key.apply(inputs, &vec![table; inputs.len()], workspace);
                outputs.iter().map(|output| phase(secret, output)).collect::<Vec<_>>()
            },
        );
        batches.flatten().collect()
    }

    #[test]
    fn looked_up_values_have_the_noise_of_the_formula() {
        for (parameters, count) in [
            (set((5, 256), 624, (14, 1), (3, 3)), 256),
            (bit_by_bit(set((5, 256), 624, (14, 1), (3, 3))), 256),
            (set((3, 512), 700, (17, 1), (3, 5)), 160),
            (set((1, 2048), 700, (15, 2), (3, 6)), 96),
        ] {
            let (secret, key) = keys(parameters);
            let table = LookupTable::odd(&parameters, &[1 << 61]).unwrap();
            let opened = look_up(&secret, &key, &table, &vec![1 << 62; count]);
            let measured = variance(&errors(&opened, &vec![1 << 61; count]));
            // One key and some hundred samples: the variance is known to a tenth or so.
            assert_close(measured, lookup_output(&parameters), 0.6);
        }
    }

    #[test]
    fn lookups_fail_as_often_as_predicted() {
        // A small key far too small for so many bits; a ring good enough to tell what was looked up.
        let (bits, count) = (4, 256);
        let parameters = set((3, 512), 600, (17, 1), (3, 4));
        let (secret, key) = keys(parameters);
        let values: Vec<u64> = (0..16).map(|m| m << 59).collect();
        let table = LookupTable::padded(&parameters, &values).unwrap();
        let inputs: Vec<u64> = (0..count).map(|i| (i % 12 + 2) << 59).collect();
        let opened = look_up(&secret, &key, &table, &inputs);
        let wrong = |steps: u64| {
            let far = |(value, input): (&u64, &u64)| {
                let value = switch_modulus(*value, 5) % 32;
                value.abs_diff(input >> 59) > steps
            };
            opened.iter().zip(&inputs).filter(|pair| far(*pair)).count() as f64
        };
        let fresh = parameters.ring_variance();
        for (wrong, log2_failure) in [
            (wrong(0), log2_exact_failure(&parameters, bits, fresh)),
            (wrong(1), log2_approximate_failure(&parameters, bits, fresh)),
        ] {
            let expected = count as f64 * log2_failure.exp2();
            eprintln!("{wrong} wrong of {count}, {expected:.1} expected");
            // Lookups with one key have noise in common: between runs counts spread 1.2 times as far as their root.
            assert!(
                (wrong - expected).abs() < 7.0 * expected.sqrt() + 1.0,
                "{wrong} wrong, {expected} expected"
            );
        }
    }
}
