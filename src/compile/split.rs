//! Cuts a model into prologue, core and epilogue.
//!
//! The core is what runs encrypted: affine operators and products of few variables. An operator that
//! is neither must run on the client, before encryption or after decryption. Of all cuts that a
//! line through these operators allows, the one with the most weights in the core is taken; of
//! equal ones the one that encrypts earliest. So scalers and projections are encrypted with the
//! estimator, encoders and imputers before it are not, and link functions follow decryption.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;

use crate::model::op::{Binary, Reduction, Unary};
use crate::model::{Model, Node, NodeId, Op};
use crate::tensor::DType;

/// The part of the program that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A value that does not depend on the row.
    Constant,
    /// Computed by the client before encryption.
    Prologue,
    /// Computed by the server on ciphertexts.
    Core,
    /// Computed by the client after decryption.
    Epilogue,
}

/// What becomes of products of values that both depend on the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    /// The core holds them, as terms of its polynomials: what goes into them stays secret.
    Expand,
    /// The client computes them before encryption: each is encrypted in its own scale.
    Compute,
}

/// A cut of a model: the part of every node, and the values that cross from part to part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    parts: Vec<Part>,
    encrypted: Vec<NodeId>,
    decrypted: Vec<NodeId>,
}

/// The model holds weights that this program cannot evaluate encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    pub(super) reason: String,
}

impl Split {
    /// The part of a node.
    pub fn part(&self, node: NodeId) -> Part {
        self.parts[node.0]
    }

    /// The clear values that enter the core, in order: what is encrypted.
    pub fn encrypted(&self) -> &[NodeId] {
        &self.encrypted
    }

    /// The values that leave the core (or pass it by), in order: what is decrypted.
    pub fn decrypted(&self) -> &[NodeId] {
        &self.decrypted
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsupported {}

/// Finds the cut.
///
/// # Errors
/// [`Unsupported`] if some weights lie outside every possible core.
pub fn split(model: &Model, products: Products) -> Result<Split> {
    let nonlinear = nonlinear_nodes(model, products);
    let best = (0..=nonlinear.len())
        .map(|count| {
            let (before, after) = nonlinear.split_at(count);
            let parts = assign_parts(model, before, after);
            let weights = weights_in_core(model, &parts);
            (weights, parts)
        })
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let parts = best.map(|(_, parts)| parts).unwrap_or_default();
    refuse_clear_weights(model, &parts, products)?;
    let split = crossings(model, parts);
    refuse_text(model, &split)?;
    Ok(split)
}

/// What the core can do with a node, given which of its inputs are constant.
pub(super) fn is_polynomial(model: &Model, node: &Node, products: Products) -> bool {
    let expand = products == Products::Expand;
    let is_constant =
        |place: usize| node.inputs.get(place).is_some_and(|id| matches!(model.node(*id).op, Op::Constant(_)));
    match &node.op {
        Op::Input(_) | Op::Constant(_) | Op::Move(_) | Op::Concat { .. } => node.dtype != DType::Text,
        Op::Gather { .. } => is_constant(1),
        Op::Cast(dtype) => dtype.is_float() && model.node(node.inputs[0]).dtype != DType::Text,
        Op::Unary(Unary::Neg) => true,
        Op::Binary(Binary::Add | Binary::Sub) => node.dtype.is_float(),
        Op::Binary(Binary::Mul) => node.dtype.is_float() && (expand || is_constant(0) || is_constant(1)),
        Op::Binary(Binary::Div) => node.dtype.is_float() && is_constant(1),
        Op::Binary(Binary::Pow) => expand && small_power(model, node).is_some(),
        Op::MatMul => is_constant(0) || is_constant(1),
        Op::Conv { .. } => is_constant(1),
        Op::Pool { reduction, .. } => matches!(reduction, Reduction::Sum | Reduction::Mean),
        Op::Reduce { reduction, .. } => match reduction {
            Reduction::Sum | Reduction::Mean => true,
            Reduction::SumSquare | Reduction::Product => expand,
            Reduction::Min
            | Reduction::Max
            | Reduction::L1
            | Reduction::L2
            | Reduction::LogSum
            | Reduction::LogSumExp => false,
        },
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::ArgExtreme { .. }
        | Op::Softmax { .. }
        | Op::LogSoftmax { .. }
        | Op::Hardmax { .. }
        | Op::Normalize { .. }
        | Op::Quantize(_)
        | Op::OneHot(_)
        | Op::Map(_)
        | Op::Trees(_)
        | Op::TopK { .. }
        | Op::PairProbabilities(_) => false,
    }
}

/// The exponent of a power that the core can expand: 1 to 4, the same for all elements.
pub(super) fn small_power(model: &Model, node: &Node) -> Option<u32> {
    let Op::Constant(exponent) = &model.node(*node.inputs.get(1)?).op else { return None };
    let exponents = exponent.as_numbers().ok()?;
    let first = *exponents.first()?;
    let uniform = exponents.iter().all(|exponent| *exponent == first);
    (uniform && [1.0, 2.0, 3.0, 4.0].contains(&first) && node.dtype.is_float()).then_some(first as u32)
}

/// The nodes that the core cannot hold, those before any weights first.
fn nonlinear_nodes(model: &Model, products: Products) -> Vec<NodeId> {
    let mut weighted = vec![false; model.nodes().len()];
    let mut found = Vec::new();
    for (index, node) in model.nodes().iter().enumerate() {
        weighted[index] = holds_weights(model, node) || node.inputs.iter().any(|id| weighted[id.0]);
        if !is_polynomial(model, node, products) && !matches!(node.op, Op::Constant(_)) {
            found.push((weighted[index], NodeId(index)));
        }
    }
    found.sort();
    found.into_iter().map(|(_, node)| node).collect()
}

fn assign_parts(model: &Model, before: &[NodeId], after: &[NodeId]) -> Vec<Part> {
    let nodes = model.nodes();
    let mut in_prologue = vec![false; nodes.len()];
    before.iter().for_each(|id| in_prologue[id.0] = true);
    for index in (0..nodes.len()).rev() {
        if in_prologue[index] {
            nodes[index].inputs.iter().for_each(|id| in_prologue[id.0] = true);
        }
    }
    let after: BTreeSet<NodeId> = after.iter().copied().collect();
    let mut parts: Vec<Part> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let follows = node.inputs.iter().any(|id| parts[id.0] == Part::Epilogue);
        parts.push(match node.op {
            Op::Constant(_) => Part::Constant,
            Op::Input(_) => Part::Prologue,
            _ if in_prologue[index] => Part::Prologue,
            _ if follows || after.contains(&NodeId(index)) => Part::Epilogue,
            _ => Part::Core,
        });
    }
    parts
}

fn weights_in_core(model: &Model, parts: &[Part]) -> usize {
    let core = model.nodes().iter().zip(parts).filter(|(_, part)| **part == Part::Core);
    core.map(|(node, _)| constants_of(model, node)).sum()
}

fn constants_of(model: &Model, node: &Node) -> usize {
    let size = |id: &NodeId| match &model.node(*id).op {
        Op::Constant(value) => value.len(),
        _ => 0,
    };
    match node.op {
        Op::MatMul | Op::Conv { .. } | Op::Binary(_) => node.inputs.iter().map(size).sum(),
        _ => 0,
    }
}

/// Whether a node holds what was learned: trees, or a matrix of weights, which is more than one number
/// an element and does more than pick, add and subtract, as votes do.
pub(super) fn holds_weights(model: &Model, node: &Node) -> bool {
    let is_weights = |id: &NodeId| match &model.node(*id).op {
        Op::Constant(value) => {
            value.as_numbers().is_ok_and(|values| values.iter().any(|v| ![-1.0, 0.0, 1.0].contains(v)))
        }
        _ => false,
    };
    let has_weights = || node.inputs.iter().any(is_weights);
    matches!(node.op, Op::Trees(_)) || (matches!(node.op, Op::MatMul | Op::Conv { .. }) && has_weights())
}

fn refuse_clear_weights(model: &Model, parts: &[Part], products: Products) -> Result<(), Unsupported> {
    let outside = |(index, node): &(usize, &Node)| {
        holds_weights(model, node) && matches!(parts[*index], Part::Prologue | Part::Epilogue)
    };
    let Some((index, weights)) = model.nodes().iter().enumerate().find(outside) else { return Ok(()) };
    // Before encryption stands what follows the weights, after it what comes before them.
    let first = if parts[index] == Part::Prologue { index } else { 0 };
    let between = model.nodes().iter().zip(parts).skip(first).find(|(node, part)| {
        **part == parts[index] && !is_polynomial(model, node, products) && !matches!(node.op, Op::Constant(_))
    });
    let obstacle = between.map_or_else(String::new, |(node, _)| {
        format!(": '{}' ({}) stands between them and cannot be evaluated encrypted", node.name, node.op)
    });
    let side = if parts[index] == Part::Prologue { "before" } else { "after" };
    Err(Unsupported {
        reason: format!(
            "the weights of node '{}' ({}) come {side} the encrypted part{obstacle}\nhint: models whose \
             weights are joined by affine operators alone can be compiled",
            weights.name, weights.op
        ),
    })
}

pub(super) fn crossings(model: &Model, parts: Vec<Part>) -> Split {
    let mut encrypted = BTreeSet::new();
    let mut decrypted = BTreeSet::new();
    let mut leaves = |id: NodeId| {
        if matches!(parts[id.0], Part::Core | Part::Prologue) {
            decrypted.insert(id);
        }
        if parts[id.0] == Part::Prologue {
            encrypted.insert(id);
        }
    };
    for (node, part) in model.nodes().iter().zip(&parts) {
        match part {
            Part::Epilogue => node.inputs.iter().for_each(|id| leaves(*id)),
            Part::Core | Part::Prologue | Part::Constant => {}
        }
    }
    model.outputs().iter().for_each(|output| leaves(output.node));
    for (node, part) in model.nodes().iter().zip(&parts) {
        if *part == Part::Core {
            encrypted.extend(node.inputs.iter().filter(|id| parts[id.0] == Part::Prologue));
        }
    }
    Split { encrypted: encrypted.into_iter().collect(), decrypted: decrypted.into_iter().collect(), parts }
}

fn refuse_text(model: &Model, split: &Split) -> Result<(), Unsupported> {
    let text = split.encrypted.iter().map(|id| model.node(*id)).find(|node| node.dtype == DType::Text);
    match text {
        None => Ok(()),
        Some(node) => Err(Unsupported {
            reason: format!(
                "'{}' is text that would have to be encrypted as it is\nhint: encode it as numbers inside the \
                 model, for example with a one-hot encoder",
                node.name
            ),
        }),
    }
}
