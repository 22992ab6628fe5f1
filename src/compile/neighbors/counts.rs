//! How large counts and votes become, and what they are on the torus.

use super::groups::Group;
use super::layers::{GROUPS, TOTALS, VOTES};
use crate::compile::parameters::{Requirement, Tolerance, sigmas};

/// The part of the torus that is left free at either end of the quarter in which votes lie.
pub const GUARD: f64 = 1.0 / 64.0;
/// The part of the torus that all votes take.
const ROOM: f64 = 0.25 - 2.0 * GUARD;
/// The largest integer weight of a value.
const LARGEST_VALUE: f64 = 8.0;
/// Totals and votes that lie closer together than this part of the torus need not be told apart.
const CLOSE: f64 = 1.0 / 128.0;
/// The logarithm of the probability that a count, a total or votes are read wrong.
const LOG2_P: f64 = -16.0;

/// Scales of everything after the distances.
pub struct Counts {
    /// k.
    pub neighbors: usize,
    /// The most points that count of a group.
    pub most: usize,
    /// The torus value of a point in the count of a group.
    pub point: f64,
    /// The torus value of a point that a group has counted.
    pub counted: f64,
    /// The integer weight of what a group has counted where all is added up, and where votes are.
    pub total_weight: i32,
    pub vote_weight: i32,
    /// The integer values of each group: a column for each result.
    pub values: Vec<Vec<i32>>,
    /// The largest sum of votes.
    pub votes: i64,
    /// What each result stands for: the value is low + step · integer.
    pub steps: Vec<(f64, f64)>,
    largest_group: usize,
}

impl Counts {
    /// Scales for these groups, each with as many values as there are results, if no group counts more than `most`
    /// of its points.
    pub fn new(groups: &[Group], neighbors: usize, most: usize) -> Self {
        let largest_group = groups.iter().map(|group| group.points.len()).max().unwrap_or(1);
        let most = most.min(largest_group);
        let results = groups.first().map_or(0, |group| group.values.len());
        let mut steps: Vec<(f64, f64)> = (0..results).map(|result| step(groups, result)).collect();
        let integer = |value: &f64, (low, step): &(f64, f64)| ((value - low) / step).round() as i32;
        let mut values: Vec<Vec<i32>> = groups
            .iter()
            .map(|group| group.values.iter().zip(&steps).map(|(value, step)| integer(value, step)).collect())
            .collect();
        let counted = |group: &Group| group.points.len().min(most) as i64;
        let sum = |result: usize| {
            let own = groups.iter().zip(&values);
            own.map(|(group, values)| counted(group) * i64::from(values[result])).sum::<i64>()
        };
        let sums: Vec<i64> = (0..results).map(sum).collect();
        let votes = sums.iter().copied().max().unwrap_or(0).max(1);
        // Noise is the same for all results: each takes as much of the room as it can.
        for (result, sum) in sums.iter().enumerate() {
            let multiple = votes / (*sum).max(1);
            values.iter_mut().for_each(|values| values[result] *= multiple as i32);
            steps[result].1 /= multiple as f64;
        }
        let total = groups.iter().map(counted).sum::<i64>() as f64;
        let (widest_total, widest_vote) = (0.5 / (total + 1.0), ROOM / (votes as f64 + 1.0));
        let counted = widest_total.min(widest_vote);
        let weight = |widest: f64| (widest / counted).floor().min(1e6) as i32;
        Self {
            neighbors,
            most,
            point: 0.5 / (largest_group as f64 + 1.0),
            counted,
            total_weight: weight(widest_total),
            vote_weight: weight(widest_vote),
            values,
            votes,
            steps,
            largest_group,
        }
    }

    /// The torus value of a vote, and of a point where all are added up.
    pub fn vote(&self) -> f64 {
        self.counted * f64::from(self.vote_weight)
    }

    /// The torus value of a point where all are added up.
    pub fn unit(&self) -> f64 {
        self.counted * f64::from(self.total_weight)
    }

    /// What is counted of each group within the first threshold that holds k points, if so many are within each.
    pub fn decisive(&self, within: &[Vec<usize>]) -> Vec<usize> {
        let counted = |own: &Vec<usize>| own.iter().map(|points| (*points).min(self.most)).collect();
        let all: Vec<Vec<usize>> = within.iter().map(counted).collect();
        let first = all.iter().find(|own| own.iter().sum::<usize>() >= self.neighbors);
        first.or(all.last()).cloned().unwrap_or_default()
    }

    /// The mean of a result over so many points of each group, as votes have it.
    pub fn mean(&self, counted: &[usize], result: usize) -> f64 {
        // Every group has all values, and steps are those of results.
        let votes =
            counted.iter().zip(&self.values).map(|(own, values)| *own as f64 * f64::from(values[result]));
        let (low, step) = self.steps[result];
        low + step * votes.sum::<f64>() / (counted.iter().sum::<usize>() as f64).max(0.5)
    }

    /// The standard deviation of the mean of a result over k points, if noise of votes is the largest allowed.
    pub fn deviation(&self, result: usize) -> f64 {
        let noise = CLOSE.max(self.vote() / 2.0) / sigmas(LOG2_P);
        self.steps[result].1 * noise / self.vote() / self.neighbors as f64 // steps are those of results
    }

    /// The bits of results: votes of either sign.
    pub fn result_bits(&self) -> u32 {
        self.votes.ilog2() + 3
    }

    /// What reading counts, totals, votes and results asks of parameters, with so many thresholds.
    pub fn requirements(&self, groups: usize, thresholds: usize) -> Vec<Requirement> {
        // What each layer reads, and the outputs, are results of the layers before: inputs, then layers.
        let within = |layer, name: &str, step: f64, distance: f64, norms2: &[f64]| Requirement {
            name: name.to_owned(),
            layer,
            bits: (-step.log2()).floor().max(2.0) as u32 - 1,
            tolerance: Tolerance::Within { distance, log2_p_error: LOG2_P },
            norms2: norms2.to_vec(),
        };
        let close = |layer, name: &str, step: f64, norms2: &[f64]| {
            within(layer, name, step, (step / 2.0).max(CLOSE), norms2)
        };
        let square = |weight: i32| f64::from(weight).powi(2);
        let values =
            self.values.iter().map(|values| values.iter().map(|value| square(*value)).fold(0.0, f64::max));
        let votes = values.sum::<f64>() * square(self.vote_weight);
        let totals = groups as f64 * square(self.total_weight);
        let result = (-f64::from(self.result_bits())).exp2();
        vec![
            within(
                Some(GROUPS),
                "counts of groups",
                self.point,
                self.point / 2.0,
                &[0.0, self.largest_group as f64],
            ),
            close(Some(TOTALS), "counts of all points", self.unit(), &[0.0, 0.0, totals]),
            close(Some(VOTES), "votes", self.vote(), &[0.0, 0.0, votes, 2.0]),
            close(None, "results", result, &[0.0, 0.0, 0.0, 0.0, thresholds as f64]),
        ]
    }
}

/// The lowest value of a result and what an integer stands for: two values are 0 and 1, a single one is 1.
fn step(groups: &[Group], result: usize) -> (f64, f64) {
    let own = || groups.iter().map(|group| group.values[result]); // every group has all values
    let (low, high) = (own().fold(f64::INFINITY, f64::min), own().fold(f64::NEG_INFINITY, f64::max));
    if low == high {
        return (0.0, if low == 0.0 { 1.0 } else { low });
    }
    let steps = if own().all(|value| value == low || value == high) { 1.0 } else { LARGEST_VALUE };
    (low, (high - low) / steps)
}
