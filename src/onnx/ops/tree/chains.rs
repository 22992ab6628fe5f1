//! Chains of tests for equality that lead to one node: LightGBM's way to write a split on categories.

use crate::model::op::{Test, TreeNode};

/// Makes one membership test of each chain `x = a or else x = b or else …` whose tests, if passed,
/// all lead to the same node, which then has a single parent. Gives the nodes that are left, and
/// the roots at their new places. All children must exist.
pub(super) fn join(mut nodes: Vec<TreeNode>, roots: &[usize]) -> (Vec<TreeNode>, Vec<usize>) {
    let parents = parent_counts(&nodes);
    let next: Vec<Option<usize>> = (0..nodes.len()).map(|place| next_link(&nodes, place, &parents)).collect();
    let mut is_link = vec![false; nodes.len()];
    for &link in next.iter().flatten() {
        is_link[link] = true; // links are children, which exist
    }
    let mut is_joined = vec![false; nodes.len()];
    for head in (0..nodes.len()).filter(|&place| !is_link[place]) {
        // No head is a link, and no link has two parents: this ends.
        let links: Vec<usize> = std::iter::successors(next[head], |&link| next[link]).collect();
        for link in links {
            is_joined[link] = true;
            absorb(&mut nodes, head, link);
        }
    }
    without(nodes, roots, &is_joined)
}

fn parent_counts(nodes: &[TreeNode]) -> Vec<usize> {
    let mut counts = vec![0; nodes.len()];
    for node in nodes {
        if let TreeNode::Branch { passed, failed, .. } = node {
            counts[*passed] += 1; // children exist
            counts[*failed] += 1;
        }
    }
    counts
}

/// The node after a failed test for equality, if it asks the same for another value.
fn next_link(nodes: &[TreeNode], place: usize, parents: &[usize]) -> Option<usize> {
    let equality = |place: usize| match nodes.get(place)? {
        TreeNode::Branch { feature, test: Test::Equal(_), passed, failed, .. } => {
            Some((*feature, *passed, *failed))
        }
        TreeNode::Branch { .. } | TreeNode::Leaf { .. } => None,
    };
    let (feature, passed, failed) = equality(place)?;
    let (other_feature, other_passed, _) = equality(failed)?;
    ((other_feature, other_passed) == (feature, passed) && parents[failed] == 1).then_some(failed)
}

/// The head asks for the link's value too and goes on where the link does. Both exist.
fn absorb(nodes: &mut [TreeNode], head: usize, link: usize) {
    let TreeNode::Branch { test, missing_passes, failed, .. } = nodes[link].clone() else { return };
    let value = test.thresholds().to_vec();
    if let TreeNode::Branch { test: own, missing_passes: own_missing, failed: own_failed, .. } =
        &mut nodes[head]
    {
        match own {
            Test::Member(values) => values.extend(value),
            other => *other = Test::Member([other.thresholds(), &value].concat()),
        }
        *own_missing |= missing_passes;
        *own_failed = failed;
    }
}

fn without(nodes: Vec<TreeNode>, roots: &[usize], gone: &[bool]) -> (Vec<TreeNode>, Vec<usize>) {
    let mut places = Vec::with_capacity(nodes.len());
    let mut kept = 0;
    for &gone in gone {
        places.push(kept);
        kept += usize::from(!gone);
    }
    let left = nodes.into_iter().zip(gone).filter(|(_, gone)| !**gone).map(|(mut node, _)| {
        if let TreeNode::Branch { passed, failed, .. } = &mut node {
            // Children exist; those that are gone have no parents left.
            (*passed, *failed) = (places[*passed], places[*failed]);
        }
        node
    });
    (left.collect(), roots.iter().map(|&root| places[root]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: TreeNode = TreeNode::Leaf { votes: 0..1 };

    fn equal(value: f64, missing_passes: bool, passed: usize, failed: usize) -> TreeNode {
        TreeNode::Branch { feature: 0, test: Test::Equal(value), missing_passes, passed, failed }
    }

    #[test]
    fn a_chain_to_one_node_becomes_a_set() {
        let nodes =
            vec![LEAF, LEAF, equal(3.0, true, 1, 3), equal(5.0, false, 1, 0), equal(1.0, false, 1, 2)];
        let (nodes, roots) = join(nodes, &[4]);
        let set = TreeNode::Branch {
            feature: 0,
            test: Test::Member(vec![1.0, 3.0, 5.0]),
            missing_passes: true,
            passed: 1,
            failed: 0,
        };
        assert_eq!((nodes, roots), (vec![LEAF, LEAF, set], vec![2]));
    }

    #[test]
    fn other_nodes_stay() {
        let apart = vec![equal(1.0, false, 1, 2), LEAF, equal(2.0, false, 3, 4), LEAF, LEAF];
        assert_eq!(join(apart.clone(), &[0]), (apart, vec![0]));
        let shared =
            vec![equal(1.0, false, 3, 1), equal(2.0, false, 3, 2), LEAF, LEAF, equal(4.0, false, 2, 1)];
        assert_eq!(join(shared.clone(), &[0, 4]), (shared, vec![0, 4]));
    }

    #[test]
    fn circles_are_left_for_others_to_refuse() {
        let circle = vec![equal(1.0, false, 2, 1), equal(2.0, false, 2, 0), LEAF];
        assert_eq!(join(circle.clone(), &[]), (circle, vec![]));
    }
}
