//! One tree over bins, without tests that its ancestors have decided and tests between equal leaves.

use super::bin_set::BinSet;
use super::ensembles::Ensemble;
use super::forest::Node;
use crate::model::op::{TreeNode, Vote};

/// What is left of a part of a tree.
enum Grown {
    /// Nodes, with the one at this place first.
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
/// of each feature. Its nodes come after their children and vote on the ensemble's targets.
pub(super) fn grow<'s>(
    ensemble: &Ensemble<'_>,
    root: usize,
    test: &impl Fn(usize) -> Option<&'s (usize, BinSet)>,
    bins: &[u32],
) -> Vec<Node> {
    let mut nodes = Vec::new();
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
                    done.push(join((feature, passing), passed, failed, &mut nodes));
                }
            }
        }
    }
    if let Some(Grown::Leaf(votes)) = done.pop() {
        nodes.push(Node::Leaf(votes));
    }
    nodes
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

/// The votes of a leaf by target, in rising order, without those that change no sum.
fn votes(ensemble: &Ensemble<'_>, node: &TreeNode) -> Vec<(u32, f64)> {
    let places = match node {
        TreeNode::Leaf { votes } => votes.clone(),
        TreeNode::Branch { .. } => 0..0,
    };
    // Votes of a checked ensemble exist.
    let matters = |vote: &&Vote| vote.weight != 0.0 || ensemble.largest().is_some();
    let votes = ensemble.parts.votes[places].iter().filter(matters);
    let mut votes: Vec<(u32, f64)> = votes.map(|vote| (vote.target as u32, vote.weight)).collect();
    votes.sort_by_key(|(target, _)| *target);
    votes
}
