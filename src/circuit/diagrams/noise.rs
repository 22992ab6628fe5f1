//! The noise of the outputs of diagrams, by the worst way through each.

use super::{Diagrams, Leaf, Place};
use crate::circuit::PackedBits;

/// The variance of the noise of an output, an upper bound over all rows and outputs: for each diagram the way
/// with the most noise. A node's products add theirs, whichever way is taken; a value between leaves is a
/// multiple of an expanded bit.
pub(super) fn variance(diagrams: &Diagrams, encoding: &PackedBits) -> f64 {
    let parts = diagrams.parts();
    let width = |selector: u32| {
        let selector = &parts.selectors[selector as usize];
        selector.plus.len() + selector.minus.len()
    };
    let unit = f64::from(64 - encoding.messages().bits()).exp2();
    let step = unit / f64::from(encoding.log2_read_scale()).exp2();
    let read = encoding.read_variance() * step * step;
    let widest = (0..parts.selectors.len() as u32).map(width).max().unwrap_or(0);
    let products: Vec<f64> = (0..=widest).map(|terms| encoding.product_variance(terms)).collect();
    // The variance that a product with a selector of so many bits adds: no selector is wider.
    let product = |terms: usize| products[terms];
    // For each node the noise of its value.
    let mut noise = vec![0.0_f64; parts.nodes.len()];
    for place in diagrams.bottom_up() {
        // Places of checked diagrams exist.
        let node = &parts.nodes[place as usize];
        let test = &parts.tests[node.test as usize];
        let selectors = || test.chains.iter().flatten().map(|selector| width(*selector));
        noise[place as usize] = match (node.passed, node.failed) {
            (Place::Leaf(passed), Place::Leaf(failed)) => {
                let weight =
                    largest_difference(&parts.leaves[passed as usize], &parts.leaves[failed as usize]);
                let last = |chain: &Vec<u32>| chain.last().map_or(0, |selector| width(*selector));
                let reads: usize = test.chains.iter().map(last).sum();
                let factors = test.chains.iter().flat_map(|chain| chain.iter().rev().skip(1));
                reads as f64 * read * weight * weight
                    + factors.map(|selector| product(width(*selector))).sum::<f64>()
            }
            (passed, failed) => {
                let below = |place| match place {
                    Place::Leaf(_) => 0.0,
                    Place::Node(node) => noise[node as usize],
                };
                f64::max(below(passed), below(failed)) + selectors().map(product).sum::<f64>()
            }
        };
    }
    let roots = parts.roots.iter().map(|root| match root {
        Place::Leaf(_) => 0.0,
        Place::Node(node) => noise[*node as usize],
    });
    roots.sum::<f64>() + encoding.switch_variance()
}

fn largest_difference(passed: &Leaf, failed: &Leaf) -> f64 {
    let weight = |leaf: &Leaf, output: u32| {
        leaf.votes.iter().find(|(own, _)| *own == output).map_or(0.0, |(_, weight)| *weight as f64)
    };
    let outputs = passed.votes.iter().chain(&failed.votes).map(|(output, _)| *output);
    outputs.map(|output| (weight(passed, output) - weight(failed, output)).abs()).fold(0.0, f64::max)
}
