//! Ensembles whose scores are the least or the largest vote.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::model::op::{TreeNode, TreeParts};
use crate::onnx::problem::unsupported;

/// Checks that every tree of a checked ensemble votes on the same targets for all rows.
///
/// # Errors
/// If only some leaves of a tree vote on a target: what runtimes make of the others is not the same.
pub(super) fn refuse_abstention(parts: &TreeParts) -> Result<()> {
    for (tree, root) in parts.roots.iter().enumerate() {
        let mut leaves = targets_of_leaves(parts, *root).into_iter();
        let first = leaves.next().unwrap_or_default();
        let sometimes = leaves.find_map(|leaf| leaf.symmetric_difference(&first).next().copied());
        if let Some(target) = sometimes {
            return Err(unsupported(format!(
                "whether tree {tree} votes on target {target} depends on the row, which is not supported where \
                 the least or largest vote is taken"
            )));
        }
    }
    Ok(())
}

/// The targets that each leaf of a tree votes on.
fn targets_of_leaves(parts: &TreeParts, root: usize) -> Vec<BTreeSet<usize>> {
    let mut leaves = Vec::new();
    let mut open = vec![root];
    while let Some(place) = open.pop() {
        // Places and votes of a checked ensemble exist.
        match &parts.nodes[place] {
            TreeNode::Branch { passed, failed, .. } => open.extend([*failed, *passed]),
            TreeNode::Leaf { votes } => {
                leaves.push(parts.votes[votes.clone()].iter().map(|vote| vote.target).collect());
            }
        }
    }
    leaves
}
