//! The integer program of a descent: scales, tables and rates, the same in the clear and encrypted.
//!
//! The torus holds z = w·x from -span/2 to span/2. A row is 2^3 times its standardised numbers, so a weight of 1 is
//! the torus value 1 / (8·span). A residual of 1 is looked up as `rate` / 8 of a weight of 1: times x, it is the
//! step of the weight.

use anyhow::Result;

use super::features::FRACTION_BITS;
use super::{Settings, Task};
use crate::crypto::{LookupParameters, LookupTable};

/// The rates that a schedule tells apart: whole multiples of the largest one divided by this.
const RATES: u64 = 64;
/// Weights beyond this are penalised as if they were nearer to zero.
const DECAY_RANGE: f64 = 8.0;
/// The penalty is added so seldom that it takes this part of the lookups at most.
const DECAY_SHARE: usize = 10;

/// The largest standard deviation of a weight's noise in the end, a weight of 1 being 1.
pub const WEIGHT_NOISE: f64 = 0.02;

/// The scales that follow from settings.
#[derive(Clone, Debug)]
pub struct Program {
    settings: Settings,
}

impl Program {
    /// The program of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// What it follows from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The numbers of a row with the constant of the bias.
    pub fn weights(&self) -> usize {
        self.settings.literal().features + 1
    }

    /// W: the coefficients that weights, and labels of all targets, take; a power of two.
    pub fn window(&self) -> usize {
        self.weights().max(self.settings.targets()).next_power_of_two()
    }

    /// The width of the torus, as a power of two: for a logistic function, that is read right up to where it is all
    /// but flat before the torus ends, a little more than twice the range, for a line four times.
    pub fn span(&self) -> f64 {
        let range = self.settings.literal().range;
        let least = match self.settings.literal().task {
            Task::Logistic { .. } => 2.0 * range + 8.0,
            Task::Linear { .. } => 4.0 * range,
        };
        least.log2().ceil().exp2()
    }

    /// A weight of 1, as a fraction of the torus.
    pub fn weight_unit(&self) -> f64 {
        1.0 / (self.span() * f64::from(1 << FRACTION_BITS))
    }

    /// The largest variance of a weight's noise in the end, as a fraction of the torus squared.
    pub fn noise_budget(&self) -> f64 {
        (WEIGHT_NOISE * self.weight_unit()).powi(2)
    }

    /// A residual of 1 at the least rate, as a fraction of the torus.
    pub fn residual_unit(&self) -> f64 {
        let literal = self.settings.literal();
        let rate = literal.learning_rate / literal.batch as f64 / self.rates() as f64;
        rate * self.weight_unit() / f64::from(1 << FRACTION_BITS)
    }

    /// The multiple of the least rate that a step has.
    pub fn rate(&self, step: u64, rows: u64) -> u64 {
        let rates = self.rates();
        ((rates as f64 * self.settings.rate(step, rows)).round() as u64).clamp(1, rates)
    }

    /// The largest multiple.
    pub fn rates(&self) -> u64 {
        match self.settings.literal().schedule {
            super::Schedule::Constant => 1,
            super::Schedule::Inverse => RATES,
        }
    }

    /// The label's part of a residual at the least rate: a torus value.
    pub fn label(&self, target: f64) -> u64 {
        to_torus(target * self.residual_unit())
    }

    /// The table of what a row adds for its z, without its label, at a rate.
    ///
    /// # Errors
    /// Never: a value for each coefficient is a power of two of values.
    pub fn residuals(&self, parameters: &LookupParameters, rate: u64) -> Result<LookupTable> {
        let unit = self.residual_unit() * rate as f64;
        let span = self.span();
        match self.settings.literal().task {
            Task::Logistic { .. } => folded(parameters, |x| -unit * (logistic(x * span) - 0.5)),
            Task::Linear { .. } => folded(parameters, |x| -unit * x * span),
        }
    }

    /// After so many steps the penalty of all of them is added.
    pub fn decay_every(&self) -> Option<u64> {
        let literal = self.settings.literal();
        (literal.l2 > 0.0).then(|| (DECAY_SHARE * literal.features).div_ceil(literal.batch).max(1) as u64)
    }

    /// The steps whose penalty is due after a step: their rates, added up.
    pub fn decay_due(&self, step: u64, rows: u64) -> Option<f64> {
        let every = self.decay_every()?;
        let is_last = step + 1 == self.settings.steps(rows);
        let first = step / every * every;
        ((step + 1).is_multiple_of(every) || is_last)
            .then(|| (first..=step).map(|step| self.rate(step, rows) as f64 / self.rates() as f64).sum())
    }

    /// The weight is multiplied by 2^this to be looked up in [`Program::decays`].
    pub fn decay_shift(&self) -> u32 {
        // A quarter of the torus is the range; both are powers of two.
        (0.25 / (DECAY_RANGE * self.weight_unit())).log2().max(0.0) as u32
    }

    /// The table of what a penalty takes off a weight, after steps whose rates add up to `rates` times the first.
    ///
    /// # Errors
    /// Never: a value for each coefficient is a power of two of values.
    pub fn decays(&self, parameters: &LookupParameters, rates: f64) -> Result<LookupTable> {
        let literal = self.settings.literal();
        let factor = (rates * literal.learning_rate * literal.l2).min(1.0);
        let shift = f64::from(self.decay_shift()).exp2();
        folded(parameters, |x| -factor * x / shift)
    }

    /// A torus value as a weight.
    pub fn weight(&self, value: u64) -> f64 {
        value as i64 as f64 / 2.0_f64.powi(64) / self.weight_unit()
    }
}

/// The logistic function.
pub fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The torus value nearest to a fraction of the torus.
fn to_torus(fraction: f64) -> u64 {
    (fraction * 2.0_f64.powi(64)).round() as i64 as u64
}

/// The table of an odd function of a fraction of the torus. A table changes its sign with half a turn, so beyond a
/// quarter it runs back to zero.
fn folded(parameters: &LookupParameters, function: impl Fn(f64) -> f64) -> Result<LookupTable> {
    let size = parameters.polynomial_size();
    let value = |place: usize| (place.min(size - 1 - place) as f64 + 0.5) / (2 * size) as f64;
    let values: Vec<u64> = (0..size).map(|place| to_torus(function(value(place)))).collect();
    LookupTable::odd(parameters, &values)
}
