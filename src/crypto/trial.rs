//! Measured noise against predicted noise, for the tests of this room.

use std::panic::Location;

/// The errors of torus values, as fractions of the torus.
pub fn errors(values: &[u64], expected: &[u64]) -> Vec<f64> {
    let pairs = values.iter().zip(expected);
    pairs.map(|(value, expected)| value.wrapping_sub(*expected) as i64 as f64 / 2.0_f64.powi(64)).collect()
}

/// The mean square.
pub fn variance(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64
}

/// Both are variances; they may differ by the fraction `tolerance`, which is six standard deviations of the ratio or
/// more: it is printed with its place, so that a few dozen runs tell.
#[track_caller]
pub fn assert_close(measured: f64, predicted: f64, tolerance: f64) {
    let ratio = measured / predicted;
    eprintln!("{}: measured / predicted variance = {ratio}, within {tolerance}", Location::caller());
    assert!((ratio - 1.0).abs() < tolerance, "measured / predicted variance = {ratio}");
}
