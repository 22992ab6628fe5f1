//! Predicted noise of lookups: key switch, modulus switches, bootstrapping.
//!
//! All are variances as fractions of the torus squared, averaged over secret keys. The formulas are tfhe's, for
//! keys of the least secure noise; what rounding of stored keys adds is counted here.

use tfhe::core_crypto::commons::noise_formulas::lwe_keyswitch::keyswitch_additive_variance_132_bits_security_gaussian;
use tfhe::core_crypto::commons::noise_formulas::lwe_programmable_bootstrap::pbs_variance_132_bits_security_gaussian_fft_mul;
use tfhe::core_crypto::prelude::*;

use super::rounding;
use crate::crypto::LookupParameters;

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

/// What the centered switch to the modulus 2N adds: rounding of each coefficient of the mask meets a bit of the
/// key less one half, that of the body is added.
pub fn rotation(parameters: &LookupParameters) -> f64 {
    centered_switch(parameters.lwe_dimension(), parameters.polynomial_size().ilog2() + 1)
}

/// What the centered switch of a result to the modulus 2^bits adds.
pub fn lookup_result(parameters: &LookupParameters, bits: u32) -> f64 {
    centered_switch(parameters.big_dimension(), bits)
}

/// The variance of what meets the table, if an input of this variance is looked up.
pub fn lookup_input(parameters: &LookupParameters, variance: f64) -> f64 {
    variance + key_switch(parameters) + rotation(parameters)
}

/// The variance of a looked-up value.
pub fn lookup_output(parameters: &LookupParameters) -> f64 {
    let gadget = parameters.bootstrap();
    let bootstrap = pbs_variance_132_bits_security_gaussian_fft_mul(
        LweDimension(parameters.lwe_dimension()),
        GlweDimension(parameters.glwe_dimension()),
        PolynomialSize(parameters.polynomial_size()),
        DecompositionBaseLog(gadget.log2_base() as usize),
        DecompositionLevelCount(gadget.levels()),
        f64::from(f64::MANTISSA_DIGITS),
        2.0_f64.powi(64),
    );
    let products = parameters.lwe_dimension()
        * gadget.levels()
        * (parameters.big_dimension() + parameters.polynomial_size());
    let digits = products as f64 * f64::from(2 * gadget.log2_base()).exp2() / 12.0;
    bootstrap.0 + digits * rounding(parameters.bootstrap_bits())
}

fn centered_switch(dimension: usize, bits: u32) -> f64 {
    rounding(bits) * (dimension as f64 / 4.0 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::{keys, phase, set};
    use crate::crypto::trial::{assert_close, errors, variance};
    use crate::crypto::{LookupTable, LookupWorkspace, LweCiphertext};

    #[test]
    fn looked_up_values_have_the_noise_of_the_formula() {
        for parameters in [
            set((5, 256), 624, (14, 1), (3, 3)),
            set((3, 512), 744, (17, 1), (4, 3)),
            set((2, 1024), 600, (23, 1), (3, 6)),
            set((1, 2048), 600, (15, 2), (3, 5)),
        ] {
            let (secret, key) = keys(parameters);
            let workspace = &mut LookupWorkspace::new(&parameters);
            let table = LookupTable::odd(&parameters, &[1 << 61]).unwrap();
            let tables = vec![&table; 64];
            let fresh = secret.encrypt(&vec![1 << 62; 64], 64);
            let inputs = LweCiphertext::expand(&parameters, &fresh, 64).unwrap();
            let outputs = key.apply(&inputs, &tables, workspace);
            let opened: Vec<u64> = outputs.iter().map(|output| phase(&secret, output)).collect();
            let measured = variance(&errors(&opened, &[1 << 61; 64]));
            assert_close(measured, lookup_output(&parameters), 0.5);
        }
    }
}
