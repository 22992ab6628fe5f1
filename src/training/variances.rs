//! Predicted noise of a descent, as variances in fractions of the torus squared.

use super::features::FRACTION_BITS;
use super::parameters::ROW_BITS;
use super::{Packing, Program, TrainingParameters};
use crate::crypto::{ExpansionParameters, Gadget, noise};

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
        let body_row = of_row(expansion, unpacking);
        let norm2 = norm2(program);
        let product = product(program, expansion, parameters.product(), body_row);
        let trace = noise::trace(ring, tracing);
        let window = packing.window() as f64;
        let rates = program.rates() as f64;
        let looked_up = noise::lookup_output(lookup) + trace;
        Self {
            reading: noise::lookup_input(
                lookup,
                product + norm2 * noise::automorphism(ring, parameters.reversal()),
            ),
            residual: looked_up + (window * rates).powi(2) * body_row,
            // What is left in other coefficients than the constant one meets the rest of the row.
            row: norm2 * noise::trace_rest(ring, tracing) + product,
            // Each weight's decay puts noise of its trace on all others too.
            decay: looked_up + window * noise::trace_rest(ring, tracing),
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

/// What a product with a row adds to each coefficient, if `expansion` parts rows with all its steps.
pub fn of_product(program: &Program, expansion: &ExpansionParameters, gadget: Gadget) -> f64 {
    product(program, expansion, gadget, of_row(expansion, expansion.steps()))
}

/// The variance of a row's coefficient when it has been parted from its block.
fn of_row(expansion: &ExpansionParameters, unpacking: &[Gadget]) -> f64 {
    let ring = expansion.ring();
    let fresh = noise::public_encryption(ring) + noise::stored(ring, ROW_BITS);
    unpacking.iter().fold(fresh, |variance, gadget| 2.0 * variance + noise::automorphism(ring, *gadget))
}

fn product(program: &Program, expansion: &ExpansionParameters, gadget: Gadget, body_row: f64) -> f64 {
    let ring = expansion.ring();
    let mask_row = noise::scheme_switch(expansion, body_row);
    // The rounding of the factor meets a whole row instead of a bit.
    let rounded = (norm2(program) - 1.0).max(0.0) * (ring.polynomial_size() as f64 / 2.0 + 1.0);
    noise::external_product(ring, gadget, body_row, mask_row) + rounded * noise::rounding(gadget.bits())
}

/// The mean square of the norm of a row.
pub fn norm2(program: &Program) -> f64 {
    program.weights() as f64 * feature()
}

/// The mean square of an integer of a row.
fn feature() -> f64 {
    FEATURE * f64::from(1 << (2 * FRACTION_BITS))
}
