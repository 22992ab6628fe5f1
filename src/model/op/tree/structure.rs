//! Whether nodes are trees.

use anyhow::{Result, bail};

use super::node::TreeNode;

/// No tree is deeper.
const MAX_DEPTH: usize = 10_000;

/// Checks that every node is reached from one of the roots, in exactly one way.
///
/// # Errors
/// If a child does not exist, a node is shared, lies on a circle or in no tree, or a tree is
/// absurdly deep.
pub(super) fn check(nodes: &[TreeNode], roots: &[usize]) -> Result<()> {
    if roots.is_empty() {
        bail!("there are no trees");
    }
    let mut seen = vec![false; nodes.len()];
    let mut open: Vec<(usize, usize)> = roots.iter().map(|&root| (root, 0)).collect();
    while let Some((place, depth)) = open.pop() {
        let (Some(node), Some(seen)) = (nodes.get(place), seen.get_mut(place)) else {
            bail!("a node at [{place}] does not exist: there are {}", nodes.len());
        };
        if std::mem::replace(seen, true) {
            bail!("the node at [{place}] is reached in two ways: trees share no nodes and have no circles");
        }
        if depth > MAX_DEPTH {
            bail!("a tree is deeper than {MAX_DEPTH} nodes");
        }
        if let TreeNode::Branch { passed, failed, .. } = node {
            open.extend([(*passed, depth + 1), (*failed, depth + 1)]);
        }
    }
    match seen.iter().position(|seen| !seen) {
        Some(place) => bail!("the node at [{place}] is in no tree"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::tree::Test;

    const LEAF: TreeNode = TreeNode::Leaf { votes: 0..1 };

    fn branch(passed: usize, failed: usize) -> TreeNode {
        TreeNode::Branch { feature: 0, test: Test::Equal(0.0), missing_passes: true, passed, failed }
    }

    fn refusal(nodes: &[TreeNode], roots: &[usize]) -> String {
        check(nodes, roots).unwrap_err().to_string()
    }

    #[test]
    fn trees_in_any_order() {
        assert!(check(&[LEAF, branch(3, 0), LEAF, LEAF], &[1, 2]).is_ok());
    }

    #[test]
    fn what_is_no_tree() {
        assert_eq!(refusal(&[branch(1, 2), LEAF], &[0]), "a node at [2] does not exist: there are 2");
        assert!(refusal(&[branch(1, 1), LEAF], &[0]).starts_with("the node at [1] is reached in two ways"));
        assert!(refusal(&[branch(1, 0), LEAF], &[0]).starts_with("the node at [0] is reached in two ways"));
        assert!(refusal(&[LEAF], &[0, 0]).starts_with("the node at [0] is reached in two ways"));
        assert_eq!(refusal(&[LEAF, branch(1, 1)], &[0]), "the node at [1] is in no tree");
        assert_eq!(refusal(&[], &[]), "there are no trees");
    }

    #[test]
    fn a_chain_may_be_long_but_not_absurdly() {
        let chain = |length: usize| -> Vec<TreeNode> {
            let links = (0..length).map(|link| branch(2 * link + 2, 2 * link + 1));
            links.flat_map(|link| [link, LEAF]).chain([LEAF]).collect()
        };
        assert!(check(&chain(MAX_DEPTH), &[0]).is_ok());
        assert_eq!(refusal(&chain(MAX_DEPTH + 1), &[0]), "a tree is deeper than 10000 nodes");
    }
}
