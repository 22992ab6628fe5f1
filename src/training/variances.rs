//! Predicted noise of a descent, as variances in fractions of the torus squared.

use super::features::FRACTION_BITS;
use super::{Packing, Program, TrainingParameters};
use crate::crypto::noise;

/// The mean square of a standardised number.
const FEATURE: f64 = 1.0;

/// The noise of each part of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variances {
    /// Of z, as the table reads it; what the noise of weights does to it not counted.
    pub reading: f64,
    /// Of a residual: it moves all weights of its row, each by its feature.
    pub residual: f64,
    /// Of each weight, for each row, besides.
    pub row: f64,
    /// Of each weight, for each time that the penalty is added.
    pub decay: f64,
}

impl Variances {
    /// Those of a program with these parameters.
    pub fn of(program: &Program, parameters: &TrainingParameters) -> Self {
        let (packing, expansion) = (Packing::of(program, parameters), parameters.expansion());
        let (ring, lookup) = (expansion.ring(), parameters.lookup());
        let (unpacking, tracing) = expansion.steps().split_at(packing.steps());
        let body_row = unpacking.iter().fold(parameters.fresh(), |variance, gadget| {
            2.0 * variance + noise::automorphism(ring, *gadget)
        });
        let mask_row = noise::scheme_switch(expansion, body_row);
        let norm2 = program.weights() as f64 * feature();
        // The rounding of the factor meets a whole row instead of a bit.
        let product = noise::external_product(ring, parameters.product(), body_row, mask_row)
            + (norm2 - 1.0).max(0.0)
                * noise::rounding(parameters.product().bits())
                * (ring.polynomial_size() as f64 / 2.0 + 1.0);
        let trace = noise::trace(ring, tracing);
        let window = packing.window() as f64;
        let rates = program.rates() as f64;
        let looked_up = noise::lookup_output(lookup) + trace;
        Self {
            reading: noise::lookup_input(lookup, product + norm2 * noise::automorphism(ring, parameters.reversal())),
            residual: looked_up + (window * rates).powi(2) * body_row,
            // Other coefficients than the constant one get less than all of the trace's noise.
            row: norm2 * trace + product,
            // Each weight's decay puts noise of its trace on all others too.
            decay: looked_up + window * trace,
        }
    }

    /// What a row adds to the variance of each weight.
    pub fn of_row(&self) -> f64 {
        self.residual * feature() + self.row
    }

    /// The variance of each weight after a descent over so many rows, the noise of what is read not counted.
    pub fn of_weights(&self, program: &Program, rows: u64) -> f64 {
        let settings = program.settings();
        let steps = settings.steps(rows);
        let decays = program.decay_every().map_or(0, |every| steps.div_ceil(every));
        rows as f64 * f64::from(settings.literal().epochs) * self.of_row() + decays as f64 * self.decay
    }
}

/// The mean square of an integer of a row.
fn feature() -> f64 {
    FEATURE * f64::from(1 << (2 * FRACTION_BITS))
}
