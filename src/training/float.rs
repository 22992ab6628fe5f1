//! The same descent in floating point, to compare with.

use super::program::logistic;
use super::{Settings, Task};

/// The weights of each target, those of features first, after a descent over standardised rows in this order, with a
/// label for each target.
pub fn descend(settings: &Settings, rows: &[(Vec<f64>, Vec<f64>)]) -> Vec<Vec<f64>> {
    let literal = settings.literal();
    let count = rows.len() as u64;
    let mut weights = vec![vec![0.0; literal.features + 1]; settings.targets()];
    let mut step = 0;
    for _ in 0..literal.epochs {
        for batch in rows.chunks(literal.batch) {
            let rate = literal.learning_rate * settings.rate(step, count);
            for (target, weights) in weights.iter_mut().enumerate() {
                let read = weights.clone();
                for (row, labels) in batch {
                    let label = labels.get(target).copied().unwrap_or_default();
                    let residual = label - activation(literal.task, score(&read, row));
                    let factor = rate / literal.batch as f64 * residual;
                    for (weight, x) in weights.iter_mut().zip(row.iter().chain([&1.0])) {
                        *weight += factor * x;
                    }
                }
                for (weight, read) in weights.iter_mut().zip(read).take(literal.features) {
                    *weight -= rate * literal.l2 * read;
                }
            }
            step += 1;
        }
    }
    weights
}

/// w·x + b.
pub fn score(weights: &[f64], row: &[f64]) -> f64 {
    weights.iter().zip(row.iter().chain([&1.0])).map(|(weight, x)| weight * x).sum()
}

/// What labels are compared with, around zero.
fn activation(task: Task, score: f64) -> f64 {
    match task {
        Task::Logistic { .. } => logistic(score) - 0.5,
        Task::Linear { .. } => score,
    }
}
