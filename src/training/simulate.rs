//! What a plan would learn: its integer program in the clear with the predicted noise, beside floating point.

use anyhow::{Context, Result};
use serde::Serialize;

use super::{ClientPlan, Data, Descent, Engine, Task, Weights, descend, order};

/// How often each lets the labels be told, and how far weights lie apart.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Rows trained on.
    pub rows: u64,
    /// Steps of the descent.
    pub steps: u64,
    /// What is measured: `accuracy`, or `r2`, the part of the variance of labels that is explained.
    pub metric: &'static str,
    /// Of the program with noise, as encryption would give it.
    pub simulated: f64,
    /// Of the program without noise.
    pub clear: f64,
    /// Of the same descent in floating point, on numbers that are not rounded.
    pub float: f64,
    /// How often w·x + b was beyond the range.
    pub beyond_range: u64,
    /// The predicted standard deviation of a weight's noise, of standardised features.
    pub weight_noise: f64,
    /// The predicted standard deviation of w·x + b as it is read.
    pub reading_noise: f64,
    /// The weights that the simulation learnt.
    pub weights: Weights,
}

/// Trains on the rows of parties and measures on others.
///
/// # Errors
/// If a row or label does not fit the plan.
pub fn simulate(client: &ClientPlan, parties: Vec<Data>, test: &Data, seed: u64) -> Result<Report> {
    let parties: Vec<Data> = parties.into_iter().map(Data::spread).collect();
    let counts: Vec<u64> = parties.iter().map(|party| party.rows.len() as u64).collect();
    let targets = parties.iter().map(|party| party.targets(client)).collect::<Result<Vec<_>>>()?;
    let (mut integers, mut floats) = (Vec::new(), Vec::new());
    let program = client.plan.program();
    for place in order(&counts) {
        let row = parties.get(place.party).and_then(|party| party.rows.get(place.row as usize));
        let targets = targets.get(place.party).and_then(|targets| targets.get(place.row as usize));
        let (row, targets) = row.zip(targets).context("a row of no party")?;
        let labels: Vec<u64> = targets.iter().map(|target| program.label(*target)).collect();
        integers.push((client.features.quantize(row)?.integers, labels));
        floats.push((client.features.standardise(row)?.0, targets.clone()));
    }
    let (simulated, beyond_range) = train(client, Engine::Simulated(seed), &integers)?;
    let (clear, _) = train(client, Engine::Clear, &integers)?;
    let float = Weights::of(client, &descend(client.plan.settings(), &floats));
    let (rows, task) = (integers.len() as u64, client.plan.settings().literal().task);
    Ok(Report {
        rows,
        steps: client.plan.settings().steps(rows),
        metric: match task {
            Task::Logistic { .. } => "accuracy",
            Task::Linear { .. } => "r2",
        },
        simulated: simulated.score(test),
        clear: clear.score(test),
        float: float.score(test),
        beyond_range,
        weight_noise: client.plan.weight_noise(rows),
        reading_noise: client.plan.reading_noise(),
        weights: simulated,
    })
}

/// The weights after all epochs, and how often a row was beyond the range.
fn train(client: &ClientPlan, engine: Engine, rows: &[(Vec<i64>, Vec<u64>)]) -> Result<(Weights, u64)> {
    let mut descent = Descent::new(&client.plan, engine, rows.len() as u64);
    let literal = client.plan.settings().literal();
    let rows: Vec<(&[i64], &[u64])> = rows.iter().map(|(row, labels)| (&row[..], &labels[..])).collect();
    for _ in 0..literal.epochs {
        rows.chunks(literal.batch).try_for_each(|batch| descent.advance(batch))?;
    }
    Ok((Weights::of(client, &descent.weights()), descent.beyond()))
}

impl Weights {
    /// The share of right classes, or the part of the variance of labels that is explained.
    pub fn score(&self, data: &Data) -> f64 {
        let predicted: Vec<f64> = data.rows.iter().map(|row| self.predict(row)).collect();
        let pairs = predicted.iter().zip(&data.labels);
        let count = data.labels.len().max(1) as f64;
        match self.task {
            Task::Logistic { .. } => pairs.filter(|(a, b)| a == b).count() as f64 / count,
            Task::Linear { .. } => {
                let mean = data.labels.iter().sum::<f64>() / count;
                let squares: f64 = data.labels.iter().map(|label| (label - mean).powi(2)).sum();
                1.0 - pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>() / squares
            }
        }
    }
}
