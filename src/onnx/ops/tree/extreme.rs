//! Ensembles whose scores are the least or the largest vote: every tree votes on a score of its own, and the
//! extreme is taken of these.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::model::op::{Binary, Reduction, TreeNode, TreeParts, Vote};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

/// An ensemble with a score for each target and each tree that votes on it.
pub(super) struct Apart {
    /// The ensemble; it adds up, without base values.
    pub parts: TreeParts,
    /// The number of scores of each target, which follow each other.
    counts: Vec<usize>,
    /// What is added to the score of each target.
    base: Vec<f64>,
    largest: bool,
}

/// Lets the trees of a checked ensemble vote apart.
///
/// # Errors
/// If only some leaves of a tree vote on a target: then whether the tree counts depends on the row.
pub(super) fn apart(parts: TreeParts, largest: bool) -> Result<Apart> {
    // For each target and tree the extreme vote of each leaf that votes.
    let mut ballots: BTreeMap<(usize, usize), BTreeMap<usize, f64>> = BTreeMap::new();
    let mut leaves = vec![0; parts.roots.len()];
    for (tree, leaf, votes) in reached(&parts) {
        leaves[tree] += 1; // trees are counted by their roots
        for vote in votes {
            let ballot = ballots.entry((vote.target, tree)).or_default();
            let extreme = ballot.entry(leaf).or_insert(vote.weight);
            *extreme = if largest { extreme.max(vote.weight) } else { extreme.min(vote.weight) };
        }
    }
    let mut apart = Apart { counts: vec![0; parts.targets], base: parts.base.clone(), parts, largest };
    let mut votes: BTreeMap<usize, Vec<Vote>> = BTreeMap::new();
    let mut score = 0;
    for target in 0..apart.counts.len() {
        for ((_, tree), ballot) in ballots.range((target, 0)..(target + 1, 0)) {
            if ballot.len() < leaves[*tree] {
                return Err(unsupported(format!(
                    "whether tree {tree} votes on target {target} depends on the row, which is not supported where \
                     the least or largest vote is taken"
                )));
            }
            for (leaf, weight) in ballot {
                votes.entry(*leaf).or_default().push(Vote { target: score, weight: *weight });
            }
            apart.counts[target] += 1;
            score += 1;
        }
        // The score of a target without votes is 0.
        if apart.counts[target] == 0 {
            apart.counts[target] = 1;
            score += 1;
        }
    }
    apart.revote(votes, score);
    Ok(apart)
}

impl Apart {
    /// Lets leaves, called by their places, cast these votes on so many scores.
    fn revote(&mut self, mut votes: BTreeMap<usize, Vec<Vote>>, scores: usize) {
        let mut listed = Vec::new();
        for (place, node) in self.parts.nodes.iter_mut().enumerate() {
            if let TreeNode::Leaf { votes: range } = node {
                let first = listed.len();
                listed.extend(votes.remove(&place).unwrap_or_default());
                *range = first..listed.len();
            }
        }
        self.parts.votes = listed;
        (self.parts.targets, self.parts.base) = (scores, vec![0.0; scores]);
    }

    /// The scores of the targets, from those of the trees.
    ///
    /// # Errors
    /// As [`Context::push`].
    pub fn join(&self, node: &NodeView, context: &mut Context, scores: NodeId) -> Result<NodeId> {
        let reduction = if self.largest { Reduction::Max } else { Reduction::Min };
        let mut start = 0;
        let mut joined = Vec::with_capacity(self.counts.len());
        for &count in &self.counts {
            let own = super::columns(node, context, scores, start, count)?;
            joined.push(context.push(
                node,
                Op::Reduce { reduction, axes: vec![1], keep_dims: true },
                &[own],
            )?);
            start += count;
        }
        let joined = context.push(node, Op::Concat { axis: 1 }, &joined)?;
        if self.base.iter().all(|base| *base == 0.0) {
            return Ok(joined);
        }
        let base = context.vector(node, self.parts.dtype, self.base.clone())?;
        context.binary(node, Binary::Add, joined, base)
    }
}

/// The leaves of all trees: the tree, the leaf's place, its votes.
fn reached(parts: &TreeParts) -> Vec<(usize, usize, &[Vote])> {
    let mut leaves = Vec::new();
    let mut open: Vec<(usize, usize)> = parts.roots.iter().copied().enumerate().collect();
    while let Some((tree, place)) = open.pop() {
        // Places and votes of a checked ensemble exist.
        match &parts.nodes[place] {
            TreeNode::Branch { passed, failed, .. } => open.extend([(tree, *passed), (tree, *failed)]),
            TreeNode::Leaf { votes } => leaves.push((tree, place, &parts.votes[votes.clone()])),
        }
    }
    leaves
}
