//! Which results are scores by class, and the names of the classes.
//!
//! Classifiers and ZipMap name their classes; exports without either still show them where the
//! index of the largest score picks a label. Names follow scores through operators that keep
//! their places.

use std::collections::BTreeMap;

use crate::model::op::Move;
use crate::model::{NodeId, Op};

/// What is known of class names while a model is read.
#[derive(Default)]
pub(super) struct Labels {
    names: BTreeMap<NodeId, Vec<String>>,
    /// The scores whose largest has the index that a result holds.
    largest_of: BTreeMap<NodeId, NodeId>,
    /// Results and the inputs whose elements keep their places, in order.
    keeps: Vec<(NodeId, Vec<NodeId>)>,
}

/// How an operator treats the places of elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Elements keep their places.
    Keeps,
    /// The result is the index of the largest.
    Largest,
    /// Neither.
    Ends,
}

impl Passage {
    /// That of an operator.
    pub(super) fn of(op: &Op) -> Self {
        match op {
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Where
            | Op::Cast(_)
            | Op::Quantize(_)
            | Op::Softmax { .. }
            | Op::LogSoftmax { .. }
            | Op::Normalize { .. }
            | Op::Move(Move::Reshape { .. } | Move::Expand { .. }) => Self::Keeps,
            Op::ArgExtreme { largest: true, .. } => Self::Largest,
            Op::ArgExtreme { .. }
            | Op::Input(_)
            | Op::Constant(_)
            | Op::MatMul
            | Op::Conv { .. }
            | Op::Pool { .. }
            | Op::Move(_)
            | Op::Concat { .. }
            | Op::Gather { .. }
            | Op::Reduce { .. }
            | Op::Hardmax { .. }
            | Op::OneHot(_)
            | Op::Map(_)
            | Op::Trees(_)
            | Op::TopK { .. }
            | Op::PairProbabilities(_) => Self::Ends,
        }
    }
}

impl Labels {
    /// A new result.
    pub(super) fn follow(&mut self, passage: Passage, result: NodeId, inputs: &[NodeId]) {
        match (passage, inputs) {
            (Passage::Keeps, _) => {
                self.keeps.push((result, inputs.to_vec()));
                let source = inputs.iter().find_map(|input| self.largest_of.get(input)).copied();
                if let Some(source) = source {
                    self.largest_of.insert(result, source);
                }
            }
            (Passage::Largest, [scores]) => {
                self.largest_of.insert(result, *scores);
            }
            (Passage::Largest | Passage::Ends, _) => {}
        }
    }

    /// Names the classes of scores; what was said first holds.
    pub(super) fn name(&mut self, scores: NodeId, names: Vec<String>) {
        self.names.entry(scores).or_insert(names);
    }

    /// Names the classes of the scores whose largest picks one of `names` by its index.
    pub(super) fn name_by_pick(&mut self, index: NodeId, names: Vec<String>) {
        if let Some(&scores) = self.largest_of.get(&index) {
            self.name(scores, names);
        }
    }

    /// The names of every result that has one for each of its last places.
    pub(super) fn resolve(mut self, last: impl Fn(NodeId) -> usize) -> BTreeMap<NodeId, Vec<String>> {
        self.names.retain(|&id, names| last(id) == names.len());
        for (result, inputs) in std::mem::take(&mut self.keeps) {
            let found = inputs.iter().find_map(|input| self.names.get(input));
            if let Some(names) = found.filter(|names| names.len() == last(result)).cloned() {
                self.name(result, names);
            }
        }
        self.names
    }
}
