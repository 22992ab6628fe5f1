//! The votes of all trees on one score, and their rounding.
//!
//! Trees are rounded one after another: a leaf goes to the integer nearest to its weight plus what the trees
//! before it are short of on the average calibration row that comes to it, but no further than one unit from
//! its weight.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::forest::{Forest, Node};

/// No more calibration rows than this are used.
const MAX_ROWS: usize = 2000;
/// Units are enlarged by this factor or more until all sums fit, but no more often than this.
const ENLARGEMENT: f64 = 1.005;
const MAX_ENLARGEMENTS: usize = 1000;
/// What votes are short of is nothing if it is no larger than this part of them.
const NOTHING: f64 = 1e-14;

/// The leaf of each tree that each calibration row comes to.
pub struct Reached {
    trees: Vec<Vec<usize>>,
    rows: usize,
}

/// The trees that vote on one score.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// For each its place among the forest's roots, and its leaves.
    trees: Vec<(usize, Vec<(usize, f64)>)>,
    low: f64,
    high: f64,
}

/// The unit of a sum, and how many of it the middle of its range is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub unit: f64,
    pub center: f64,
}

impl Reached {
    /// Runs the forest on rows of variables.
    pub fn new(forest: &Forest, rows: &[Vec<f64>]) -> Self {
        let bins: Vec<Vec<u32>> = rows.iter().take(MAX_ROWS).map(|row| forest.bins(row)).collect();
        let tree = |root: &usize| bins.iter().map(|bins| forest.leaf(*root, bins)).collect();
        Self { trees: forest.roots.iter().map(tree).collect(), rows: bins.len() }
    }
}

impl Scale {
    fn new(unit: f64, column: &Column) -> Self {
        Self { unit, center: ((column.low / 2.0 + column.high / 2.0) / unit).round() }
    }
}

/// What limits the units of votes.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// The largest sum, to either side.
    pub limit: i64,
    /// What units are multiples of, if there is such a thing: then votes that are too are exact in the end.
    pub measure: Option<f64>,
}

impl Units {
    /// The finest unit for sums in a range of this width, and no finer than needed.
    fn finest(&self, width: f64) -> f64 {
        let finest = width / 2.0 / (self.limit as f64 - 1.0).max(1.0);
        self.allowed(if finest > 0.0 { finest } else { 1.0 })
    }

    /// The finest unit that is allowed, and no finer than this.
    fn allowed(&self, unit: f64) -> f64 {
        match self.measure {
            None => unit,
            Some(measure) => measure * (unit / measure).ceil().max(1.0),
        }
    }
}

/// Integers that leaves vote, in a unit.
#[derive(Clone, Debug)]
pub struct Digit {
    pub scale: Scale,
    pub leaves: BTreeMap<usize, i64>,
}

/// The digits of a sum.
#[derive(Clone, Debug)]
pub struct Digits {
    pub digits: Vec<Digit>,
    /// What every sum is short of.
    pub constant: f64,
    /// The variance of what sums are short of besides, if votes are rounded up as often as down.
    pub variance: f64,
}

/// Integers, and what they add up to.
struct Rounded {
    leaves: BTreeMap<usize, i64>,
    low: i64,
    high: i64,
    /// The sum of squares of what rows are short of, in units.
    squares: f64,
}

impl Column {
    /// The column of each score of a forest.
    pub fn all(forest: &Forest) -> Vec<Self> {
        let mut columns: Vec<Self> = forest.scores.iter().map(|_| Self::default()).collect();
        for (tree, root) in forest.roots.iter().enumerate() {
            let leaves = leaves(forest, *root);
            let voted = leaves.iter().flat_map(|(_, votes)| votes.iter().map(|(score, _)| *score));
            for score in voted.collect::<BTreeSet<u32>>() {
                let weight = |votes: &[(u32, f64)]| {
                    votes.iter().find(|(own, _)| *own == score).map_or(0.0, |(_, weight)| *weight)
                };
                // Votes are on scores of the forest.
                columns[score as usize]
                    .add(tree, leaves.iter().map(|(leaf, votes)| (*leaf, weight(votes))).collect());
            }
        }
        columns
    }

    fn add(&mut self, tree: usize, leaves: Vec<(usize, f64)>) {
        self.low += leaves.iter().map(|(_, weight)| *weight).fold(f64::INFINITY, f64::min);
        self.high += leaves.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
        self.trees.push((tree, leaves));
    }

    /// The number of trees.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The weights of all leaves.
    pub fn weights(&self) -> impl Iterator<Item = f64> {
        self.trees.iter().flat_map(|(_, leaves)| leaves.iter().map(|(_, weight)| *weight))
    }

    /// How far sums lie apart at most.
    pub fn range(&self) -> f64 {
        self.high - self.low
    }

    /// How far the sums of calibration rows lie apart; without such rows, the sums of any.
    pub fn spread(&self, reached: &Reached) -> f64 {
        let mut sums = vec![0.0; reached.rows];
        for (tree, leaves) in &self.trees {
            let weights: BTreeMap<usize, f64> = leaves.iter().copied().collect();
            // Trees of columns are trees of the forest.
            for (sum, leaf) in sums.iter_mut().zip(&reached.trees[*tree]) {
                *sum += weights.get(leaf).copied().unwrap_or(0.0);
            }
        }
        let low = sums.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if high > low { high - low } else { self.range() }
    }

    /// The variance of what sums are short of, if votes are rounded to so many digits.
    pub fn variance(&self, units: Units, digits: usize) -> f64 {
        let first = units.finest(self.range());
        let next = |unit: &f64| Some(units.finest(self.trees() as f64 * unit));
        let unit = std::iter::successors(Some(first), next).nth(digits.saturating_sub(1)).unwrap_or(first);
        let is_exact = self.range() == 0.0 || units.measure.is_some_and(|measure| unit <= measure);
        if is_exact { 0.0 } else { rounding(self.trees()) * unit * unit }
    }

    /// The trees in groups of at most so many.
    pub fn groups(&self, most: usize) -> Vec<Self> {
        if self.trees.len() <= most {
            return vec![self.clone()];
        }
        let group = |trees: &[(usize, Vec<(usize, f64)>)]| {
            let mut group = Self::default();
            trees.iter().for_each(|(tree, leaves)| group.add(*tree, leaves.clone()));
            group
        };
        self.trees.chunks(most.max(1)).map(group).collect()
    }

    /// Up to so many digits; `None` if sums exceed the limit, however coarse the units.
    pub fn digits(&self, units: Units, count: usize, reached: &Reached) -> Option<Digits> {
        let nothing = NOTHING * self.low.abs().max(self.high.abs());
        let mut rest = self.clone();
        let mut digits: Vec<Digit> = Vec::new();
        while digits.len() < count && (digits.is_empty() || rest.range() > nothing) {
            let digit = rest.fitted(units, reached, digits.len() + 1 == count)?;
            rest = rest.rest(&digit);
            digits.push(digit);
        }
        let unit = digits.last().map_or(0.0, |digit| digit.scale.unit);
        Some(match rest.range() > nothing {
            true => Digits { digits, constant: 0.0, variance: rounding(self.trees()) * unit * unit },
            // What floating point left is no constant: sums that are equal must stay so.
            false if rest.low.abs() <= nothing => Digits { digits, constant: 0.0, variance: 0.0 },
            false => Digits { digits, constant: rest.low, variance: 0.0 },
        })
    }

    /// Integers for leaves whose sums stay within the limit; `is_last` if the error of calibration rows is to be
    /// as small as it gets, otherwise that of each vote is.
    fn fitted(&self, units: Units, reached: &Reached, is_last: bool) -> Option<Digit> {
        let fit = |with_feedback: bool| {
            let mut scale = Scale::new(units.finest(self.range()), self);
            for _ in 0..MAX_ENLARGEMENTS {
                let rounded = self.round(scale.unit, reached, with_feedback);
                let center = scale.center as i64;
                let extent = (rounded.low - center).abs().max((rounded.high - center).abs());
                if extent <= units.limit {
                    return Some((scale, rounded));
                }
                let factor = (extent as f64 / units.limit as f64).max(ENLARGEMENT);
                scale = Scale::new(units.allowed(scale.unit * factor), self);
            }
            None
        };
        let error = |(scale, rounded): &(Scale, Rounded)| scale.unit * scale.unit * rounded.squares;
        let (plain, fed) = (fit(false), is_last.then(|| fit(true)).flatten());
        let best = match (plain, fed) {
            (Some(plain), Some(fed)) if error(&fed) < error(&plain) => Some(fed),
            (None, fed) => fed,
            (plain, _) => plain,
        };
        best.map(|(scale, rounded)| Digit { scale, leaves: rounded.leaves })
    }

    /// What is left of the weights beyond a digit.
    fn rest(&self, digit: &Digit) -> Self {
        let mut rest = Self::default();
        for (tree, own) in &self.trees {
            let left = |(leaf, weight): &(usize, f64)| {
                let integer = digit.leaves.get(leaf).copied().unwrap_or(0);
                (*leaf, weight - integer as f64 * digit.scale.unit)
            };
            rest.add(*tree, own.iter().map(left).collect());
        }
        rest
    }

    fn round(&self, unit: f64, reached: &Reached, with_feedback: bool) -> Rounded {
        let mut rounded = Rounded { leaves: BTreeMap::new(), low: 0, high: 0, squares: 0.0 };
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

/// The variance of a sum of so many numbers rounded to integers.
fn rounding(trees: usize) -> f64 {
    trees as f64 / 12.0
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

/// The leaves of a tree, to each of which several ways may lead.
fn leaves(forest: &Forest, root: usize) -> Vec<(usize, &[(u32, f64)])> {
    let mut leaves = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![root];
    while let Some(place) = open.pop() {
        if !seen.insert(place) {
            continue;
        }
        // Places of a forest exist.
        match &forest.nodes[place] {
            Node::Branch { passed, failed, .. } => open.extend([*failed, *passed]),
            Node::Leaf(votes) => leaves.push((place, votes.as_slice())),
        }
    }
    leaves
}
