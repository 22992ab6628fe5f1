//! Votes become integers, in units of their own for each score.
//!
//! A score that is a sum of many rounded votes takes several *digits*: what votes are short of in one unit is
//! voted in a finer one, on an output of its own; and trees are parted into *groups*, each with digits of its own.
//! Outputs are coefficients of one result, so they cost little. If all weights of an ensemble are multiples of some number, it is a multiple of the unit,
//! so that classes that tie in the model tie in integers.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::column::{Column, Digit, Reached, Units};
use super::forest::Forest;
use crate::circuit::{OutputDigit, OutputValue};

/// The standard deviation of rounding is at most this part of what a score varies by over calibration rows.
const SPREAD_PART: f64 = 1.0 / 4096.0;
/// And at most this part of its range: that leaves 12 bits at six standard deviations.
const RANGE_PART: f64 = 1.0 / 12.0 / 4096.0;
/// A common measure of weights is looked for among so many parts of the smallest.
const MAX_PARTS: u32 = 64;
/// How near a weight must be to a multiple.
const TOLERANCE: f64 = 1e-3;
/// The largest multiple: with more, too many numbers are near one.
const MAX_MULTIPLE: f64 = 8192.0;

/// What leaves vote, in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerVotes {
    /// The votes of each node of the forest that is a leaf, in rising order of outputs.
    pub weights: Vec<Vec<(u32, i64)>>,
    /// What each output begins with.
    pub bias: Vec<i64>,
    /// The scores, as sums of outputs.
    pub scores: Vec<OutputValue>,
    /// The bits of the range of a score that six standard deviations of rounding, to either side, leave.
    pub score_bits: f64,
}

/// How many integers a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounding {
    /// The most trees of a group.
    pub trees: usize,
    /// Digits of each group.
    pub digits: usize,
}

impl IntegerVotes {
    /// Rounds the votes of a forest so that each of a score's sums fits messages of so many bits.
    ///
    /// # Errors
    /// If they do not, however coarse.
    pub fn new(forest: &Forest, message_bits: u32, rounding: Rounding, reached: &Reached) -> Result<Self> {
        let limit = limit(message_bits);
        let mut votes = Self {
            weights: vec![Vec::new(); forest.nodes.len()],
            bias: Vec::new(),
            scores: Vec::new(),
            score_bits: f64::from(f64::MANTISSA_DIGITS),
        };
        let columns = Column::all(forest).into_iter().zip(measures(forest));
        for ((column, measure), score) in columns.zip(&forest.scores) {
            let base = score.votes / score.divisor + score.base;
            let scale = measure.unwrap_or(1.0);
            let mut value =
                OutputValue { sums: Vec::new(), zero: 0.0, scale: scale / score.divisor, offset: base };
            let mut variance = 0.0;
            for group in column.groups(rounding.trees) {
                let units = Units { limit, measure };
                let rounded = group.digits(units, rounding.digits, reached).with_context(|| {
                    format!("{} trees do not fit results of {message_bits} bits", group.trees())
                })?;
                let multiple = |unit: f64| measure.map_or(unit, |measure| (unit / measure).round());
                value.sums.push(Vec::with_capacity(rounded.digits.len()));
                for Digit { scale, leaves } in &rounded.digits {
                    votes.add_digit(&mut value, multiple(scale.unit), scale.center, leaves);
                }
                value.offset += rounded.constant / score.divisor;
                variance += rounded.variance;
            }
            if variance > 0.0 {
                let bits = (column.range() / (12.0 * variance.sqrt())).log2();
                votes.score_bits = votes.score_bits.min(bits);
            }
            votes.scores.push(value);
        }
        Ok(votes)
    }

    fn add_digit(
        &mut self,
        value: &mut OutputValue,
        multiple: f64,
        center: f64,
        leaves: &BTreeMap<usize, i64>,
    ) {
        let source = self.bias.len();
        for (leaf, weight) in leaves.iter().filter(|(_, weight)| **weight != 0) {
            // Leaves are nodes of the forest.
            self.weights[*leaf].push((source as u32, *weight));
        }
        self.bias.push(-center as i64);
        value.zero += multiple * center;
        if let Some(digits) = value.sums.last_mut() {
            digits.push(OutputDigit { source, multiple });
        }
    }
}

impl Rounding {
    /// From the simplest to the finest.
    pub const ALL: [Self; 12] = [
        Self { digits: 1, trees: usize::MAX },
        Self { digits: 1, trees: 8 },
        Self { digits: 1, trees: 1 },
        Self { digits: 2, trees: usize::MAX },
        Self { digits: 2, trees: 8 },
        Self { digits: 2, trees: 1 },
        Self { digits: 3, trees: usize::MAX },
        Self { digits: 3, trees: 8 },
        Self { digits: 3, trees: 1 },
        Self { digits: 4, trees: usize::MAX },
        Self { digits: 4, trees: 8 },
        Self { digits: 4, trees: 1 },
    ];

    /// The fewest bits of messages with which every score is as precise as wanted, up to a limit.
    pub fn message_bits(&self, forest: &Forest, reached: &Reached, most: u32) -> u32 {
        let columns = Column::all(forest);
        let wanted =
            |column: &Column| (column.spread(reached) * SPREAD_PART).min(column.range() * RANGE_PART).powi(2);
        let scores: Vec<(Vec<Column>, Option<f64>, f64)> = columns
            .iter()
            .zip(measures(forest))
            .map(|(column, measure)| (column.groups(self.trees), measure, wanted(column)))
            .collect();
        let is_fine = |bits: &u32| {
            scores.iter().all(|(groups, measure, wanted)| {
                let units = Units { limit: limit(*bits), measure: *measure };
                groups.iter().map(|group| group.variance(units, self.digits)).sum::<f64>() <= *wanted
            })
        };
        (2..most).find(is_fine).unwrap_or(most)
    }
}

/// The largest sum, to either side, of messages of so many bits.
fn limit(message_bits: u32) -> i64 {
    ((1_i64 << (message_bits - 1)) - 2).max(1)
}

/// For each score a number that all weights of its ensemble are multiples of, if they are of one that is not too
/// small: then what is equal in the model is equal in the end.
fn measures(forest: &Forest) -> Vec<Option<f64>> {
    let columns = Column::all(forest);
    let mut measures: BTreeMap<usize, Option<f64>> = BTreeMap::new();
    let pairs = || forest.scores.iter().zip(&columns);
    for score in &forest.scores {
        measures.entry(score.ensemble).or_insert_with(|| {
            let own = pairs().filter(|(other, _)| other.ensemble == score.ensemble);
            common_measure(own.flat_map(|(_, column)| column.weights()))
        });
    }
    pairs().map(|(score, _)| measures.get(&score.ensemble).copied().flatten()).collect()
}

/// The largest number, no smaller than a part of the largest, that all numbers are multiples of.
fn common_measure(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sizes: Vec<f64> = numbers.map(f64::abs).filter(|size| *size > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let (smallest, largest) = (*sizes.first()?, *sizes.last()?);
    let measures = (1..=MAX_PARTS).map(|parts| smallest / f64::from(parts));
    let divides = |measure: &f64| {
        sizes.iter().all(|size| {
            let multiple = size / measure;
            (multiple - multiple.round()).abs() <= TOLERANCE
        })
    };
    measures.take_while(|measure| largest / measure <= MAX_MULTIPLE).find(divides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::trees::bin_set::BinSet;
    use crate::compile::trees::binning::{Feature, Intervals};
    use crate::compile::trees::forest::{Node, Score};
    use crate::compile::trees::question::Question;
    use crate::model::op::Test;

    /// Stumps on one feature, each with the two votes of two scores.
    fn forest(votes: &[[[f64; 2]; 2]]) -> Forest {
        let test = Test::AtMost(0.0);
        let questions = [Question { test: &test, missing_passes: false }];
        let (feature, _) = Feature::new(0, Intervals::at_quantiles(vec![-1.0, 1.0], 2), &questions);
        let mut forest = Forest {
            features: vec![feature],
            nodes: Vec::new(),
            roots: Vec::new(),
            scores: vec![Score { votes: 0.5, divisor: 2.0, base: 0.25, ensemble: 0 }; 2],
            ..Forest::default()
        };
        for [passed, failed] in votes {
            let first = forest.nodes.len();
            let leaf = |votes: &[f64; 2]| Node::Leaf(vec![(0, votes[0]), (1, votes[1])]);
            let passing = BinSet::split_at(2, 1, true);
            forest.nodes.extend([leaf(passed), leaf(failed)]);
            forest.nodes.push(Node::Branch { feature: 0, passing, passed: first, failed: first + 1 });
            forest.roots.push(first + 2);
        }
        forest
    }

    /// The score of a row, if every sum keeps within messages of so many bits.
    fn score(forest: &Forest, votes: &IntegerVotes, row: f64, score: usize, bits: u32) -> f64 {
        let bins = forest.bins(&[row]);
        let value = &votes.scores[score];
        let digits = value.sums.iter().flatten().map(|digit| {
            let weight = |root: &usize| {
                let own = &votes.weights[forest.leaf(*root, &bins)];
                own.iter().find(|(own, _)| *own as usize == digit.source).map_or(0, |(_, weight)| *weight)
            };
            let sum = forest.roots.iter().map(weight).sum::<i64>() + votes.bias[digit.source];
            assert!(sum.abs() <= limit(bits), "{sum} of {bits} bits");
            digit.multiple * sum as f64
        });
        value.scale * (digits.sum::<f64>() + value.zero) + value.offset
    }

    fn rounded(forest: &Forest, bits: u32, rounding: Rounding) -> IntegerVotes {
        IntegerVotes::new(forest, bits, rounding, &Reached::new(forest, &[vec![-1.0], vec![1.0]])).unwrap()
    }

    #[test]
    fn sums_are_near_and_fit() {
        let forest = forest(&[[[0.31, -1.7], [2.9, 0.4]]; 9]);
        for rounding in Rounding::ALL {
            for bits in [8, 10, 14] {
                let votes = rounded(&forest, bits, rounding);
                for (row, exact) in [(-1.0, [0.31, -1.7]), (1.0, [2.9, 0.4])] {
                    for (place, exact) in exact.into_iter().enumerate() {
                        let expected = (9.0 * exact + 0.5) / 2.0 + 0.25;
                        let found = score(&forest, &votes, row, place, bits);
                        // What trees are short of is made up for by those after them but for one unit.
                        let value = &votes.scores[place];
                        let bound: f64 = value.steps().sum();
                        let message = format!("{rounding:?} {bits}: {found} for {expected}");
                        assert!((found - expected).abs() <= bound + 1e-9, "{message}");
                    }
                }
            }
        }
    }

    #[test]
    fn finer_roundings_need_fewer_bits() {
        let votes: Vec<[[f64; 2]; 2]> = (0..40)
            .map(|tree| [[0.1 + f64::from(tree) * 0.017, 0.0], [1.0, f64::from(tree).sin()]])
            .collect();
        let forest = forest(&votes);
        let reached = Reached::new(&forest, &[vec![-1.0], vec![1.0]]);
        let bits = Rounding::ALL.map(|rounding| rounding.message_bits(&forest, &reached, 30));
        for same_digits in bits.chunks(3) {
            assert!(same_digits.is_sorted_by(|a, b| a >= b), "{bits:?}");
        }
        assert!(bits[0] > bits[3] && bits[3] > bits[5], "{bits:?}");
    }

    #[test]
    fn shares_of_a_vote_are_exact() {
        let third = 1.0 / 3.0;
        let forest = forest(&[[[third, 2.0 * third], [1.0, 0.0]], [[2.0 * third, third], [0.0, 1.0]]]);
        for rounding in Rounding::ALL {
            let votes = rounded(&forest, 12, rounding);
            for row in [-1.0, 1.0] {
                let [one, other] = [0, 1].map(|place| score(&forest, &votes, row, place, 12));
                assert_eq!(one, other, "{rounding:?}");
                assert!((one - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn constant_scores_have_no_votes() {
        let mut forest = forest(&[[[1.0, 0.0], [2.0, 0.0]]]);
        forest.nodes[0] = Node::Leaf(vec![(0, 1.0)]);
        forest.nodes[1] = Node::Leaf(vec![(0, 2.0)]);
        let votes = rounded(&forest, 12, Rounding::ALL[0]);
        assert_eq!(score(&forest, &votes, 1.0, 1, 12), 0.5);
        assert_eq!(score(&forest, &votes, 1.0, 0, 12), 1.5);
    }
}
