//! Trees over bins become diagrams on bits.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;

use super::bin_set::BinSet;
use super::chains::Chains;
use super::forest::{self, Forest};
use super::votes::IntegerVotes;
use crate::circuit::{Bins, BinsParts, DiagramParts, Diagrams, Leaf, Node, Place, Schedule, Selector, Test};

/// Diagrams, and the bins whose bits they read.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The bins of each variable, in the order of their bits.
    pub code: Vec<Bins>,
    /// What is computed on the bits.
    pub diagrams: Diagrams,
}

impl Lowered {
    /// Diagrams of a forest whose leaves vote these integers, bins written in digits of these radices.
    ///
    /// # Errors
    /// If there are more bins than the digits tell.
    pub fn new(forest: &Forest, radices: &[Vec<u32>], votes: &IntegerVotes) -> Result<Self> {
        let mut lowering = Lowering::new(radices);
        let places = lowering.places(forest, votes);
        lowering.parts.roots = forest.roots.iter().map(|root| places[*root]).collect();
        lowering.parts.bias.clone_from(&votes.bias);
        let features = forest.features.iter().zip(radices);
        let mut code =
            features.map(|(feature, radices)| feature.coded(radices.clone())).collect::<Result<Vec<_>>>()?;
        if lowering.needs_one || code.is_empty() {
            code.push(one(forest)?);
            lowering.parts.bits += 1;
        }
        Ok(Self { code, diagrams: Diagrams::new(lowering.parts)? })
    }

    /// The same with the bits of selectors that multiply first, so that expansion has less to do. Bins are of
    /// one digit.
    ///
    /// # Errors
    /// If they are not.
    pub fn with_factors_first(self, forest: &Forest) -> Result<Self> {
        let Some(orders) = Orders::of(&self.diagrams, forest) else { return Ok(self) };
        let mut parts = self.diagrams.parts().clone();
        for selector in &mut parts.selectors {
            for bits in [&mut selector.plus, &mut selector.minus] {
                // Every bit has a new place.
                bits.iter_mut().for_each(|bit| *bit = orders.places[*bit as usize]);
                bits.sort_unstable();
            }
        }
        Ok(Self { code: orders.code?, diagrams: Diagrams::new(parts)? })
    }
}

/// Bits in a new order.
struct Orders {
    /// The new place of each bit.
    places: Vec<u32>,
    code: Result<Vec<Bins>>,
}

impl Orders {
    /// Those that multiply first; `None` if there is no feature.
    fn of(diagrams: &Diagrams, forest: &Forest) -> Option<Self> {
        let schedule = Schedule::new(diagrams);
        // Schedules name selectors of their diagrams.
        let factors = schedule.factors.iter().map(|place| &diagrams.parts().selectors[*place as usize]);
        let multiplying: BTreeSet<u32> =
            factors.flat_map(|selector| selector.plus.iter().chain(&selector.minus).copied()).collect();
        let mut places = vec![0; diagrams.parts().bits];
        let mut code = Vec::new();
        let mut next = 0;
        for is_first in [true, false] {
            let mut bit = 0;
            for feature in &forest.features {
                let mut kept = Vec::new();
                for boundary in 0..feature.bins() - 1 {
                    if multiplying.contains(&bit) == is_first {
                        kept.push(boundary);
                        *places.get_mut(bit as usize)? = next;
                        next += 1;
                    }
                    bit += 1;
                }
                if !kept.is_empty() {
                    code.push(feature.merged(&kept).coded(vec![kept.len() as u32 + 1]));
                }
            }
        }
        (!code.is_empty()).then(|| Self { places, code: code.into_iter().collect() })
    }
}

/// A bit that is 1 for every row.
fn one(forest: &Forest) -> Result<Bins> {
    let variable = forest.features.first().map_or(0, |feature| feature.variable);
    Bins::new(BinsParts {
        variable,
        edges: vec![f64::INFINITY],
        first: 0,
        missing: Some(0),
        radices: vec![2],
    })
}

struct Lowering<'a> {
    radices: &'a [Vec<u32>],
    /// The first bit of each digit of each feature.
    offsets: Vec<Vec<u32>>,
    parts: DiagramParts,
    selectors: HashMap<Selector, u32>,
    chains: HashMap<Vec<Vec<u32>>, u32>,
    /// The test of a set, and whether it is true where the set is not.
    tests: HashMap<(usize, BinSet), (u32, bool)>,
    leaves: HashMap<Vec<(u32, i64)>, u32>,
    needs_one: bool,
}

impl<'a> Lowering<'a> {
    fn new(radices: &'a [Vec<u32>]) -> Self {
        let mut bits = 0;
        let mut first = |radix: &u32| {
            bits += radix - 1;
            bits - (radix - 1)
        };
        let offsets = radices.iter().map(|radices| radices.iter().map(&mut first).collect()).collect();
        Self {
            radices,
            offsets,
            parts: DiagramParts { bits: bits as usize, ..DiagramParts::default() },
            selectors: HashMap::new(),
            chains: HashMap::new(),
            tests: HashMap::new(),
            leaves: HashMap::new(),
            needs_one: false,
        }
    }

    /// Lowers all nodes and tells where each went.
    fn places(&mut self, forest: &Forest, votes: &IntegerVotes) -> Vec<Place> {
        let mut places = Vec::with_capacity(forest.nodes.len());
        // Nodes of a forest come after their children.
        for (place, node) in forest.nodes.iter().enumerate() {
            places.push(match node {
                forest::Node::Leaf(_) => Place::Leaf(self.leaf(&votes.weights[place])),
                forest::Node::Branch { feature, passing, passed, failed } => {
                    let (test, complemented) = self.test(*feature, passing);
                    let (passed, failed) = if complemented { (failed, passed) } else { (passed, failed) };
                    self.parts.nodes.push(Node { test, passed: places[*passed], failed: places[*failed] });
                    Place::Node(self.parts.nodes.len() as u32 - 1)
                }
            });
        }
        places
    }

    fn leaf(&mut self, votes: &[(u32, i64)]) -> u32 {
        let Self { leaves, parts, .. } = self;
        *leaves.entry(votes.to_vec()).or_insert_with(|| {
            parts.leaves.push(Leaf { votes: votes.to_vec() });
            parts.leaves.len() as u32 - 1
        })
    }

    fn test(&mut self, feature: usize, set: &BinSet) -> (u32, bool) {
        if let Some(known) = self.tests.get(&(feature, set.clone())) {
            return *known;
        }
        let Chains { chains, complemented } = Chains::of(set, &self.radices[feature]);
        let chains: Vec<Vec<u32>> = chains
            .iter()
            .map(|chain| {
                chain.iter().map(|(digit, set)| self.selector(self.offsets[feature][*digit], set)).collect()
            })
            .collect();
        let parts = &mut self.parts;
        let test = *self.chains.entry(chains.clone()).or_insert_with(|| {
            parts.tests.push(Test { chains });
            parts.tests.len() as u32 - 1
        });
        self.tests.insert((feature, set.clone()), (test, complemented));
        (test, complemented)
    }

    /// The selector of a set of values of a digit whose bits begin here.
    fn selector(&mut self, offset: u32, set: &BinSet) -> u32 {
        let (mut plus, minus): (Vec<u32>, Vec<u32>) =
            set.boundaries().partition(|boundary| set.contains(*boundary));
        let placed = |bits: &[u32]| bits.iter().map(|bit| offset + bit).collect::<Vec<u32>>();
        (plus, self.needs_one) = (placed(&plus), self.needs_one || set.has_last());
        if set.has_last() {
            plus.push(self.parts.bits as u32);
        }
        let selector = Selector { plus, minus: placed(&minus) };
        let parts = &mut self.parts;
        *self.selectors.entry(selector.clone()).or_insert_with(|| {
            parts.selectors.push(selector);
            parts.selectors.len() as u32 - 1
        })
    }
}
