//! Trees of which the least or the largest vote counts become one diagram, or as few as stay small.
//!
//! Trees are walked one after another, and what is remembered is the best vote so far: a leaf leads on to a copy
//! of the next tree for that vote, the leaves of the last tree carry it. Equal parts of copies are one, and so are
//! votes that are no better than what every row gets: of each tree there is at most one copy for every vote.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::bin_set::BinSet;
use super::forest::Node;
use crate::compile::split::Unsupported;

/// Trees are joined as long as their diagram has no more tests.
const MAX_NODES: usize = 4096;

/// Joins trees by their votes on one target into diagrams whose leaves vote on target 0.
///
/// Nodes come after their children, in trees as in diagrams. Trees without votes on the target do not count.
///
/// # Errors
/// [`Unsupported`] if one diagram is too large and there may be no vote at all, which several cannot tell.
pub(super) fn join(trees: &[Vec<Node>], target: u32, largest: bool) -> Result<Vec<Vec<Node>>> {
    let votes = Votes::new(trees, target, largest);
    let mut voters: Vec<Voter<'_>> = trees.iter().map(|tree| Voter::new(tree, &votes)).collect();
    voters.retain(|voter| voter.ranks.iter().any(|rank| *rank > 0));
    // After trees with the best votes others seldom matter.
    voters.sort_by_key(|voter| Reverse(voter.ranks.last().copied()));
    let floor = voters.iter().filter_map(|voter| voter.ranks.first().copied()).max().unwrap_or(0);
    let diagrams = groups(&voters, floor, &votes);
    if floor == 0 && diagrams.len() > 1 {
        let reason = format!(
            "one diagram of {} trees that may all have no vote on target {target} takes more than {MAX_NODES} nodes",
            voters.len()
        );
        return Err(Unsupported { reason }.into());
    }
    Ok(diagrams)
}

/// The diagrams of some trees: one, if it is small or there is one tree, else those of each half.
fn groups(voters: &[Voter<'_>], floor: usize, votes: &Votes) -> Vec<Vec<Node>> {
    let limit = if voters.len() > 1 { MAX_NODES } else { usize::MAX };
    match Builder::new(votes, limit).join(voters, floor) {
        Some(diagram) => vec![diagram],
        None => {
            let (first, second) = voters.split_at(voters.len() / 2);
            [groups(first, floor, votes), groups(second, floor, votes)].concat()
        }
    }
}

/// The votes on one target and their ranks: the best one has the highest, no vote has 0.
struct Votes {
    target: u32,
    largest: bool,
    /// Different ones, the best last.
    values: Vec<f64>,
}

impl Votes {
    fn new(trees: &[Vec<Node>], target: u32, largest: bool) -> Self {
        let votes = Self { target, largest, values: Vec::new() };
        let mut values: Vec<f64> = trees.iter().flatten().filter_map(|node| votes.vote(node)).collect();
        values.sort_by(|a, b| if largest { a.total_cmp(b) } else { b.total_cmp(a) });
        values.dedup();
        Self { values, ..votes }
    }

    fn vote(&self, node: &Node) -> Option<f64> {
        match node {
            Node::Leaf(votes) => {
                votes.iter().find(|(target, _)| *target == self.target).map(|(_, vote)| *vote)
            }
            Node::Branch { .. } => None,
        }
    }

    fn rank(&self, node: &Node) -> usize {
        let worse = |vote: f64| {
            let is_worse = |value: &f64| if self.largest { *value < vote } else { *value > vote };
            self.values.partition_point(is_worse)
        };
        self.vote(node).map_or(0, |vote| worse(vote) + 1)
    }

    /// A leaf with the vote of this rank.
    fn leaf(&self, rank: usize) -> Node {
        let vote = rank.checked_sub(1).and_then(|place| self.values.get(place));
        Node::Leaf(vote.filter(|vote| **vote != 0.0).map(|vote| (0, *vote)).into_iter().collect())
    }
}

/// A tree and how good its votes are.
struct Voter<'a> {
    /// Each node with the rank of what it votes.
    nodes: Vec<(&'a Node, usize)>,
    /// The ranks of leaves.
    ranks: BTreeSet<usize>,
}

impl<'a> Voter<'a> {
    fn new(nodes: &'a [Node], votes: &Votes) -> Self {
        let nodes: Vec<(&Node, usize)> = nodes.iter().map(|node| (node, votes.rank(node))).collect();
        let leaves = nodes.iter().filter(|(node, _)| matches!(node, Node::Leaf(_)));
        Self { ranks: leaves.map(|(_, rank)| *rank).collect(), nodes }
    }

    /// The best ranks that there may be after this tree, given those before it.
    fn after(&self, before: &BTreeSet<usize>) -> BTreeSet<usize> {
        match (before.first(), self.ranks.first()) {
            (Some(low), Some(least)) => {
                before.range(least..).chain(self.ranks.range(low..)).copied().collect()
            }
            (None, _) | (_, None) => before.clone(),
        }
    }
}

/// A diagram that is made from its leaves on, every part once.
struct Builder<'a> {
    votes: &'a Votes,
    limit: usize,
    nodes: Vec<Node>,
    branches: HashMap<(usize, BinSet, usize, usize), usize>,
}

impl<'a> Builder<'a> {
    fn new(votes: &'a Votes, limit: usize) -> Self {
        Self { votes, limit, nodes: Vec::new(), branches: HashMap::new() }
    }

    /// The diagram of these trees, in which every row gets at least the vote of rank `floor`; `None` if it has more
    /// tests than the limit.
    fn join(mut self, voters: &[Voter<'_>], floor: usize) -> Option<Vec<Node>> {
        let mut before = Vec::with_capacity(voters.len());
        let mut ranks = BTreeSet::from([floor]);
        for voter in voters {
            let after = voter.after(&ranks);
            if after.len() > self.limit {
                return None;
            }
            before.push(std::mem::replace(&mut ranks, after));
        }
        let mut next: BTreeMap<usize, usize> =
            ranks.into_iter().map(|rank| (rank, self.leaf(rank))).collect();
        for (voter, ranks) in voters.iter().zip(before).rev() {
            let copies = ranks.into_iter().map(|rank| Some((rank, self.copy(voter, rank, &next)?)));
            next = copies.collect::<Option<_>>()?;
        }
        Some(self.nodes)
    }

    /// A tree if the best vote before it has this rank; its leaves lead on to what comes next for each rank.
    fn copy(&mut self, voter: &Voter<'_>, rank: usize, next: &BTreeMap<usize, usize>) -> Option<usize> {
        let mut places: Vec<usize> = Vec::with_capacity(voter.nodes.len());
        for (node, own) in &voter.nodes {
            places.push(match node {
                Node::Leaf(_) => *next.get(&rank.max(*own))?,
                // Nodes come after their children.
                Node::Branch { feature, passing, passed, failed } => {
                    self.branch(*feature, passing, (places[*passed], places[*failed]))?
                }
            });
        }
        places.pop()
    }

    fn leaf(&mut self, rank: usize) -> usize {
        self.nodes.push(self.votes.leaf(rank));
        self.nodes.len() - 1
    }

    /// A test, unless both of its sides are the same; `None` if there are too many.
    fn branch(
        &mut self,
        feature: usize,
        passing: &BinSet,
        (passed, failed): (usize, usize),
    ) -> Option<usize> {
        if passed == failed {
            return Some(passed);
        }
        let Self { nodes, branches, .. } = self;
        let place = *branches.entry((feature, passing.clone(), passed, failed)).or_insert_with(|| {
            nodes.push(Node::Branch { feature, passing: passing.clone(), passed, failed });
            nodes.len() - 1
        });
        (self.branches.len() <= self.limit).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: u32 = 4;

    /// Repeatable numbers below an end.
    fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
        move |end| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % end
        }
    }

    /// Trees on two features, each leaf of which casts one of so many votes on target 1.
    fn trees(next: &mut impl FnMut(u64) -> u64, count: u64, depth: u32, votes: u64) -> Vec<Vec<Node>> {
        let mut trees = vec![Vec::new(); count as usize];
        trees.iter_mut().for_each(|nodes| _ = grow(next, depth, votes, nodes));
        trees
    }

    fn grow(next: &mut impl FnMut(u64) -> u64, depth: u32, votes: u64, nodes: &mut Vec<Node>) -> usize {
        let node = if depth == 0 || next(8) == 0 {
            Node::Leaf(vec![(0, next(9) as f64), (1, next(votes) as f64 - 3.0)])
        } else {
            let [passed, failed] = [0, 1].map(|_| grow(next, depth - 1, votes, nodes));
            let passing = BinSet::split_at(BINS, 1 + next(u64::from(BINS) - 1) as u32, next(2) == 0);
            Node::Branch { feature: next(2) as usize, passing, passed, failed }
        };
        nodes.push(node);
        nodes.len() - 1
    }

    /// The vote on a target for the bins of a row.
    fn evaluate(nodes: &[Node], target: u32, row: [u32; 2]) -> f64 {
        let mut place = nodes.len() - 1;
        loop {
            match &nodes[place] {
                Node::Branch { feature, passing, passed, failed } => {
                    place = if passing.contains(row[*feature]) { *passed } else { *failed };
                }
                Node::Leaf(votes) => {
                    return votes.iter().find(|(own, _)| *own == target).map_or(0.0, |(_, vote)| *vote);
                }
            }
        }
    }

    fn extreme(votes: impl Iterator<Item = f64>, largest: bool) -> f64 {
        votes.reduce(|a, b| if largest { a.max(b) } else { a.min(b) }).unwrap()
    }

    fn branches(nodes: &[Node]) -> usize {
        nodes.iter().filter(|node| matches!(node, Node::Branch { .. })).count()
    }

    #[track_caller]
    fn check(trees: &[Vec<Node>], largest: bool) -> Vec<Vec<Node>> {
        let diagrams = join(trees, 1, largest).unwrap();
        for row in (0..BINS).flat_map(|first| (0..BINS).map(move |second| [first, second])) {
            let expected = extreme(trees.iter().map(|tree| evaluate(tree, 1, row)), largest);
            let found = extreme(diagrams.iter().map(|diagram| evaluate(diagram, 0, row)), largest);
            assert_eq!(found, expected, "{row:?}");
        }
        diagrams
    }

    #[test]
    fn one_diagram_gives_the_extreme_vote() {
        for seed in 0..200 {
            let mut next = numbers(seed);
            let (count, depth, votes) = (1 + next(6), next(5) as u32, 2 + next(9));
            let trees = trees(&mut next, count, depth, votes);
            for largest in [false, true] {
                assert_eq!(check(&trees, largest).len(), 1);
            }
        }
    }

    #[test]
    fn votes_that_cannot_win_are_not_told_apart() {
        let stump = |passed: f64, failed: f64| {
            let passing = BinSet::split_at(BINS, 2, true);
            let leaf = |vote| Node::Leaf(vec![(1, vote)]);
            vec![leaf(passed), leaf(failed), Node::Branch { feature: 0, passing, passed: 0, failed: 1 }]
        };
        // Every row gets 3 at least: the second tree says nothing.
        let diagrams = check(&[stump(3.0, 5.0), stump(1.0, 2.0)], true);
        assert_eq!(diagrams[0].len(), 3);
    }

    #[test]
    fn trees_that_take_too_many_nodes_are_joined_in_groups() {
        let mut trees = trees(&mut numbers(1), 60, 5, 100_000);
        trees.retain(|tree| branches(tree) > 15);
        let diagrams = check(&trees, false);
        assert!((2..20).contains(&diagrams.len()), "{}", diagrams.len());
        assert!(diagrams.iter().all(|diagram| branches(diagram) <= MAX_NODES));
        // The first node of a tree is a leaf.
        trees.iter_mut().for_each(|tree| tree[0] = Node::Leaf(vec![(0, 1.0)]));
        let message = join(&trees, 1, false).unwrap_err().to_string();
        assert!(message.contains("trees that may all have no vote on target 1 takes more"), "{message}");
    }
}
