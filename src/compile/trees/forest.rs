//! The trees of a model over the bins of its features, without what no row reaches or nothing depends on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::bin_set::BinSet;
use super::binning::{Feature, Intervals};
use super::prune::{self, Grown};
use super::question::Question;
use crate::compile::Binning;
use crate::compile::split::Split;
use crate::model::op::{Aggregate, TreeNode, TreeParts};
use crate::model::{Model, NodeId, Op};
use crate::tensor::DType;

/// Trees over bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// The features that any node tests, by variable.
    pub features: Vec<Feature>,
    /// The nodes of all trees.
    pub nodes: Vec<Node>,
    /// The place of each tree's first node; trees of one leaf are part of the scores' bases.
    pub roots: Vec<usize>,
    /// The scores that leaves vote on.
    pub scores: Vec<Score>,
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

/// How large the model was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Trees.
    pub trees: usize,
    /// Tests.
    pub nodes: usize,
}

/// One ensemble of the model, its features as variables and its targets as scores.
pub(super) struct Ensemble<'a> {
    pub parts: &'a TreeParts,
    pub first_variable: u32,
    pub first_score: u32,
}

impl Forest {
    /// Puts the features of a model's trees into bins, at quantiles of at most 2^`bits` bins or at thresholds.
    ///
    /// `rows` are the prologue's outputs on the calibration rows.
    ///
    /// # Errors
    /// If the split is not one of trees.
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
        Ok(Self::grow(features, &ensembles, &sets).without_unused(binning))
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
    ) -> Self {
        let mut forest = Self {
            features,
            nodes: Vec::new(),
            roots: Vec::new(),
            scores: Vec::new(),
            size: Size::default(),
        };
        let bins: Vec<u32> = forest.features.iter().map(Feature::bins).collect();
        for (number, ensemble) in ensembles.iter().enumerate() {
            let TreeParts { aggregate, base, roots, nodes, .. } = ensemble.parts;
            let divisor = if *aggregate == Aggregate::Average { roots.len() as f64 } else { 1.0 };
            let score = |base: &f64| Score { votes: 0.0, divisor, base: *base, ensemble: number };
            forest.scores.extend(base.iter().map(score));
            forest.size.trees += roots.len();
            forest.size.nodes += nodes.iter().filter(|node| matches!(node, TreeNode::Branch { .. })).count();
            for root in roots {
                let test = |place| sets.get(&(number, place));
                match prune::grow(ensemble, *root, &test, &bins, &mut forest.nodes) {
                    Grown::Tree(root) => forest.roots.push(root),
                    Grown::Leaf(votes) => {
                        for (score, weight) in votes {
                            forest.scores[score as usize].votes += weight;
                        }
                    }
                }
            }
        }
        forest
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

/// A node's question, and where the node is.
struct Asked<'a> {
    /// The number of the ensemble and the place in it.
    node: (usize, usize),
    dtype: DType,
    question: Question<'a>,
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

/// The core's ensembles in the order in which their scores are decrypted.
fn ensembles<'a>(model: &'a Model, split: &Split) -> Result<Vec<Ensemble<'a>>> {
    let width = |id: &NodeId| model.node(*id).shape.iter().product::<usize>();
    let mut first_score = 0;
    let mut ensembles = Vec::new();
    for id in split.decrypted() {
        let node = model.node(*id);
        let Op::Trees(ensemble) = &node.op else {
            bail!("'{}' ({}) is decrypted and no tree", node.name, node.op)
        };
        let source = node.inputs.first().context("trees without features")?;
        let before = split.encrypted().iter().take_while(|id| *id != source);
        let first_variable = before.map(width).sum::<usize>() as u32;
        ensembles.push(Ensemble { parts: ensemble.parts(), first_variable, first_score });
        first_score += ensemble.parts().targets as u32;
    }
    Ok(ensembles)
}

/// What is asked of each variable.
fn questions<'a>(ensembles: &[Ensemble<'a>]) -> BTreeMap<u32, Vec<Asked<'a>>> {
    let mut questions: BTreeMap<u32, Vec<Asked<'a>>> = BTreeMap::new();
    for (number, ensemble) in ensembles.iter().enumerate() {
        for (place, node) in ensemble.parts.nodes.iter().enumerate() {
            let TreeNode::Branch { feature, test, missing_passes, .. } = node else { continue };
            let question = Question { test, missing_passes: *missing_passes };
            let asked = Asked { node: (number, place), dtype: ensemble.parts.dtype, question };
            questions.entry(ensemble.first_variable + *feature as u32).or_default().push(asked);
        }
    }
    questions
}
