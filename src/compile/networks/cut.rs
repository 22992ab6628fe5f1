//! Cuts a model with weights on both sides of functions: the core reaches from the first weights to the last.

use crate::compile::split::{Part, Products, Split, Unsupported, crossings, holds_weights, is_polynomial};
use crate::model::op::{Binary, Reduction};
use crate::model::{Model, Node, Op};

/// Finds the cut. What is affine after the last weights (a bias, a scale) belongs to the core too.
///
/// # Errors
/// [`Unsupported`] if an operator between weights can neither be added up nor looked up.
pub fn split(model: &Model) -> Result<Split, Unsupported> {
    let nodes = model.nodes();
    let weighted: Vec<bool> = nodes.iter().map(|node| holds_weights(model, node)).collect();
    let mut is_before = weighted.clone();
    for (index, node) in nodes.iter().enumerate().rev() {
        if is_before[index] {
            // Inputs come before a node.
            node.inputs.iter().for_each(|id| is_before[id.0] = true);
        }
    }
    let mut follows = vec![false; nodes.len()];
    let mut parts: Vec<Part> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        follows[index] = weighted[index] || node.inputs.iter().any(|id| follows[id.0]);
        let is_affine = is_polynomial(model, node, Products::Compute)
            && node.inputs.iter().all(|id| matches!(parts[id.0], Part::Core | Part::Constant));
        parts.push(match &node.op {
            Op::Constant(_) => Part::Constant,
            _ if !follows[index] => Part::Prologue,
            _ if is_before[index] || is_affine => Part::Core,
            _ => Part::Epilogue,
        });
    }
    let core = || nodes.iter().zip(&parts).filter(|(_, part)| **part == Part::Core).map(|(node, _)| node);
    if core().next().is_none() {
        return Err(Unsupported { reason: "the model has no weights to be encrypted".to_owned() });
    }
    match core().find(|node| !is_supported(model, node)) {
        None => Ok(crossings(model, parts)),
        Some(node) => Err(Unsupported {
            reason: format!(
                "node '{}' ({}) stands between weights and cannot be evaluated encrypted\nhint: export the model \
                 with functions of single numbers (such as Relu) between its weights, or as two models, with the \
                 client in between",
                node.name, node.op
            ),
        }),
    }
}

/// Whether weights come before other weights: one core holds both only if it looks up what is between.
pub fn is_network(model: &Model) -> bool {
    let mut follows = vec![false; model.nodes().len()];
    for (index, node) in model.nodes().iter().enumerate() {
        // Inputs come before a node.
        let after = node.inputs.iter().any(|id| follows[id.0]);
        let weighted = holds_weights(model, node);
        if after && weighted {
            return true;
        }
        follows[index] = after || weighted;
    }
    false
}

/// Whether the core can hold a node: it is affine, or a function of single numbers or of pairs.
fn is_supported(model: &Model, node: &Node) -> bool {
    let is_constant =
        |place: usize| node.inputs.get(place).is_some_and(|id| matches!(model.node(*id).op, Op::Constant(_)));
    match &node.op {
        Op::Unary(_) => true,
        Op::Quantize(_) => is_constant(1) && is_constant(2),
        Op::Cast(dtype) => dtype.is_float() || !model.node(node.inputs[0]).dtype.is_float(),
        Op::Binary(function) => {
            // Of two encrypted numbers these are not.
            is_constant(0)
                || is_constant(1)
                || !matches!(
                    function,
                    Binary::Pow | Binary::Mod | Binary::FMod | Binary::Equal | Binary::PRelu
                )
        }
        Op::Where => true,
        Op::Pool { reduction, .. } | Op::Reduce { reduction, .. } => {
            matches!(reduction, Reduction::Sum | Reduction::Mean | Reduction::Max | Reduction::Min)
        }
        _ => is_polynomial(model, node, Products::Compute),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::op::Unary;
    use crate::model::{Builder, NodeId};
    use crate::tensor::{DType, Field, Tensor};
    use ndarray::ArrayD;

    /// Standardised rows, weights, a function, weights and a bias, a softmax.
    fn model(function: Op) -> Model {
        let mut builder = Builder::new();
        let numbers = |shape: &[usize], value: f64| Tensor::f64s(ArrayD::from_elem(shape, value));
        let field = Field { name: "x".to_owned(), dtype: DType::F64, shape: vec![3], columns: None };
        let x = builder.input(field);
        let scale = builder.constant("scale", numbers(&[3], 0.5));
        let (first, second) =
            (builder.constant("w", numbers(&[3, 4], 0.3)), builder.constant("v", numbers(&[4, 2], 0.7)));
        let bias = builder.constant("b", numbers(&[2], 0.1));
        let y = builder.push("scaled", Op::Binary(Binary::Mul), &[x, scale]).unwrap();
        let y = builder.push("first", Op::MatMul, &[y, first]).unwrap();
        let y = builder.push("function", function, &[y]).unwrap();
        let y = builder.push("second", Op::MatMul, &[y, second]).unwrap();
        let y = builder.push("biased", Op::Binary(Binary::Add), &[y, bias]).unwrap();
        let y = builder.push("softmax", Op::Softmax { axis: 1 }, &[y]).unwrap();
        builder.output("y", y, None);
        builder.finish().unwrap()
    }

    #[test]
    fn the_core_reaches_from_the_first_weights_to_the_last_bias() {
        let model = model(Op::Unary(Unary::Relu));
        assert!(is_network(&model));
        let split = split(&model).unwrap();
        let part = |name: &str| {
            let place = model.nodes().iter().position(|node| node.name == name).unwrap();
            split.part(NodeId(place))
        };
        assert_eq!(part("scaled"), Part::Prologue);
        for name in ["first", "function", "second", "biased"] {
            assert_eq!(part(name), Part::Core, "{name}");
        }
        assert_eq!(part("softmax"), Part::Epilogue);
    }

    #[test]
    fn functions_of_whole_rows_between_weights_are_refused() {
        let message = split(&model(Op::Softmax { axis: 1 })).unwrap_err().to_string();
        assert!(message.starts_with("node 'function' (Softmax) stands between weights"), "{message}");
    }
}
