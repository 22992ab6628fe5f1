//! The same descent in the clear, exactly or with the predicted noise.

use anyhow::Result;

use super::{Plan, Program, Variances};
use crate::crypto::{LookupParameters, LookupTable};
use crate::server::Noise;

/// Whether noise is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Engine {
    /// None.
    Clear,
    /// As much as encryption would bring, drawn from this seed.
    Simulated(u64),
}

/// Weights on their way, as the torus values that would be encrypted.
pub struct Descent {
    program: Program,
    parameters: LookupParameters,
    variances: Variances,
    noise: Noise,
    /// Of each target.
    weights: Vec<Vec<u64>>,
    /// The rows of an epoch.
    rows: u64,
    step: u64,
    beyond: u64,
}

impl Descent {
    /// A descent over so many rows that begins with weights of zero.
    pub fn new(plan: &Plan, engine: Engine, rows: u64) -> Self {
        let program = plan.program();
        let (variances, seed) = match engine {
            Engine::Clear => (Variances { reading: 0.0, residual: 0.0, row: 0.0, decay: 0.0 }, 0),
            Engine::Simulated(seed) => (plan.variances(), seed),
        };
        let weights = vec![vec![0; program.weights()]; plan.settings().targets()];
        let parameters = *plan.parameters().lookup();
        Self { program, parameters, variances, noise: Noise::new(seed), weights, rows, step: 0, beyond: 0 }
    }

    /// Begins with other weights than zero.
    #[cfg(test)]
    pub(super) fn begin_with(&mut self, weights: &[Vec<u64>]) {
        self.weights = weights.to_vec();
    }

    /// The weights of each target, those of features first.
    pub fn weights(&self) -> Vec<Vec<f64>> {
        let weights = self.weights.iter();
        weights.map(|weights| weights.iter().map(|value| self.program.weight(*value)).collect()).collect()
    }

    /// How often |w·x + b| was beyond the range.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// One step with these rows: integers, and a label for each target.
    ///
    /// # Errors
    /// Never: tables have as many values as a polynomial.
    pub fn advance(&mut self, rows: &[(&[i64], &[u64])]) -> Result<()> {
        let rate = self.program.rate(self.step, self.rows);
        let table = self.program.residuals(&self.parameters, rate)?;
        let deviation = |variance: f64| variance.sqrt() * 2.0_f64.powi(64);
        let range = self.program.settings().literal().range;
        for (target, weights) in self.weights.iter_mut().enumerate() {
            let read = weights.clone();
            for (row, labels) in rows {
                let z = dot(row, &read);
                self.beyond += u64::from((fraction(z) * self.program.span()).abs() > range);
                let z = self.noise.added(z, deviation(self.variances.reading));
                let label = labels.get(target).copied().unwrap_or_default();
                let residual = table.value(z).wrapping_add(label.wrapping_mul(rate));
                let residual = self.noise.added(residual, deviation(self.variances.residual));
                for (weight, x) in weights.iter_mut().zip(*row) {
                    *weight = weight.wrapping_add(residual.wrapping_mul(*x as u64));
                }
            }
            let rest = deviation(self.variances.row * rows.len() as f64);
            weights.iter_mut().for_each(|weight| *weight = self.noise.added(*weight, rest));
        }
        if let Some(rates) = self.program.decay_due(self.step, self.rows) {
            self.decay(&self.program.decays(&self.parameters, rates)?);
        }
        self.step += 1;
        Ok(())
    }

    fn decay(&mut self, table: &LookupTable) {
        let deviation = |variance: f64| variance.sqrt() * 2.0_f64.powi(64);
        let features = self.program.settings().literal().features;
        for weight in self.weights.iter_mut().flat_map(|weights| weights.iter_mut().take(features)) {
            let read =
                self.noise.added(*weight << self.program.decay_shift(), deviation(self.variances.reading));
            let decay = self.noise.added(table.value(read), deviation(self.variances.decay));
            *weight = weight.wrapping_add(decay);
        }
    }
}

/// Σ x·w modulo the torus.
fn dot(row: &[i64], weights: &[u64]) -> u64 {
    let products = row.iter().zip(weights).map(|(x, weight)| weight.wrapping_mul(*x as u64));
    products.fold(0, u64::wrapping_add)
}

/// A torus value between -1/2 and 1/2.
fn fraction(value: u64) -> f64 {
    value as i64 as f64 / 2.0_f64.powi(64)
}
