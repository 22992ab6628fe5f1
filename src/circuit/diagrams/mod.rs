//! Sums of decision diagrams over encrypted bits.
//!
//! A *selector* is a sum and difference of a row's bits that is 0 or 1 for every row. A *test* is true if all
//! selectors of one of its chains are 1; at most one chain is. A node goes on to one of two places by a test,
//! a leaf votes on outputs; the outputs are the sums of the votes of all diagrams.

mod circuit;
mod noise;
mod schedule;

pub use circuit::DiagramCircuit;
pub use noise::NoiseCount;
pub use schedule::{Chain, Linear, Schedule, Source, Step};

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::PackedBits;

/// Diagrams, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "DiagramParts")]
pub struct Diagrams {
    parts: DiagramParts,
}

/// Diagrams as they are told; [`Diagrams::new`] checks them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiagramParts {
    /// The number of bits of a row.
    pub bits: usize,
    /// What tests read, each once.
    pub selectors: Vec<Selector>,
    /// What nodes ask.
    pub tests: Vec<Test>,
    /// The nodes of all diagrams, in any order; each belongs to one diagram, where several may lead to it.
    pub nodes: Vec<Node>,
    /// What leaves vote.
    pub leaves: Vec<Leaf>,
    /// Where each diagram begins.
    pub roots: Vec<Place>,
    /// What each output begins with.
    pub bias: Vec<i64>,
}

/// The sum of some bits less the sum of others, which is 0 or 1 for every row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Selector {
    /// Bits that are added.
    pub plus: Vec<u32>,
    /// Bits that are taken away.
    pub minus: Vec<u32>,
}

/// Chains of selectors, of which at most one is all ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Test {
    /// Places of selectors, none of the chains empty.
    pub chains: Vec<Vec<u32>>,
}

/// A node and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The place of its test.
    pub test: u32,
    /// What follows if the test is true.
    pub passed: Place,
    /// What follows otherwise.
    pub failed: Place,
}

/// Where a diagram goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// At a node.
    Node(u32),
    /// It ends at a leaf.
    Leaf(u32),
}

/// What a leaf adds: outputs, in rising order, each with a weight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// Outputs and weights.
    pub votes: Vec<(u32, i64)>,
}

impl Selector {
    /// The one bit that it is, if it is one.
    pub fn single(&self) -> Option<u32> {
        match (self.plus.as_slice(), self.minus.as_slice()) {
            ([bit], []) => Some(*bit),
            _ => None,
        }
    }

    /// All bits that it reads.
    pub fn bits(&self) -> impl Iterator<Item = u32> {
        self.plus.iter().chain(&self.minus).copied()
    }
}

impl Diagrams {
    /// Checks diagrams.
    ///
    /// # Errors
    /// If a place does not exist, a node is not of exactly one diagram or leads to itself, or votes are not in order.
    pub fn new(parts: DiagramParts) -> Result<Self> {
        let DiagramParts { bits, selectors, tests, nodes, leaves, bias, .. } = &parts;
        let exists = |place: &u32, count: usize| (*place as usize) < count;
        if !selectors.iter().all(|s| s.plus.iter().chain(&s.minus).all(|bit| exists(bit, *bits))) {
            bail!("a selector reads a bit that does not exist: there are {bits}");
        }
        if selectors.iter().collect::<BTreeSet<_>>().len() < selectors.len() {
            bail!("a selector is listed twice");
        }
        let is_sound =
            |chain: &Vec<u32>| !chain.is_empty() && chain.iter().all(|s| exists(s, selectors.len()));
        if !tests.iter().all(|test| test.chains.iter().all(is_sound)) {
            bail!("a test asks a selector that does not exist, or none");
        }
        if !nodes.iter().all(|node| exists(&node.test, tests.len())) {
            bail!("a node asks a test that does not exist: there are {}", tests.len());
        }
        let in_order = |leaf: &Leaf| {
            leaf.votes.is_sorted_by(|a, b| a.0 < b.0) && leaf.votes.iter().all(|(o, _)| exists(o, bias.len()))
        };
        if !leaves.iter().all(in_order) {
            bail!("a leaf's votes are not in order, or on outputs that do not exist");
        }
        check_places(&parts)?;
        Ok(Self { parts })
    }

    /// What they are made of.
    pub fn parts(&self) -> &DiagramParts {
        &self.parts
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.parts.bias.len()
    }

    /// The predicted variance of the noise of an output of a full block in this encoding, an upper bound over
    /// all rows and outputs.
    pub fn noise_variance(&self, encoding: &PackedBits) -> f64 {
        self.noise_count(encoding).variance(encoding).0
    }

    /// What adds that noise.
    pub fn noise_count(&self, encoding: &PackedBits) -> NoiseCount {
        NoiseCount::new(self, encoding)
    }

    /// The outputs for one row of bits.
    pub fn evaluate(&self, row: &[i64]) -> Vec<i64> {
        let parts = &self.parts;
        let bit = |bits: &Vec<u32>| bits.iter().map(|bit| row[*bit as usize]).sum::<i64>();
        let values: Vec<bool> =
            parts.selectors.iter().map(|selector| bit(&selector.plus) - bit(&selector.minus) == 1).collect();
        let is_true = |test: &Test| test.chains.iter().any(|chain| chain.iter().all(|s| values[*s as usize]));
        let mut outputs = parts.bias.clone();
        for root in &parts.roots {
            let mut place = *root;
            while let Place::Node(node) = place {
                // Places of checked diagrams exist.
                let node = &parts.nodes[node as usize];
                place = if is_true(&parts.tests[node.test as usize]) { node.passed } else { node.failed };
            }
            if let Place::Leaf(leaf) = place {
                parts.leaves[leaf as usize].votes.iter().for_each(|(output, weight)| {
                    outputs[*output as usize] = outputs[*output as usize].wrapping_add(*weight);
                });
            }
        }
        outputs
    }

    /// The nodes of each diagram, each after its children.
    pub(super) fn bottom_up(&self) -> Vec<Vec<u32>> {
        let mut marks = vec![Mark::New; self.parts.nodes.len()];
        // Places of checked diagrams exist and no node leads to itself.
        let nodes = |root: &Place| below(&self.parts, *root, &mut marks).unwrap_or_default();
        self.parts.roots.iter().map(nodes).collect()
    }
}

/// How far the search for the nodes of a diagram has come at one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    New,
    /// Nodes below it are looked for.
    Open,
    Done,
}

/// The nodes of a diagram that are new, each after its children.
fn below(parts: &DiagramParts, root: Place, marks: &mut [Mark]) -> Result<Vec<u32>> {
    let mut order = Vec::new();
    let mut open: Vec<(Place, bool)> = vec![(root, false)];
    while let Some((place, children_done)) = open.pop() {
        let place = match place {
            Place::Leaf(leaf) if (leaf as usize) < parts.leaves.len() => continue,
            Place::Leaf(leaf) => bail!("there is no leaf {leaf}"),
            Place::Node(place) => place,
        };
        let (Some(node), Some(mark)) = (parts.nodes.get(place as usize), marks.get_mut(place as usize))
        else {
            bail!("there is no node {place}");
        };
        match (children_done, *mark) {
            (true, _) => {
                *mark = Mark::Done;
                order.push(place);
            }
            (false, Mark::New) => {
                *mark = Mark::Open;
                open.extend([(Place::Node(place), true), (node.passed, false), (node.failed, false)]);
            }
            (false, Mark::Open) => bail!("node {place} leads to itself"),
            (false, Mark::Done) => {}
        }
    }
    Ok(order)
}

/// Checks that every node is of one diagram and every leaf that is reached exists.
fn check_places(parts: &DiagramParts) -> Result<()> {
    let mut marks = vec![Mark::New; parts.nodes.len()];
    // Marks are as many as nodes, whose places `below` checks.
    let mut diagrams = vec![0; parts.nodes.len()];
    for (diagram, root) in parts.roots.iter().enumerate() {
        let own = below(parts, *root, &mut marks)?;
        own.iter().for_each(|node| diagrams[*node as usize] = diagram);
        let foreign = |place: Place| match place {
            Place::Node(node) => (diagrams[node as usize] != diagram).then_some(node),
            Place::Leaf(_) => None,
        };
        let nodes = own.iter().map(|node| parts.nodes[*node as usize]);
        let places = nodes.flat_map(|node| [node.passed, node.failed]).chain([*root]);
        if let Some(node) = places.filter_map(foreign).next() {
            bail!("node {node} is of two diagrams");
        }
    }
    match marks.iter().position(|mark| *mark == Mark::New) {
        Some(place) => bail!("node {place} is not reached"),
        None => Ok(()),
    }
}

impl TryFrom<DiagramParts> for Diagrams {
    type Error = anyhow::Error;

    fn try_from(parts: DiagramParts) -> Result<Self> {
        Self::new(parts)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One diagram on three bits: bit 0 decides between a test of two chains and a test of one bit.
    pub fn example() -> DiagramParts {
        let bit = |bit| Selector { plus: vec![bit], minus: vec![] };
        let vote = |votes: &[(u32, i64)]| Leaf { votes: votes.to_vec() };
        DiagramParts {
            bits: 3,
            selectors: vec![bit(0), bit(1), Selector { plus: vec![2], minus: vec![1] }],
            tests: vec![
                Test { chains: vec![vec![0]] },
                Test { chains: vec![vec![1, 0], vec![2]] },
                Test { chains: vec![vec![1]] },
            ],
            nodes: vec![
                Node { test: 1, passed: Place::Leaf(0), failed: Place::Leaf(1) },
                Node { test: 0, passed: Place::Node(0), failed: Place::Node(2) },
                Node { test: 2, passed: Place::Leaf(1), failed: Place::Leaf(2) },
            ],
            leaves: vec![vote(&[(0, 5)]), vote(&[(0, -3), (1, 7)]), vote(&[])],
            roots: vec![Place::Node(1)],
            bias: vec![100, 200],
        }
    }

    #[test]
    fn a_row_comes_to_its_leaf() {
        let diagrams = Diagrams::new(example()).unwrap();
        for (row, expected) in [
            ([1, 1, 1], [105, 200]),
            ([1, 0, 1], [105, 200]),
            ([1, 0, 0], [97, 207]),
            ([0, 1, 1], [97, 207]),
            ([0, 0, 1], [100, 200]),
        ] {
            assert_eq!(diagrams.evaluate(&row), expected, "{row:?}");
        }
    }

    #[test]
    fn damaged_diagrams_are_refused() {
        let refused = |damage: fn(&mut DiagramParts), sentence: &str| {
            let mut parts = example();
            damage(&mut parts);
            let message = Diagrams::new(parts).unwrap_err().to_string();
            assert!(message.contains(sentence), "{message}");
        };
        refused(|parts| parts.bits = 2, "a selector reads a bit that does not exist");
        refused(|parts| parts.selectors[1] = parts.selectors[0].clone(), "a selector is listed twice");
        refused(|parts| parts.tests[0].chains[0].clear(), "a test asks a selector");
        refused(|parts| parts.nodes[0].test = 9, "a node asks a test");
        refused(|parts| parts.leaves[1].votes.reverse(), "votes are not in order");
        refused(|parts| parts.bias.truncate(1), "outputs that do not exist");
        refused(|parts| parts.nodes[0].passed = Place::Leaf(9), "there is no leaf 9");
        refused(|parts| parts.nodes[0].passed = Place::Node(9), "there is no node 9");
        refused(|parts| parts.nodes[0].passed = Place::Node(1), "node 1 leads to itself");
        refused(|parts| parts.roots.push(Place::Node(1)), "node 1 is of two diagrams");
        refused(|parts| parts.roots.insert(0, Place::Node(2)), "node 2 is of two diagrams");
        refused(|parts| parts.nodes[1].passed = Place::Leaf(0), "node 0 is not reached");
    }
}
