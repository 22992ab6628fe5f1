//! The trees of a model over the bins of its features, without what no row reaches or nothing depends on.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::bin_set::BinSet;
use super::binning::{Feature, Intervals};
use super::ensembles::{Ensemble, ensembles, questions};
use super::extreme;
use super::prune;
use super::question::Question;
use crate::compile::Binning;
use crate::compile::split::Split;
use crate::model::Model;
use crate::model::op::{Aggregate, TreeNode, TreeParts};

/// Trees over bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    /// The features that any node tests, by variable.
    pub features: Vec<Feature>,
    /// The nodes of all trees.
    pub nodes: Vec<Node>,
    /// The place of each tree's first node; trees of one leaf are part of the scores' bases.
    pub roots: Vec<usize>,
    /// The scores that leaves vote on.
    pub scores: Vec<Score>,
    /// For each ensemble whose targets have several scores, of which an extreme counts, how many.
    pub extremes: Vec<Option<Extremes>>,
    /// How large the model was.
    pub size: Size,
}

/// A test, or votes.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Goes on by the bin of a feature.
    Branch {
        /// The place of the feature.
        feature: usize,
        /// The bins that pass.
        passing: BinSet,
        /// The place of the node after a passed test.
        passed: usize,
        /// The place of the node after a failed test.
        failed: usize,
    },
    /// Ends with a weight for each of some scores, in rising order.
    Leaf(Vec<(u32, f64)>),
}

/// A score: the sum of its votes and `votes`, divided, then the base added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Votes of trees that are the same for every row.
    pub votes: f64,
    /// What the sum of votes is divided by.
    pub divisor: f64,
    /// What is added in the end.
    pub base: f64,
    /// Which ensemble it is of.
    pub ensemble: usize,
}

/// Scores of which the extremes are an ensemble's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extremes {
    /// Whether the largest counts, or the least.
    pub largest: bool,
    /// The number of scores of each target, which follow each other.
    pub counts: Vec<usize>,
}

/// How large the model was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Trees.
    pub trees: usize,
    /// Tests.
    pub nodes: usize,
}

impl Forest {
    /// Puts the features of a model's trees into bins, at quantiles of at most 2^`bits` bins or at thresholds.
    ///
    /// `rows` are the prologue's outputs on the calibration rows.
    ///
    /// # Errors
    /// If the split is not one of trees, or trees cannot be joined.
    pub fn new(
        model: &Model,
        split: &Split,
        rows: &[Vec<f64>],
        (binning, bits): (Binning, u32),
    ) -> Result<Self> {
        let ensembles = ensembles(model, split)?;
        let mut sets: BTreeMap<(usize, usize), (usize, BinSet)> = BTreeMap::new();
        let mut features = Vec::new();
        for (variable, asked) in questions(&ensembles) {
            let questions: Vec<Question<'_>> = asked.iter().map(|asked| asked.question).collect();
            let column = || rows.iter().map(|row| row[variable as usize]).filter(|x| !x.is_nan()).collect();
            let (feature, passing) = match binning {
                // All ensembles that read a variable are of its type.
                Binning::Exact => {
                    Feature::new(variable, Intervals::at_thresholds(&questions, asked[0].dtype), &questions)
                }
                Binning::Quantile => at_quantiles(variable, column(), bits, &questions),
            };
            for (asked, set) in asked.iter().zip(passing) {
                sets.insert(asked.node, (features.len(), set));
            }
            features.push(feature);
        }
        Ok(Self::grow(features, &ensembles, &sets)?.without_unused(binning))
    }

    /// The number of nodes that test.
    pub fn branches(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node, Node::Branch { .. })).count()
    }

    /// How often each feature is tested.
    pub fn tests(&self) -> Vec<usize> {
        let mut tests = vec![0; self.features.len()];
        for node in &self.nodes {
            if let Node::Branch { feature, .. } = node {
                // Features of a forest exist.
                tests[*feature] += 1;
            }
        }
        tests
    }

    /// The place of the leaf that a row comes to, given the bins of its features.
    pub fn leaf(&self, root: usize, bins: &[u32]) -> usize {
        let mut place = root;
        loop {
            // Places and features of a forest exist.
            match &self.nodes[place] {
                Node::Branch { feature, passing, passed, failed } => {
                    place = if passing.contains(bins[*feature]) { *passed } else { *failed };
                }
                Node::Leaf(_) => return place,
            }
        }
    }

    /// The bins of a row of variables.
    pub fn bins(&self, row: &[f64]) -> Vec<u32> {
        // Variables are places in rows.
        self.features.iter().map(|feature| feature.bin(row[feature.variable as usize])).collect()
    }

    fn grow(
        features: Vec<Feature>,
        ensembles: &[Ensemble<'_>],
        sets: &BTreeMap<(usize, usize), (usize, BinSet)>,
    ) -> Result<Self> {
        let bins: Vec<u32> = features.iter().map(Feature::bins).collect();
        let mut forest = Self { features, ..Self::default() };
        for (number, ensemble) in ensembles.iter().enumerate() {
            let TreeParts { roots, nodes, .. } = ensemble.parts;
            forest.size.trees += roots.len();
            forest.size.nodes += nodes.iter().filter(|node| matches!(node, TreeNode::Branch { .. })).count();
            let test = |place| sets.get(&(number, place));
            let trees = roots.iter().map(|root| prune::grow(ensemble, *root, &test, &bins));
            let extremes = match ensemble.largest() {
                None => {
                    forest.add_up(number, ensemble, trees);
                    None
                }
                Some(largest) => forest.join(number, ensemble, &trees.collect::<Vec<_>>(), largest)?,
            };
            forest.extremes.push(extremes);
        }
        Ok(forest)
    }

    /// Adds trees whose votes are added up.
    fn add_up(&mut self, number: usize, ensemble: &Ensemble<'_>, trees: impl Iterator<Item = Vec<Node>>) {
        let TreeParts { aggregate, base, roots, .. } = ensemble.parts;
        let divisor = if *aggregate == Aggregate::Average { roots.len() as f64 } else { 1.0 };
        let first_score = self.scores.len();
        let score = |base: &f64| Score { votes: 0.0, divisor, base: *base, ensemble: number };
        self.scores.extend(base.iter().map(score));
        trees.for_each(|tree| self.add(tree, first_score));
    }

    /// Adds trees of whose votes an extreme counts; tells how many scores the targets have, if any has several.
    fn join(
        &mut self,
        number: usize,
        ensemble: &Ensemble<'_>,
        trees: &[Vec<Node>],
        largest: bool,
    ) -> Result<Option<Extremes>> {
        let mut counts = Vec::with_capacity(ensemble.parts.targets);
        for (target, base) in (0..).zip(&ensemble.parts.base) {
            let diagrams = extreme::join(trees, target, largest)
                .with_context(|| format!("cannot join the trees of node '{}'", ensemble.name))?;
            counts.push(diagrams.len());
            for diagram in diagrams {
                self.scores.push(Score { votes: 0.0, divisor: 1.0, base: *base, ensemble: number });
                self.add(diagram, self.scores.len() - 1);
            }
        }
        Ok(counts.iter().any(|count| *count > 1).then_some(Extremes { largest, counts }))
    }

    /// Adds a tree, its nodes after their children, that votes on the scores from one on.
    fn add(&mut self, tree: Vec<Node>, first_score: usize) {
        let first = self.nodes.len();
        let of_score = |(target, weight): &(u32, f64)| (first_score as u32 + target, *weight);
        match tree.as_slice() {
            [] => {}
            [Node::Leaf(votes)] => {
                for (score, weight) in votes.iter().map(of_score) {
                    // Targets of an ensemble have scores.
                    self.scores[score as usize].votes += weight;
                }
            }
            [.., _] => {
                self.nodes.extend(tree.into_iter().map(|node| match node {
                    Node::Leaf(votes) => Node::Leaf(votes.iter().map(of_score).collect()),
                    Node::Branch { feature, passing, passed, failed } => {
                        Node::Branch { feature, passing, passed: first + passed, failed: first + failed }
                    }
                }));
                self.roots.push(self.nodes.len() - 1);
            }
        }
    }

    /// Without features that no node tests; at thresholds, without bins that no node tells apart.
    fn without_unused(mut self, binning: Binning) -> Self {
        let mut boundaries: Vec<Vec<u32>> = vec![Vec::new(); self.features.len()];
        for node in &self.nodes {
            if let Node::Branch { feature, passing, .. } = node {
                boundaries[*feature].extend(passing.boundaries());
            }
        }
        let mut places = Vec::with_capacity(self.features.len());
        let mut features = Vec::new();
        for (feature, boundaries) in self.features.iter().zip(&mut boundaries) {
            boundaries.sort_unstable();
            boundaries.dedup();
            places.push(features.len());
            match (boundaries.is_empty(), binning) {
                (true, _) => {}
                (false, Binning::Exact) => features.push(feature.merged(boundaries)),
                (false, Binning::Quantile) => features.push(feature.clone()),
            }
        }
        for node in &mut self.nodes {
            if let Node::Branch { feature, passing, .. } = node {
                if binning == Binning::Exact {
                    *passing = passing.merged(&boundaries[*feature]);
                }
                *feature = places[*feature];
            }
        }
        Self { features, ..self }
    }
}

/// Bins at quantiles; if missing values need one of their own, there is one interval less.
fn at_quantiles(
    variable: u32,
    column: Vec<f64>,
    bits: u32,
    questions: &[Question<'_>],
) -> (Feature, Vec<BinSet>) {
    let most = 1_usize << bits;
    let intervals = Intervals::at_quantiles(column.clone(), most);
    let count = intervals.count();
    let (feature, sets) = Feature::new(variable, intervals, questions);
    if count < most || feature.bins() as usize <= most {
        return (feature, sets);
    }
    Feature::new(variable, Intervals::at_quantiles(column, most - 1), questions)
}
