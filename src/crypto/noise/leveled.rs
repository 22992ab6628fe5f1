//! Predicted noise of leveled words: key switches, expansion, scheme switch, external product.
//!
//! All are variances as fractions of the torus squared, averaged over coefficients and secret keys.

use super::encryption;
use crate::crypto::{ExpansionParameters, Gadget, RingParameters};

/// The variance of transformed products in units of what [`transform`] counts.
const TRANSFORM_VARIANCE: f64 = 0.045;

/// What bringing a mask back under the secret key adds, if the key is for a polynomial with coefficients
/// whose squares sum up to `squared_norm2`: noise of the key's rows, and the mask's rounding times the
/// polynomial.
pub fn switching(parameters: &RingParameters, gadget: Gadget, squared_norm2: f64) -> f64 {
    digits(parameters, gadget) * encryption(parameters) + rounding(gadget) * squared_norm2
}

/// What an automorphism adds: the mask is switched from an image of the binary key, of mean squared norm
/// N/2.
pub fn automorphism(parameters: &RingParameters, gadget: Gadget) -> f64 {
    switching(parameters, gadget, parameters.polynomial_size() as f64 / 2.0)
}

/// The variance of each ciphertext that expansion gives, from a packed one of variance `packed`.
///
/// Each step doubles the variance of what came before and adds that of one automorphism.
pub fn expansion(parameters: &ExpansionParameters, packed: f64) -> f64 {
    parameters
        .steps()
        .iter()
        .fold(packed, |variance, gadget| 2.0 * variance + automorphism(parameters.ring(), *gadget))
}

/// What a trace by these gadgets, one a step, adds to the constant coefficient: each later step doubles its noise,
/// which it adds to itself.
pub fn trace(ring: &RingParameters, steps: &[Gadget]) -> f64 {
    steps.iter().fold(0.0, |variance, gadget| 4.0 * variance + automorphism(ring, *gadget))
}

/// What a trace leaves of noise on average in a coefficient that becomes zero, at a multiple of its first step's: each
/// step wipes out what its odd multiples held before, and adds two independent coefficients after.
pub fn trace_rest(ring: &RingParameters, steps: &[Gadget]) -> f64 {
    let (mut variance, mut untouched) = (0.0, 1.0);
    for gadget in steps {
        untouched /= 2.0;
        variance = 2.0 * variance + (1.0 - untouched) * automorphism(ring, *gadget);
    }
    variance
}

/// The variance of a mask row that the scheme switch makes of a body row of variance `body_row`: the row
/// times the key (mean squared norm N/2), then a switch for the key's square.
pub fn scheme_switch(parameters: &ExpansionParameters, body_row: f64) -> f64 {
    let ring = parameters.ring();
    ring.polynomial_size() as f64 / 2.0 * body_row + square(ring, parameters.square())
}

/// What a switch for the square of the secret key adds. The square's mean squared norm is N³/48 + 3N²/8: its
/// coefficients rise from about -N/4 to N/4.
pub fn square(ring: &RingParameters, gadget: Gadget) -> f64 {
    let size = ring.polynomial_size() as f64;
    switching(ring, gadget, size.powi(3) / 48.0 + 3.0 * size.powi(2) / 8.0)
}

/// What a product with an encrypted bit adds, if the bit is 1; if it is 0, the rounding of the decomposed
/// ciphertext is not added.
pub fn external_product(parameters: &RingParameters, gadget: Gadget, body_row: f64, mask_row: f64) -> f64 {
    let rounded = parameters.polynomial_size() as f64 / 2.0 + 1.0;
    digits(parameters, gadget) * (body_row + mask_row)
        + rounding(gadget) * rounded
        + transform(parameters, gadget)
}

/// What the floating point transforms of a product add: 2l products of digits up to B/2 with values of 53 bits,
/// each of N terms. It matters beside fresh rows of small noise only; the factor in front is measured.
pub fn transform(parameters: &RingParameters, gadget: Gadget) -> f64 {
    let size = parameters.polynomial_size() as f64;
    let ulp = (-f64::from(f64::MANTISSA_DIGITS)).exp2();
    let scale = size * f64::from(gadget.log2_base()).exp2() * ulp;
    TRANSFORM_VARIANCE * 2.0 * gadget.levels() as f64 * scale * scale
}

/// The mean sum of squares of a polynomial's digits.
///
/// Digits of uniform values have mean square (B² + 2)/12, those of odd values (B² - 4)/12. A digit in
/// B + 1 is a tie; the one after it is odd.
fn digits(parameters: &RingParameters, gadget: Gadget) -> f64 {
    let square = f64::from(2 * gadget.log2_base()).exp2();
    let digit = (square + 2.0 - 6.0 / (square.sqrt() + 1.0)) / 12.0;
    gadget.levels() as f64 * parameters.polynomial_size() as f64 * digit
}

/// The variance of rounding to a multiple of q/B^l.
fn rounding(gadget: Gadget) -> f64 {
    super::rounding(gadget.bits())
}
