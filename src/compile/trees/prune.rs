//! One tree over bins, without tests that its ancestors have decided and tests between equal leaves.

use super::bin_set::BinSet;
use super::forest::{Ensemble, Node};
use crate::model::op::TreeNode;

/// What is left of a tree.
pub(super) enum Grown {
    /// Nodes, with this one first.
    Tree(usize),
    /// The same votes for every row.
    Leaf(Vec<(u32, f64)>),
}

/// What is still to be done, the last first.
enum Task {
    /// Grow what is at this place of the ensemble.
    Visit(usize),
    /// Go on with these bins of a feature possible.
    Within(usize, BinSet),
    /// Make a node of the two values made last.
    Join { feature: usize, passing: BinSet },
}

/// Grows one tree of an ensemble, given the feature and the passing bins of each branch and the number of bins
/// of each feature. Its nodes go to the end of `nodes`.
pub(super) fn grow<'s>(
    ensemble: &Ensemble<'_>,
    root: usize,
    test: &impl Fn(usize) -> Option<&'s (usize, BinSet)>,
    bins: &[u32],
    nodes: &mut Vec<Node>,
) -> Grown {
    let mut possible: Vec<BinSet> = bins.iter().map(|bins| BinSet::all(*bins)).collect();
    let mut tasks = vec![Task::Visit(root)];
    let mut done: Vec<Grown> = Vec::new();
    while let Some(task) = tasks.pop() {
        match task {
            Task::Within(feature, bins) => possible[feature] = bins,
            // Places of a checked ensemble exist.
            Task::Visit(place) => match (&ensemble.parts.nodes[place], test(place)) {
                (TreeNode::Branch { passed, failed, .. }, Some((feature, set))) => {
                    branch((*feature, set), (*passed, *failed), &possible, &mut tasks);
                }
                (node, _) => done.push(Grown::Leaf(votes(ensemble, node))),
            },
            Task::Join { feature, passing } => {
                // A join follows the visits of its two children.
                if let (Some(failed), Some(passed)) = (done.pop(), done.pop()) {
                    done.push(join((feature, passing), passed, failed, nodes));
                }
            }
        }
    }
    done.pop().unwrap_or(Grown::Leaf(Vec::new()))
}

/// What to do at a branch: visit both sides, or the only one that is possible.
fn branch(
    (feature, set): (usize, &BinSet),
    (passed, failed): (usize, usize),
    possible: &[BinSet],
    tasks: &mut Vec<Task>,
) {
    let before = &possible[feature];
    let (inside, outside) = (before.and(set), before.and(&set.complement()));
    if inside.is_empty() {
        tasks.push(Task::Visit(failed));
    } else if outside.is_empty() {
        tasks.push(Task::Visit(passed));
    } else {
        let passing = set.within(before);
        tasks.extend([
            Task::Join { feature, passing },
            Task::Within(feature, before.clone()),
            Task::Visit(failed),
            Task::Within(feature, outside),
            Task::Visit(passed),
            Task::Within(feature, inside),
        ]);
    }
}

fn join((feature, passing): (usize, BinSet), passed: Grown, failed: Grown, nodes: &mut Vec<Node>) -> Grown {
    match (passed, failed) {
        (Grown::Leaf(passed), Grown::Leaf(failed)) if passed == failed => Grown::Leaf(passed),
        (passed, failed) => {
            let [passed, failed] = [passed, failed].map(|grown| match grown {
                Grown::Tree(place) => place,
                Grown::Leaf(votes) => push(Node::Leaf(votes), nodes),
            });
            Grown::Tree(push(Node::Branch { feature, passing, passed, failed }, nodes))
        }
    }
}

fn push(node: Node, nodes: &mut Vec<Node>) -> usize {
    nodes.push(node);
    nodes.len() - 1
}

/// The votes of a leaf by score, in rising order, without those that change nothing.
fn votes(ensemble: &Ensemble<'_>, node: &TreeNode) -> Vec<(u32, f64)> {
    let places = match node {
        TreeNode::Leaf { votes } => votes.clone(),
        TreeNode::Branch { .. } => 0..0,
    };
    // Votes of a checked ensemble exist.
    let votes = ensemble.parts.votes[places].iter().filter(|vote| vote.weight != 0.0);
    let mut votes: Vec<(u32, f64)> =
        votes.map(|vote| (ensemble.first_score + vote.target as u32, vote.weight)).collect();
    votes.sort_by_key(|(score, _)| *score);
    votes
}
