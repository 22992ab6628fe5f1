//! From the numbers of a row to small integers: standardised by public bounds, clamped, rounded.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Bits after the point of a standardised number.
pub const FRACTION_BITS: u32 = 3;
/// Standardised numbers are clamped to plus and minus this.
pub const CLAMP: f64 = 4.0;

/// The public middle and scale of each feature: standardised is (x - middle) / scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct Features {
    scales: Vec<(f64, f64)>,
}

/// A row as it is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantized {
    /// Integers, with the constant that the bias is the weight of after them.
    pub integers: Vec<i64>,
    /// The features that were clamped.
    pub clamped: Vec<usize>,
}

impl Features {
    /// Features with these middles and scales.
    ///
    /// # Errors
    /// If one is not finite, or a scale is not positive.
    pub fn new(scales: Vec<(f64, f64)>) -> Result<Self> {
        for (feature, (middle, scale)) in scales.iter().enumerate() {
            ensure!(
                middle.is_finite() && scale.is_finite() && *scale > 0.0,
                "feature {} has the middle {middle} and the scale {scale}: both must be finite, the scale positive",
                feature + 1
            );
        }
        Ok(Self { scales })
    }

    /// Features that are standardised already.
    pub fn standardised(count: usize) -> Self {
        Self { scales: vec![(0.0, 1.0); count] }
    }

    /// Their middles and scales.
    pub fn scales(&self) -> &[(f64, f64)] {
        &self.scales
    }

    /// The standardised, clamped numbers of a row, and which were clamped.
    ///
    /// # Errors
    /// If the row has another length, or a number is not finite.
    pub fn standardise(&self, row: &[f64]) -> Result<(Vec<f64>, Vec<usize>)> {
        ensure!(
            row.len() == self.scales.len(),
            "{} numbers, where the plan has {} features",
            row.len(),
            self.scales.len()
        );
        let mut clamped = Vec::new();
        let mut numbers = Vec::with_capacity(row.len());
        for (feature, (value, (middle, scale))) in row.iter().zip(&self.scales).enumerate() {
            ensure!(value.is_finite(), "feature {} is {value}", feature + 1);
            let number = (value - middle) / scale;
            if number.abs() > CLAMP {
                clamped.push(feature);
            }
            numbers.push(number.clamp(-CLAMP, CLAMP));
        }
        Ok((numbers, clamped))
    }

    /// The integers of a row.
    ///
    /// # Errors
    /// As [`Features::standardise`].
    pub fn quantize(&self, row: &[f64]) -> Result<Quantized> {
        let (numbers, clamped) = self.standardise(row)?;
        let one = f64::from(1 << FRACTION_BITS);
        let integers =
            numbers.iter().map(|number| (number * one).round() as i64).chain([one as i64]).collect();
        Ok(Quantized { integers, clamped })
    }

    /// Weights of standardised features and their bias (last), in the units of the data.
    pub fn unscale(&self, weights: &[f64]) -> (Vec<f64>, f64) {
        let coefficients: Vec<f64> =
            weights.iter().zip(&self.scales).map(|(weight, (_, scale))| weight / scale).collect();
        let shift: f64 =
            coefficients.iter().zip(&self.scales).map(|(weight, (middle, _))| weight * middle).sum();
        let bias = weights.get(self.scales.len()).copied().unwrap_or_default();
        (coefficients, bias - shift)
    }
}

impl TryFrom<Vec<(f64, f64)>> for Features {
    type Error = anyhow::Error;

    fn try_from(scales: Vec<(f64, f64)>) -> Result<Self> {
        Self::new(scales)
    }
}

impl From<Features> for Vec<(f64, f64)> {
    fn from(features: Features) -> Self {
        features.scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_standardised_and_clamped() {
        let features = Features::new(vec![(10.0, 2.0), (0.0, 1.0)]).unwrap();
        let row = features.quantize(&[13.0, -90.0]).unwrap();
        assert_eq!(row, Quantized { integers: vec![12, -32, 8], clamped: vec![1] });
        assert!(features.quantize(&[1.0]).is_err());
        assert!(features.quantize(&[1.0, f64::NAN]).is_err());
        assert!(Features::new(vec![(0.0, 0.0)]).is_err());
    }

    #[test]
    fn weights_return_to_the_units_of_the_data() {
        let features = Features::new(vec![(10.0, 2.0), (-1.0, 4.0)]).unwrap();
        let (coefficients, bias) = features.unscale(&[3.0, 8.0, 0.5]);
        let standardised = 3.0 * (12.0 - 10.0) / 2.0 + 8.0 * (2.0 + 1.0) / 4.0 + 0.5;
        assert!((coefficients[0] * 12.0 + coefficients[1] * 2.0 + bias - standardised).abs() < 1e-12);
    }
}
