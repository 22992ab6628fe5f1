//! The noise of the outputs of diagrams, by the worst way through each.

use super::{Diagrams, Leaf, Node, Place};
use crate::circuit::PackedBits;

/// What adds noise to the outputs of a row, counted along the worst way through each diagram. A node's products
/// add theirs, whichever way is taken; a value between leaves is a multiple of an expanded bit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NoiseCount {
    /// Products.
    products: f64,
    /// The bits that their selectors add up.
    bits: f64,
    /// Bits that are read, each times the square of its multiple.
    reads: f64,
}

impl NoiseCount {
    /// The worst ways if bits have the noise of this encoding.
    pub(super) fn new(diagrams: &Diagrams, encoding: &PackedBits) -> Self {
        let parts = diagrams.parts();
        let prices = Prices::new(encoding);
        let widths: Vec<usize> = parts.selectors.iter().map(|s| s.plus.len() + s.minus.len()).collect();
        // Places of checked diagrams exist, here and below.
        let product =
            |selector: &u32| Self { products: 1.0, bits: widths[*selector as usize] as f64, reads: 0.0 };
        let all: Vec<Self> = parts
            .tests
            .iter()
            .map(|test| test.chains.iter().flatten().map(product).fold(Self::default(), Self::plus))
            .collect();
        let between_leaves = |node: &Node, weight: f64| {
            let chains = &parts.tests[node.test as usize].chains;
            let last = |chain: &Vec<u32>| chain.last().map_or(0, |selector| widths[*selector as usize]);
            let reads = chains.iter().map(last).sum::<usize>() as f64 * weight * weight;
            let factors = chains.iter().flat_map(|chain| chain.iter().rev().skip(1));
            factors.map(product).fold(Self { reads, ..Self::default() }, Self::plus)
        };
        // For each node that of its value.
        let mut counts = vec![Self::default(); parts.nodes.len()];
        for place in diagrams.bottom_up().into_iter().flatten() {
            let node = &parts.nodes[place as usize];
            let below = |place| match place {
                Place::Leaf(_) => Self::default(),
                Place::Node(node) => counts[node as usize],
            };
            counts[place as usize] = match (node.passed, node.failed) {
                (Place::Leaf(passed), Place::Leaf(failed)) => {
                    let leaf = |place: u32| &parts.leaves[place as usize];
                    between_leaves(node, largest_difference(leaf(passed), leaf(failed)))
                }
                (passed, failed) => {
                    let (passed, failed) = (below(passed), below(failed));
                    let worse = if prices.of(passed) > prices.of(failed) { passed } else { failed };
                    worse.plus(all[node.test as usize])
                }
            };
        }
        let roots = parts.roots.iter().map(|root| match root {
            Place::Leaf(_) => Self::default(),
            Place::Node(node) => counts[*node as usize],
        });
        roots.fold(Self::default(), Self::plus)
    }

    /// The variance of an output of a full block, an upper bound over all rows and outputs, and the part of it that
    /// grows with the square of multiples.
    ///
    /// The result is a sum over the rows of a block, and every coefficient has the noise of all of them.
    pub fn variance(&self, encoding: &PackedBits) -> (f64, f64) {
        let prices = Prices::new(encoding);
        let rows = encoding.rows_per_block() as f64;
        (rows * prices.of(*self) + encoding.switch_variance(), rows * prices.read * self.reads)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            products: self.products + other.products,
            bits: self.bits + other.bits,
            reads: self.reads + other.reads,
        }
    }
}

/// The variance that each adds.
struct Prices {
    product: f64,
    bit: f64,
    read: f64,
}

impl Prices {
    fn new(encoding: &PackedBits) -> Self {
        let unit = f64::from(64 - encoding.messages().bits()).exp2();
        let step = unit / f64::from(encoding.log2_read_scale()).exp2();
        let bit = encoding.product_variance(2) - encoding.product_variance(1);
        Self {
            product: encoding.product_variance(1) - bit,
            bit,
            read: encoding.read_variance() * step * step,
        }
    }

    fn of(&self, count: NoiseCount) -> f64 {
        self.product * count.products + self.bit * count.bits + self.read * count.reads
    }
}

fn largest_difference(passed: &Leaf, failed: &Leaf) -> f64 {
    let weight = |leaf: &Leaf, output: u32| {
        leaf.votes.iter().find(|(own, _)| *own == output).map_or(0.0, |(_, weight)| *weight as f64)
    };
    let outputs = passed.votes.iter().chain(&failed.votes).map(|(output, _)| *output);
    outputs.map(|output| (weight(passed, output) - weight(failed, output)).abs()).fold(0.0, f64::max)
}
