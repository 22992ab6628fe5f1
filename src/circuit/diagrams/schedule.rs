//! The order of work of diagrams: what is linear in the bits costs no product.
//!
//! A node's value is failed + test · (passed - failed). Between two leaves the difference is public and the
//! value linear in selectors: it is kept as a formula and read off expanded bits where it is used. So only
//! nodes above others are multiplied, from the bottom up.

use std::collections::BTreeSet;

use super::{DiagramParts, Diagrams, Leaf, Place, Test};

/// What a server does for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Selectors that multiply, in rising order. Chains name places in this list.
    pub factors: Vec<u32>,
    /// Selectors that are read, in rising order. Terms and chains name places in this list.
    pub reads: Vec<u32>,
    /// The work of each diagram that multiplies; the last step gives its value.
    pub diagrams: Vec<Vec<Step>>,
    /// The rest of the outputs: what is linear.
    pub rest: Linear,
}

/// One node of a diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to multiply with; the products are added up.
    pub chains: Vec<Chain>,
    /// What is to be multiplied, besides the children that wait.
    pub difference: Linear,
    /// The step of the passed side, if that was multiplied.
    pub passed: Option<Source>,
    /// The step of the failed side, which is used after that of the passed one.
    pub failed: Option<Source>,
}

/// An earlier step of a diagram, whose value is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The place of the step.
    pub step: u32,
    /// Whether nothing uses the value later.
    pub is_last: bool,
}

/// One chain of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Places of factors, the last one multiplied first.
    pub factors: Vec<u32>,
    /// The place of the read that the public difference is a multiple of; without one the difference is
    /// encrypted.
    pub read: Option<u32>,
}

/// A public number for each of some outputs, and multiples of selectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linear {
    /// Multiples of selectors.
    pub terms: Vec<Term>,
    /// Outputs with public numbers.
    pub constant: Vec<(u32, i64)>,
}

/// A multiple of a selector that is added to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The place of the read.
    pub read: u32,
    /// The output.
    pub output: u32,
    /// The multiple.
    pub weight: i64,
}

/// The value of a place: a formula, and what was multiplied.
#[derive(Clone, Debug, Default)]
struct Value {
    linear: Linear,
    source: Option<Source>,
}

/// The values of nodes that others will use.
struct Values<'a> {
    parts: &'a DiagramParts,
    /// The value of each node that was visited and will be used again.
    known: Vec<Option<Value>>,
    /// How often each node will be used.
    uses: Vec<u32>,
}

impl Step {
    /// The number of external products.
    pub fn products(&self) -> usize {
        self.chains.iter().map(|chain| chain.factors.len()).sum()
    }
}

impl Schedule {
    /// The schedule of diagrams.
    pub fn new(diagrams: &Diagrams) -> Self {
        let parts = diagrams.parts();
        let bias = parts.bias.iter().enumerate().map(|(output, bias)| (output as u32, *bias));
        let rest = Linear { terms: Vec::new(), constant: bias.collect() };
        let mut schedule = Self { factors: Vec::new(), reads: Vec::new(), diagrams: Vec::new(), rest };
        let mut values = Values::new(parts);
        for (root, nodes) in parts.roots.iter().zip(diagrams.bottom_up()) {
            let mut steps = Vec::new();
            nodes.iter().for_each(|node| values.visit(*node, &mut steps));
            let value = values.take(*root);
            schedule.rest.append(&value.linear, 1);
            if value.source.is_some() {
                steps.shrink_to_fit();
                schedule.diagrams.push(steps);
            }
        }
        schedule.rest.collect();
        schedule.name_places();
        schedule
    }

    /// Collects the selectors that are used and lets steps name them by their places.
    fn name_places(&mut self) {
        let (mut factors, mut reads) = (BTreeSet::new(), BTreeSet::new());
        reads.extend(self.rest.terms.iter().map(|term| term.read));
        for step in self.steps() {
            reads.extend(step.difference.terms.iter().map(|term| term.read));
            reads.extend(step.chains.iter().filter_map(|chain| chain.read));
            factors.extend(step.chains.iter().flat_map(|chain| &chain.factors));
        }
        self.factors = factors.into_iter().collect();
        self.reads = reads.into_iter().collect();
        let place = |list: &[u32], selector: u32| list.partition_point(|other| *other < selector) as u32;
        let steps = self.diagrams.iter_mut().flatten();
        for step in steps {
            for chain in &mut step.chains {
                chain.factors.iter_mut().for_each(|factor| *factor = place(&self.factors, *factor));
                chain.read = chain.read.map(|read| place(&self.reads, read));
            }
            step.difference.terms.iter_mut().for_each(|term| term.read = place(&self.reads, term.read));
        }
        self.rest.terms.iter_mut().for_each(|term| term.read = place(&self.reads, term.read));
    }

    /// All steps.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.diagrams.iter().flatten()
    }
}

impl<'a> Values<'a> {
    fn new(parts: &'a DiagramParts) -> Self {
        let mut uses = vec![0; parts.nodes.len()];
        let children = parts.nodes.iter().flat_map(|node| [node.passed, node.failed]);
        for place in children.chain(parts.roots.iter().copied()) {
            if let Place::Node(node) = place {
                // Places of checked diagrams exist, here and below.
                uses[node as usize] += 1;
            }
        }
        Self { parts, known: vec![None; parts.nodes.len()], uses }
    }

    /// Gives a node its value, after its children; `steps` gets what must be multiplied.
    fn visit(&mut self, place: u32, steps: &mut Vec<Step>) {
        let node = &self.parts.nodes[place as usize];
        let (passed, failed) = (self.take(node.passed), self.take(node.failed));
        let value = join(&self.parts.tests[node.test as usize], passed, failed, steps);
        self.known[place as usize] = Some(value);
    }

    /// A value for one of those who use it.
    fn take(&mut self, place: Place) -> Value {
        let node = match place {
            Place::Leaf(leaf) => return Value::of_leaf(&self.parts.leaves[leaf as usize]),
            Place::Node(node) => node as usize,
        };
        self.uses[node] -= 1;
        match self.uses[node] {
            0 => self.known[node].take().unwrap_or_default(),
            _ => {
                let mut value = self.known[node].clone().unwrap_or_default();
                value.source = value.source.map(|source| Source { is_last: false, ..source });
                value
            }
        }
    }
}

fn join(test: &Test, passed: Value, failed: Value, steps: &mut Vec<Step>) -> Value {
    let mut value = failed.linear.clone();
    let mut difference = passed.linear;
    difference.add(&failed.linear, -1);
    // There are many steps, and they live long: none takes more room than it needs.
    difference.shrink();
    let chains = Vec::with_capacity(test.chains.len());
    let mut step = Step { chains, difference, passed: passed.source, failed: failed.source };
    let is_public = step.passed.is_none() && step.failed.is_none() && step.difference.terms.is_empty();
    for chain in &test.chains {
        match chain.split_last() {
            // A multiple of a single selector is a formula.
            Some((selector, [])) if is_public => value.add(&step.difference.times(*selector), 1),
            Some((last, rest)) if is_public => {
                step.chains.push(Chain { factors: rest.to_vec(), read: Some(*last) });
            }
            Some(_) | None => step.chains.push(Chain { factors: chain.clone(), read: None }),
        }
    }
    let multiplied = !is_public || !(step.chains.is_empty() || step.difference.constant.is_empty());
    let source = multiplied.then_some(Source { step: steps.len() as u32, is_last: true });
    steps.extend(multiplied.then_some(step));
    Value { linear: value, source }
}

impl Value {
    fn of_leaf(leaf: &Leaf) -> Self {
        Self { linear: Linear { terms: Vec::new(), constant: leaf.votes.clone() }, source: None }
    }
}

impl Linear {
    /// Adds `sign` times another formula.
    fn add(&mut self, other: &Self, sign: i64) {
        self.append(other, sign);
        self.collect();
    }

    /// The same, where what belongs together is collected later.
    fn append(&mut self, other: &Self, sign: i64) {
        for term in &other.terms {
            self.terms.push(Term { weight: sign.wrapping_mul(term.weight), ..*term });
        }
        for (output, weight) in &other.constant {
            self.constant.push((*output, sign.wrapping_mul(*weight)));
        }
    }

    /// One term for each selector and output, one number for each output, in rising order.
    fn collect(&mut self) {
        self.terms.sort_by_key(|term| (term.read, term.output));
        self.terms.dedup_by(|next, kept| {
            let same = (next.read, next.output) == (kept.read, kept.output);
            kept.weight = if same { kept.weight.wrapping_add(next.weight) } else { kept.weight };
            same
        });
        self.terms.retain(|term| term.weight != 0);
        self.constant.sort_by_key(|(output, _)| *output);
        self.constant.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 = if same { kept.1.wrapping_add(next.1) } else { kept.1 };
            same
        });
        self.constant.retain(|(_, weight)| *weight != 0);
    }

    /// Gives back room that it does not need.
    fn shrink(&mut self) {
        self.terms.shrink_to_fit();
        self.constant.shrink_to_fit();
    }

    /// A formula without terms, times a selector.
    fn times(&self, selector: u32) -> Self {
        let term = |(output, weight): &(u32, i64)| Term { read: selector, output: *output, weight: *weight };
        Self { terms: self.constant.iter().map(term).collect(), constant: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::diagrams::Node;
    use crate::circuit::diagrams::tests::example;

    #[test]
    fn only_nodes_above_others_and_longer_chains_multiply() {
        let schedule = Schedule::new(&Diagrams::new(example()).unwrap());
        // Node 0 multiplies selector 1 with selector 0, which is read; the root multiplies with selector 0.
        assert_eq!(schedule.factors, [0, 1]);
        assert_eq!(schedule.reads, [0, 1, 2]);
        let steps = &schedule.diagrams[0];
        assert_eq!(steps.iter().map(Step::products).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(steps[0].chains, [Chain { factors: vec![1], read: Some(0) }]);
        assert_eq!(steps[1].chains, [Chain { factors: vec![0], read: None }]);
        assert_eq!((steps[1].passed, steps[1].failed), (Some(Source { step: 0, is_last: true }), None));
        let term = |read, output, weight| Term { read, output, weight };
        // Leaf 1 less leaf 0, by selector 2; less what selector 1 adds at node 2.
        assert_eq!(steps[1].difference.terms, [term(1, 0, 3), term(1, 1, -7), term(2, 0, 8), term(2, 1, -7)]);
        assert_eq!(steps[1].difference.constant, [(0, -3), (1, 7)]);
        assert_eq!(schedule.rest.terms, [term(1, 0, -3), term(1, 1, 7)]);
        assert_eq!(schedule.rest.constant, [(0, 100), (1, 200)]);
    }

    #[test]
    fn what_several_nodes_lead_to_is_computed_once() {
        let mut parts = example();
        // Both sides of a new root lead to the old one, one of them by way of another node.
        parts.nodes.push(Node { test: 2, passed: Place::Node(1), failed: Place::Leaf(0) });
        parts.nodes.push(Node { test: 2, passed: Place::Node(1), failed: Place::Node(3) });
        parts.roots = vec![Place::Node(4)];
        let steps = &Schedule::new(&Diagrams::new(parts).unwrap()).diagrams[0];
        assert_eq!(steps.len(), 4);
        let source = |step, is_last| Some(Source { step, is_last });
        assert_eq!((steps[2].passed, steps[2].failed), (source(1, false), None));
        assert_eq!((steps[3].passed, steps[3].failed), (source(1, true), source(2, true)));
    }

    #[test]
    fn a_stump_multiplies_nothing() {
        let mut parts = example();
        parts.nodes = vec![parts.nodes[2]];
        parts.roots = vec![Place::Node(0)];
        let schedule = Schedule::new(&Diagrams::new(parts).unwrap());
        assert!(schedule.factors.is_empty() && schedule.diagrams.is_empty());
        assert_eq!(schedule.reads, [1]);
    }
}
