//! Votes become integers, in units of their own for each score.
//!
//! Trees are rounded one after another: a leaf goes to the integer nearest to its weight plus what the trees
//! before it are short of on the average calibration row that comes to it, but no further than one unit from
//! its weight. If all weights of an ensemble are multiples of some number, it is a multiple of the unit, so
//! that classes that tie in the model tie in integers.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::forest::{Forest, Node};
use crate::circuit::OutputValue;

/// No more calibration rows than this are used.
const MAX_ROWS: usize = 2000;
/// A common measure of weights is looked for among so many parts of the smallest.
const MAX_PARTS: u32 = 64;
/// How near, relatively, a weight must be to a multiple.
const TOLERANCE: f64 = 1e-6;
/// How often units may be enlarged by 1 % until all sums fit.
const MAX_ENLARGEMENTS: usize = 2000;

/// What leaves vote, in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerVotes {
    /// The votes of each node of the forest that is a leaf, in rising order of scores.
    pub weights: Vec<Vec<(u32, i64)>>,
    /// What each score begins with.
    pub bias: Vec<i64>,
    /// What the sums stand for.
    pub outputs: Vec<OutputValue>,
}

/// The leaf of each tree that each calibration row comes to.
pub struct Reached {
    trees: Vec<Vec<usize>>,
    rows: usize,
}

/// The trees that vote on one score: for each its place among the forest's roots, and its leaves.
#[derive(Default)]
struct Column {
    trees: Vec<(usize, Vec<(usize, f64)>)>,
    low: f64,
    high: f64,
}

/// The unit of a score, and how many of it the middle of its range is.
#[derive(Clone, Copy)]
struct Scale {
    unit: f64,
    center: f64,
}

impl Reached {
    /// Runs the forest on rows of variables.
    pub fn new(forest: &Forest, rows: &[Vec<f64>]) -> Self {
        let bins: Vec<Vec<u32>> = rows.iter().take(MAX_ROWS).map(|row| forest.bins(row)).collect();
        let tree = |root: &usize| bins.iter().map(|bins| forest.leaf(*root, bins)).collect();
        Self { trees: forest.roots.iter().map(tree).collect(), rows: bins.len() }
    }
}

impl IntegerVotes {
    /// Rounds the votes of a forest so that sums fit messages of so many bits.
    ///
    /// # Errors
    /// If they do not, however coarse.
    pub fn new(forest: &Forest, message_bits: u32, reached: &Reached) -> Result<Self> {
        let columns = columns(forest);
        let limit = (1_i64 << (message_bits - 1)) - 2;
        let scales = scales(forest, &columns, limit);
        let mut votes =
            Self { weights: vec![Vec::new(); forest.nodes.len()], bias: Vec::new(), outputs: Vec::new() };
        for (source, (column, scale)) in columns.iter().zip(scales).enumerate() {
            let (scale, rounded) = column.fitted(scale, limit, reached).with_context(|| {
                format!("{} trees do not fit results of {message_bits} bits", column.trees.len())
            })?;
            for (leaf, weight) in rounded.leaves.into_iter().filter(|(_, weight)| *weight != 0) {
                votes.weights[leaf].push((source as u32, weight));
            }
            // Columns are those of the forest's scores.
            let score = &forest.scores[source];
            let offset = (scale.center * scale.unit + score.votes) / score.divisor + score.base;
            votes.bias.push(-scale.center as i64);
            votes.outputs.push(OutputValue { source, scale: scale.unit / score.divisor, offset });
        }
        Ok(votes)
    }
}

/// The integers of one score.
struct Rounded {
    leaves: Vec<(usize, i64)>,
    low: i64,
    high: i64,
    /// The sum of squares of what rows are short of, in units.
    squares: f64,
}

impl Column {
    /// Integers whose sums stay within the limit, with the error of calibration rows as small as it gets.
    fn fitted(&self, scale: Scale, limit: i64, reached: &Reached) -> Option<(Scale, Rounded)> {
        let fit = |with_feedback: bool| {
            let mut scale = scale;
            for _ in 0..MAX_ENLARGEMENTS {
                let rounded = self.round(scale.unit, reached, with_feedback);
                let center = scale.center as i64;
                if (rounded.low - center).abs().max((rounded.high - center).abs()) <= limit {
                    return Some((scale, rounded));
                }
                let unit = scale.unit * 1.01;
                scale = Scale { unit, center: ((self.low / 2.0 + self.high / 2.0) / unit).round() };
            }
            None
        };
        let error = |(scale, rounded): &(Scale, Rounded)| scale.unit * scale.unit * rounded.squares;
        match (fit(false), fit(true)) {
            (Some(plain), Some(fed)) if error(&fed) < error(&plain) => Some(fed),
            (None, fed) => fed,
            (plain, _) => plain,
        }
    }

    fn round(&self, unit: f64, reached: &Reached, with_feedback: bool) -> Rounded {
        let mut rounded = Rounded { leaves: Vec::new(), low: 0, high: 0, squares: 0.0 };
        let mut short = vec![0.0; reached.rows];
        for (tree, leaves) in &self.trees {
            // Trees of columns are trees of the forest.
            let rows = &reached.trees[*tree];
            let means = if with_feedback { means(rows, &short) } else { BTreeMap::new() };
            let integers: BTreeMap<usize, (f64, i64)> = leaves
                .iter()
                .map(|(leaf, weight)| {
                    let exact = weight / unit;
                    let wanted = match *weight == 0.0 {
                        true => 0.0,
                        false => exact + means.get(leaf).copied().unwrap_or(0.0),
                    };
                    let integer = wanted.round().clamp((exact - 1.0).ceil(), (exact + 1.0).floor());
                    (*leaf, (exact - integer, integer as i64))
                })
                .collect();
            for (row, leaf) in rows.iter().enumerate() {
                short[row] += integers.get(leaf).map_or(0.0, |(rest, _)| *rest);
            }
            rounded.low += integers.values().map(|(_, integer)| *integer).min().unwrap_or(0);
            rounded.high += integers.values().map(|(_, integer)| *integer).max().unwrap_or(0);
            rounded.leaves.extend(integers.into_iter().map(|(leaf, (_, integer))| (leaf, integer)));
        }
        rounded.squares = short.iter().map(|short| short * short).sum();
        rounded
    }
}

/// The mean of the rows that come to each leaf.
fn means(rows: &[usize], values: &[f64]) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (leaf, value) in rows.iter().zip(values) {
        let (sum, count) = sums.entry(*leaf).or_default();
        (*sum, *count) = (*sum + value, *count + 1.0);
    }
    sums.into_iter().map(|(leaf, (sum, count))| (leaf, sum / count)).collect()
}

fn columns(forest: &Forest) -> Vec<Column> {
    let mut columns: Vec<Column> = forest.scores.iter().map(|_| Column::default()).collect();
    for (tree, root) in forest.roots.iter().enumerate() {
        let leaves = leaves(forest, *root);
        let voted = leaves.iter().flat_map(|(_, votes)| votes.iter().map(|(score, _)| *score));
        for score in voted.collect::<std::collections::BTreeSet<u32>>() {
            let weight = |votes: &[(u32, f64)]| {
                votes.iter().find(|(own, _)| *own == score).map_or(0.0, |(_, weight)| *weight)
            };
            let leaves: Vec<(usize, f64)> =
                leaves.iter().map(|(leaf, votes)| (*leaf, weight(votes))).collect();
            // Votes are on scores of the forest.
            let column = &mut columns[score as usize];
            column.low += leaves.iter().map(|(_, weight)| *weight).fold(f64::INFINITY, f64::min);
            column.high += leaves.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
            column.trees.push((tree, leaves));
        }
    }
    columns
}

fn leaves(forest: &Forest, root: usize) -> Vec<(usize, &[(u32, f64)])> {
    let mut leaves = Vec::new();
    let mut open = vec![root];
    while let Some(place) = open.pop() {
        // Places of a forest exist.
        match &forest.nodes[place] {
            Node::Branch { passed, failed, .. } => open.extend([*failed, *passed]),
            Node::Leaf(votes) => leaves.push((place, votes.as_slice())),
        }
    }
    leaves
}

/// The finest units: of each score its own, or one for all scores of an ensemble with a common measure.
fn scales(forest: &Forest, columns: &[Column], limit: i64) -> Vec<Scale> {
    let room = (limit as f64 - 1.0).max(1.0);
    let finest = |low: f64, high: f64| (high - low) / 2.0 / room;
    let scale =
        |unit: f64, low: f64, high: f64| Scale { unit, center: ((low / 2.0 + high / 2.0) / unit).round() };
    let mut common: BTreeMap<usize, Option<Scale>> = BTreeMap::new();
    for score in &forest.scores {
        common.entry(score.ensemble).or_insert_with(|| {
            let own = forest.scores.iter().zip(columns).filter(|(other, _)| other.ensemble == score.ensemble);
            let own: Vec<&Column> = own.map(|(_, column)| column).collect();
            let low = own.iter().map(|column| column.low).fold(f64::INFINITY, f64::min);
            let high = own.iter().map(|column| column.high).fold(f64::NEG_INFINITY, f64::max);
            let measure = common_measure(&own, finest(low, high))?;
            let unit = measure / (measure / finest(low, high)).floor();
            Some(scale(unit, low, high))
        });
    }
    let own = |column: &Column| match finest(column.low, column.high) {
        // Nothing depends on the row.
        0.0 => Scale { unit: 1.0, center: 0.0 },
        unit => scale(unit, column.low, column.high),
    };
    let pairs = forest.scores.iter().zip(columns);
    pairs
        .map(|(score, column)| common.get(&score.ensemble).copied().flatten().unwrap_or_else(|| own(column)))
        .collect()
}

/// The largest number, no smaller than `finest`, that all weights are multiples of.
fn common_measure(columns: &[&Column], finest: f64) -> Option<f64> {
    let weights = || columns.iter().flat_map(|column| &column.trees).flat_map(|(_, leaves)| leaves);
    let mut sizes: Vec<f64> = weights().map(|(_, weight)| weight.abs()).filter(|size| *size > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let smallest = *sizes.first()?;
    let measures = (1..=MAX_PARTS).map(|parts| smallest / f64::from(parts));
    let divides = |measure: &f64| {
        sizes.iter().all(|size| {
            let multiple = size / measure;
            (multiple - multiple.round()).abs() <= TOLERANCE * multiple.max(1.0)
        })
    };
    measures.take_while(|measure| *measure >= finest && finest > 0.0).find(divides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::trees::bin_set::BinSet;
    use crate::compile::trees::binning::{Feature, Intervals};
    use crate::compile::trees::forest::{Score, Size};
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
            size: Size::default(),
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

    fn score(forest: &Forest, votes: &IntegerVotes, row: f64, score: usize) -> f64 {
        let bins = forest.bins(&[row]);
        let weight = |root: &usize| {
            let own = &votes.weights[forest.leaf(*root, &bins)];
            own.iter().find(|(own, _)| *own as usize == score).map_or(0, |(_, weight)| *weight)
        };
        let sum = forest.roots.iter().map(weight).sum::<i64>() + votes.bias[score];
        votes.outputs[score].scale * sum as f64 + votes.outputs[score].offset
    }

    fn rounded(forest: &Forest, bits: u32) -> IntegerVotes {
        IntegerVotes::new(forest, bits, &Reached::new(forest, &[vec![-1.0], vec![1.0]])).unwrap()
    }

    #[test]
    fn sums_are_near_and_fit() {
        let forest = forest(&[[[0.31, -1.7], [2.9, 0.4]]; 9]);
        for bits in [8, 10, 14] {
            let votes = rounded(&forest, bits);
            for (row, exact) in [(-1.0, [0.31, -1.7]), (1.0, [2.9, 0.4])] {
                for (place, exact) in exact.into_iter().enumerate() {
                    let expected = (9.0 * exact + 0.5) / 2.0 + 0.25;
                    let output = &votes.outputs[place];
                    let found = score(&forest, &votes, row, place);
                    // What nine trees are short of is made up for but for one unit.
                    assert!((found - expected).abs() <= output.scale, "{bits}: {found} for {expected}");
                    let integer = (found - output.offset) / output.scale;
                    assert!(integer.abs() <= f64::from((1 << (bits - 1)) - 2), "{bits}: {integer}");
                }
            }
        }
    }

    #[test]
    fn shares_of_a_vote_are_exact() {
        let third = 1.0 / 3.0;
        let forest = forest(&[[[third, 2.0 * third], [1.0, 0.0]], [[2.0 * third, third], [0.0, 1.0]]]);
        let votes = rounded(&forest, 12);
        for row in [-1.0, 1.0] {
            let [one, other] = [0, 1].map(|place| score(&forest, &votes, row, place));
            assert_eq!(one, other);
            assert!((one - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn constant_scores_have_no_votes() {
        let mut forest = forest(&[[[1.0, 0.0], [2.0, 0.0]]]);
        forest.nodes[0] = Node::Leaf(vec![(0, 1.0)]);
        forest.nodes[1] = Node::Leaf(vec![(0, 2.0)]);
        let votes = rounded(&forest, 12);
        assert_eq!(score(&forest, &votes, 1.0, 1), 0.5);
        assert_eq!(score(&forest, &votes, 1.0, 0), 1.5);
    }
}
