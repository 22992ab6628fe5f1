//! Real numbers to integers and back: `real = scale · q + center`.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// A uniform quantizer with a symmetric range of integers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Quantizer {
    center: f64,
    scale: f64,
    limit: i64,
}

#[derive(Deserialize)]
struct Unchecked {
    center: f64,
    scale: f64,
    limit: i64,
}

impl Quantizer {
    /// The quantizer that covers `low..=high` with integers of `bits` bits, sign included.
    ///
    /// # Errors
    /// If the range is empty or not finite, or there are fewer than 2 or more than 32 bits.
    pub fn covering(low: f64, high: f64, bits: u32) -> Result<Self> {
        if !(2..=32).contains(&bits) {
            bail!("a quantizer has 2 to 32 bits, not {bits}");
        }
        let limit = (1_i64 << (bits - 1)) - 1;
        let half_width = high / 2.0 - low / 2.0;
        Self::try_from(Unchecked { center: low + half_width, scale: half_width / limit as f64, limit })
    }

    /// The quantizer that covers `low..=high` in steps of `scale`.
    ///
    /// # Errors
    /// If the range or the scale is not finite, or there are too many steps.
    pub fn with_scale(low: f64, high: f64, scale: f64) -> Result<Self> {
        let half_width = high / 2.0 - low / 2.0;
        let limit = (half_width / scale).ceil();
        Self::try_from(Unchecked { center: low + half_width, scale, limit: limit as i64 })
    }

    /// The real number that stands for 0.
    pub fn center(&self) -> f64 {
        self.center
    }

    /// The distance between neighbouring real numbers.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The largest integer; the smallest is its negative.
    pub fn limit(&self) -> i64 {
        self.limit
    }

    /// The nearest integer in range, and whether the number lay outside and was clamped.
    ///
    /// # Errors
    /// If the number is NaN.
    pub fn quantize(&self, real: f64) -> Result<(i64, bool)> {
        if real.is_nan() {
            bail!("NaN cannot be quantized");
        }
        let steps = ((real - self.center) / self.scale).round();
        let clamped = steps.clamp(-self.limit as f64, self.limit as f64);
        Ok((clamped as i64, clamped != steps))
    }

    /// The real number that an integer stands for.
    pub fn dequantize(&self, integer: i64) -> f64 {
        self.scale * integer as f64 + self.center
    }
}

impl TryFrom<Unchecked> for Quantizer {
    type Error = anyhow::Error;

    fn try_from(Unchecked { center, scale, limit }: Unchecked) -> Result<Self> {
        if !(center.is_finite() && scale.is_finite() && scale > 0.0) {
            bail!("a quantizer needs a finite range, not center {center} and scale {scale}");
        }
        if !(1..=i64::from(i32::MAX)).contains(&limit) {
            bail!("a quantizer's largest integer lies between 1 and {}, not at {limit}", i32::MAX);
        }
        Ok(Self { center, scale, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_exact() {
        let quantizer = Quantizer::covering(0.0, 1.0, 16).unwrap();
        for real in [0.0, 1.0] {
            let (integer, clamped) = quantizer.quantize(real).unwrap();
            assert!(!clamped);
            assert_eq!(quantizer.dequantize(integer), real);
        }
    }

    #[test]
    fn outside_is_clamped_and_said_so() {
        let quantizer = Quantizer::covering(-1.0, 1.0, 8).unwrap();
        assert_eq!(quantizer.quantize(f64::INFINITY).unwrap(), (127, true));
        assert_eq!(quantizer.quantize(-1e9).unwrap(), (-127, true));
        assert!(quantizer.quantize(f64::NAN).is_err());
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert!(Quantizer::covering(1.0, 1.0, 8).is_err());
        assert!(Quantizer::covering(f64::NEG_INFINITY, 1.0, 8).is_err());
    }
}
