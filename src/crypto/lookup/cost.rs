//! The time a lookup takes: predicted from its parameters, or measured.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

use super::{LookupParameters, LookupTable, LookupWorkspace, LweCiphertext, SeededLookupKey};
use crate::crypto::SeededRing;

/// The lookups of a batch that time is predicted for and measured with.
const BATCH: usize = 16;

/// Seconds for a step of a transform of a coefficient, with what is done to digits and sums beside it.
const TRANSFORM: f64 = 1.4e-10;
/// Seconds for a coefficient of a bootstrapping key.
const PRODUCT: f64 = 2.5e-10;
/// Seconds for a coefficient of a key-switching key.
const KEY_SWITCH: f64 = 3.7e-11;

impl LookupParameters {
    /// The seconds that one lookup of a batch takes on one thread of the machine that the program is measured on.
    pub fn seconds(&self) -> f64 {
        let (size, parts) = (self.polynomial_size() as f64, (self.glwe_dimension() + 1) as f64);
        let levels = self.bootstrap().levels() as f64;
        let transforms = parts * (levels + 1.0) * size * (size.log2() - 1.0);
        let products = self.unrolling().patterns() as f64 * parts * parts * levels * size;
        self.groups() as f64 * (transforms * TRANSFORM + products * PRODUCT)
            + self.key_switch_rows() as f64 * (self.lwe_dimension() + 1) as f64 * KEY_SWITCH
    }
}

/// The seconds that one lookup of a batch takes on one thread of this machine. It takes some tenths of a second to
/// find out.
///
/// # Errors
/// If the batch has no room in one packed ciphertext: never, with secure parameters.
pub fn measured_seconds(parameters: LookupParameters) -> Result<f64> {
    let key = SeededLookupKey::meaningless(parameters).expand();
    let workspace = &mut LookupWorkspace::new(&parameters);
    let table = LookupTable::odd(&parameters, &[0])?;
    // Random masks and no message either.
    let packed = SeededRing { seed: [1; 16], body: vec![0; BATCH] };
    let inputs = LweCiphertext::expand(&parameters, &packed, 1)?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        black_box(key.apply(&inputs, &[&table; BATCH], workspace));
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best / BATCH as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::lookup::trial::fast;

    #[test]
    fn time_is_measured_and_predicted() {
        // Others at work make a machine many times as slow as it is, but not faster.
        let ratio = measured_seconds(fast()).unwrap() / fast().seconds();
        eprintln!("measured / predicted time = {ratio}");
        assert!(ratio > 0.05, "measured / predicted time = {ratio}");
    }
}
