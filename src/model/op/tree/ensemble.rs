//! A checked ensemble of trees.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize, Serializer};

use super::node::{TreeNode, Vote};
use super::structure;
use crate::tensor::DType;

/// Trees that vote on the score of one or more targets. Every node belongs to one tree, every
/// branch has two children of its own, all numbers are of the ensemble's element type.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "TreeParts")]
pub struct TreeEnsemble {
    parts: TreeParts,
}

/// An ensemble as it is told; [`TreeEnsemble::new`] checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeParts {
    /// The type, float32 or float64, in which features are compared and votes are joined.
    pub dtype: DType,
    /// Features of a row.
    pub features: usize,
    /// Scores of a row.
    pub targets: usize,
    /// How votes on a target become its score.
    pub aggregate: Aggregate,
    /// What is added to each score in the end.
    pub base: Vec<f64>,
    /// The nodes of all trees, in any order.
    pub nodes: Vec<TreeNode>,
    /// The place of each tree's first node.
    pub roots: Vec<usize>,
    /// What leaves vote, in any order.
    pub votes: Vec<Vote>,
}

/// How the votes on one target become its score; without votes it is 0. Files tell variants by their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    Sum,
    /// The sum divided by the number of trees.
    Average,
    /// The least of them.
    Min,
    /// The largest of them.
    Max,
}

impl TreeEnsemble {
    /// No ensemble has more targets.
    pub const MAX_TARGETS: usize = 1 << 16;

    /// Checks an ensemble and rounds its numbers to its element type. Nodes are called by their
    /// places in messages.
    ///
    /// # Errors
    /// If the nodes are not trees, a place, feature or target does not exist, or a number cannot
    /// be computed with.
    pub fn new(mut parts: TreeParts) -> Result<Self> {
        check_sizes(&parts)?;
        round_numbers(&mut parts)?;
        check_nodes(&parts)?;
        check_votes(&parts)?;
        structure::check(&parts.nodes, &parts.roots)?;
        Ok(Self { parts })
    }

    /// What it is made of.
    pub fn parts(&self) -> &TreeParts {
        &self.parts
    }
}

impl TryFrom<TreeParts> for TreeEnsemble {
    type Error = anyhow::Error;

    fn try_from(parts: TreeParts) -> Result<Self> {
        Self::new(parts)
    }
}

impl Serialize for TreeEnsemble {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}

fn check_sizes(parts: &TreeParts) -> Result<()> {
    let TreeParts { dtype, targets, base, .. } = parts;
    if !matches!(dtype, DType::F32 | DType::F64) {
        bail!("trees compute in float32 or float64, not in {dtype}");
    }
    let limit = TreeEnsemble::MAX_TARGETS;
    if *targets == 0 || *targets > limit {
        bail!("there are {targets} targets, expected 1 to {limit}");
    }
    if base.len() != *targets {
        bail!("there are {} base values for {targets} targets", base.len());
    }
    Ok(())
}

fn round_numbers(parts: &mut TreeParts) -> Result<()> {
    let dtype = parts.dtype;
    for value in parts.base.iter_mut().chain(parts.votes.iter_mut().map(|vote| &mut vote.weight)) {
        *value = dtype.round(*value);
        if !value.is_finite() {
            bail!("a weight is {value}");
        }
    }
    for (place, node) in parts.nodes.iter_mut().enumerate() {
        if let TreeNode::Branch { test, .. } = node {
            for value in test.thresholds_mut() {
                *value = dtype.round(*value);
                if value.is_nan() {
                    bail!("the node at [{place}] compares with NaN");
                }
            }
        }
    }
    Ok(())
}

fn check_nodes(parts: &TreeParts) -> Result<()> {
    for (place, node) in parts.nodes.iter().enumerate() {
        match node {
            TreeNode::Branch { feature, .. } if *feature >= parts.features => {
                bail!("the node at [{place}] tests feature {feature}, there are {}", parts.features);
            }
            TreeNode::Leaf { votes } if parts.votes.get(votes.clone()).is_none_or(<[Vote]>::is_empty) => {
                bail!("the leaf at [{place}] has no votes");
            }
            TreeNode::Branch { .. } | TreeNode::Leaf { .. } => {}
        }
    }
    Ok(())
}

/// Targets exist, and no leaf votes twice on one.
fn check_votes(parts: &TreeParts) -> Result<()> {
    let mut last_voter = vec![None; parts.targets];
    for (place, node) in parts.nodes.iter().enumerate() {
        let TreeNode::Leaf { votes } = node else { continue };
        for vote in parts.votes.get(votes.clone()).unwrap_or_default() {
            let Some(last) = last_voter.get_mut(vote.target) else {
                bail!("the leaf at [{place}] votes on target {}, there are {}", vote.target, parts.targets);
            };
            if last.replace(place) == Some(place) {
                bail!("the leaf at [{place}] votes twice on target {}", vote.target);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::tree::Test;

    /// x[1] ≤ 0.5 votes 1 on the first of two targets, else 2 on the second.
    fn stump() -> TreeParts {
        let root = TreeNode::Branch {
            feature: 1,
            test: Test::AtMost(0.5),
            missing_passes: false,
            passed: 1,
            failed: 2,
        };
        TreeParts {
            dtype: DType::F32,
            features: 2,
            targets: 2,
            aggregate: Aggregate::Sum,
            base: vec![0.0; 2],
            nodes: vec![root, TreeNode::Leaf { votes: 0..1 }, TreeNode::Leaf { votes: 1..2 }],
            roots: vec![0],
            votes: vec![Vote { target: 0, weight: 1.0 }, Vote { target: 1, weight: 2.0 }],
        }
    }

    #[track_caller]
    fn refused(change: impl Fn(&mut TreeParts), message: &str) {
        let mut parts = stump();
        change(&mut parts);
        assert_eq!(TreeEnsemble::new(parts).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_sound_ensemble_is_taken_in_its_own_precision() {
        let mut parts = stump();
        parts.votes[0].weight = 0.1;
        let ensemble = TreeEnsemble::new(parts).unwrap();
        assert_eq!(ensemble.parts().votes[0].weight, f64::from(0.1_f32));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        refused(|parts| parts.features = 1, "the node at [0] tests feature 1, there are 1");
        refused(|parts| parts.votes[1].target = 2, "the leaf at [2] votes on target 2, there are 2");
        refused(|parts| parts.votes.truncate(1), "the leaf at [2] has no votes");
        refused(|parts| parts.nodes[1] = TreeNode::Leaf { votes: 1..1 }, "the leaf at [1] has no votes");
        refused(|parts| parts.base.truncate(1), "there are 1 base values for 2 targets");
        refused(|parts| parts.targets = 0, "there are 0 targets, expected 1 to 65536");
        refused(|parts| parts.dtype = DType::F16, "trees compute in float32 or float64, not in float16");
    }

    #[test]
    fn numbers_must_be_fit_to_compute_with() {
        refused(|parts| parts.votes[0].weight = 1e39, "a weight is inf");
        refused(|parts| parts.base[1] = f64::NAN, "a weight is NaN");
        let compare_with = |parts: &mut TreeParts, value| {
            if let TreeNode::Branch { test, .. } = &mut parts.nodes[0] {
                *test = Test::Member(vec![1.0, value]);
            }
        };
        refused(|parts| compare_with(parts, f64::NAN), "the node at [0] compares with NaN");
        let mut endless = stump();
        compare_with(&mut endless, f64::INFINITY);
        assert!(TreeEnsemble::new(endless).is_ok());
    }

    #[test]
    fn a_leaf_votes_once_on_a_target() {
        let twice = |parts: &mut TreeParts| {
            parts.nodes[1] = TreeNode::Leaf { votes: 0..2 };
            parts.votes[1].target = 0;
        };
        refused(twice, "the leaf at [1] votes twice on target 0");
    }

    #[test]
    fn a_damaged_ensemble_is_not_read() {
        let text = serde_json::to_string(&TreeEnsemble::new(stump()).unwrap()).unwrap();
        let read: TreeEnsemble = serde_json::from_str(&text).unwrap();
        assert_eq!(read.parts(), &stump());
        let damaged = text.replace(r#""failed":2"#, r#""failed":0"#);
        assert!(serde_json::from_str::<TreeEnsemble>(&damaged).is_err());
    }
}
