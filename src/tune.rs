//! The cheapest precision of a network that loses little enough: what it costs is predicted, what it loses is
//! simulated, noise included.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::compile::{self, Compiled, Details, NetworkReport, Precision, Settings};
use crate::model::Model;
use crate::progress::Progress;
use crate::server::{Parts, Simulation};
use crate::tensor::{Labels, Row};

/// What lookups tell apart and the noise they bear, in bits and in steps, from cheap to dear.
const READING: [(u32, f64); 11] = [
    (3, 0.5),
    (3, 0.35),
    (3, 0.25),
    (4, 0.35),
    (4, 0.25),
    (5, 0.35),
    (5, 0.25),
    (6, 0.35),
    (6, 0.25),
    (7, 0.25),
    (8, 0.25),
];
/// Bits of integer weights.
const WEIGHT_BITS: [u32; 3] = [4, 5, 6];
/// Shares of rows are differences of floating-point numbers.
const ROUNDING: f64 = 1e-9;
/// The same noise in every trial.
const SEED: u64 = 1;

/// One precision that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// What lookups tell apart, in bits.
    pub bits: u32,
    /// The noise of what they read, in steps.
    pub noise: f64,
    /// Bits of integer weights.
    pub weight_bits: u32,
    /// What is lost; see [`Accuracy::drop`](crate::server::Accuracy::drop).
    pub drop: f64,
    /// The predicted seconds of a row on one thread.
    pub seconds: f64,
    /// Bytes of the evaluation key.
    pub key_bytes: usize,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// What may be lost.
    pub max_drop: f64,
    /// The true labels or values of the rows, if they are known.
    pub labels: Option<&'a Labels>,
}

/// Compiles a network at the precision of the least predicted time that loses no more than wanted on the calibration
/// rows. What nodes have of their own stays.
///
/// For each width of weights the cheapest reading that is good enough is found by bisection.
///
/// # Errors
/// As [`compile::compile`]; if the model is no network, or no precision is good enough.
pub fn tune(
    model: &Model,
    rows: &[Row],
    settings: &Settings,
    goal: Goal<'_>,
    progress: &dyn Progress,
) -> Result<(Compiled, Vec<Trial>)> {
    let mut search = Search { model, rows, settings, goal, progress, trials: Vec::new(), best: None };
    let steps = READING.len().ilog2() + 1;
    progress.begin("tune", Some(u64::from(steps) * WEIGHT_BITS.len() as u64));
    WEIGHT_BITS.iter().try_for_each(|weight_bits| search.bisect(*weight_bits))?;
    progress.end();
    let Search { mut trials, best, .. } = search;
    trials.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    match best {
        Some((_, compiled)) => Ok((compiled, trials)),
        None => {
            let least = trials.iter().map(|trial| trial.drop).fold(f64::INFINITY, f64::min);
            bail!(
                "no precision loses as little as {} on the calibration rows: the least is {least:.4}\nhint: allow a \
                 larger --max-drop, or give more calibration rows",
                goal.max_drop
            )
        }
    }
}

struct Search<'a> {
    model: &'a Model,
    rows: &'a [Row],
    settings: &'a Settings,
    goal: Goal<'a>,
    progress: &'a dyn Progress,
    trials: Vec<Trial>,
    /// The cheapest that is good enough, and its seconds.
    best: Option<(f64, Compiled)>,
}

impl Search<'_> {
    /// Finds the cheapest reading that is good enough with weights of so many bits.
    fn bisect(&mut self, weight_bits: u32) -> Result<()> {
        let mut readings = READING.as_slice();
        while let Some((bits, noise)) = readings.get(readings.len() / 2) {
            let middle = readings.len() / 2;
            let good = self.attempt(*bits, *noise, weight_bits)?;
            readings = if good { &readings[..middle] } else { &readings[middle + 1..] };
            self.progress.advance(1);
        }
        Ok(())
    }

    /// Whether a precision is good enough. What no parameters serve is not.
    fn attempt(&mut self, bits: u32, noise: f64, weight_bits: u32) -> Result<bool> {
        let nodes = self.settings.precision.nodes.clone();
        let precision = Precision { bits, noise, weight_bits, nodes, ..self.settings.precision.clone() };
        let settings = Settings { bits: None, precision, ..self.settings.clone() };
        let compiled = match compile::compile(self.model, self.rows.iter().cloned().map(Ok), &settings) {
            Err(error) if error.is::<compile::NoParameters>() => return Ok(false),
            compiled => compiled?,
        };
        let Details::Networks(NetworkReport { lookups: report, .. }) = &compiled.report.details else {
            bail!("the model is no network: its precision is not searched for\nhint: leave out --bits auto");
        };
        let parts = Parts { client: &compiled.client, circuit: &compiled.circuit, model: self.model };
        let simulation = Simulation::run(parts, self.rows.iter().cloned().map(Ok), SEED)?;
        let drop = simulation.accuracy(self.goal.labels)?.drop();
        let seconds = report.lookups as f64 * report.lookup_seconds;
        let key_bytes = compiled.report.key_bytes.context("a network without a key")?;
        self.trials.push(Trial { bits, noise, weight_bits, drop, seconds, key_bytes });
        let good = drop <= self.goal.max_drop + ROUNDING;
        if good && self.best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            self.best = Some((seconds, compiled));
        }
        Ok(good)
    }
}
