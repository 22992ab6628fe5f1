//! One small reader for each ONNX operator, a file for each family.
//!
//! A reader takes a node whose inputs are known, adds what it means to the model in the closed
//! set of operators, and gives the results in ONNX's order. To support an operator, write its
//! reader and add a line to its family's table.

mod activations;
mod blocks;
mod category;
mod constants;
mod convolution;
mod distances;
mod elementwise;
mod integer;
mod linear;
mod ml_linear;
mod moves;
mod normalization;
mod one_hot;
mod pad;
mod pieces;
mod pool;
mod post_transform;
mod preprocessing;
mod quantization;
mod reduce;
mod refused;
mod resize;
mod shapes;
mod support_vectors;
mod top;
mod tree;
mod windows;

pub(super) use refused::hint;

use anyhow::Result;

use super::context::Context;
use super::node::NodeView;
use crate::model::NodeId;

/// Adds the meaning of a node to the model and gives its results.
pub(super) type Reader = fn(&NodeView, &mut Context) -> Result<Vec<NodeId>>;

/// The domain of classical machine learning.
const ML: &str = "ai.onnx.ml";

/// The domain of quantizers to any number of bits.
const QONNX: &str = "qonnx.custom_op.general";

/// Operators of one family: domain, name, reader.
type Family = [(&'static str, &'static str, Reader)];

const FAMILIES: [&Family; 24] = [
    elementwise::READERS,
    activations::READERS,
    linear::READERS,
    moves::READERS,
    pieces::READERS,
    pad::READERS,
    blocks::READERS,
    one_hot::READERS,
    resize::READERS,
    shapes::READERS,
    constants::READERS,
    reduce::READERS,
    convolution::READERS,
    pool::READERS,
    quantization::READERS,
    integer::READERS,
    normalization::READERS,
    top::READERS,
    distances::READERS,
    category::READERS,
    preprocessing::READERS,
    ml_linear::READERS,
    support_vectors::READERS,
    tree::READERS,
];

/// The reader of an operator, if there is one.
pub(super) fn reader(domain: &str, op: &str) -> Option<Reader> {
    let mut all = FAMILIES.iter().flat_map(|family| family.iter());
    all.find(|entry| (entry.0, entry.1) == (domain, op)).map(|entry| entry.2)
}

/// The one name of a domain: ONNX's own has two, that of QONNX had others before.
pub(super) fn domain(name: &str) -> &str {
    match name {
        "ai.onnx" => "",
        "onnx.brevitas" | "finn.custom_op.general" => QONNX,
        other => other,
    }
}

/// An operator as messages show it: with its domain unless everybody knows it.
pub(super) fn full_name(domain: &str, op: &str) -> String {
    match domain {
        "" | ML => op.to_owned(),
        _ => format!("{domain}.{op}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operator_has_one_reader_and_none_is_refused_too() {
        let all = || FAMILIES.iter().flat_map(|family| family.iter());
        let names: BTreeSet<_> = all().map(|entry| (entry.0, entry.1)).collect();
        assert_eq!(names.len(), all().count());
        assert!(all().filter(|entry| !entry.1.starts_with("QLinear")).all(|entry| hint(entry.1).is_none()));
    }
}
