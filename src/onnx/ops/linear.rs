//! Matrix products.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Move};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::tensor::Tensor;

pub(super) const READERS: &Family = &[("", "MatMul", matmul), ("", "Gemm", gemm)];

fn matmul(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    Ok(vec![context.push(node, Op::MatMul, &[node.input(0)?, node.input(1)?])?])
}

/// `alpha · A · B + beta · C`, with A and B transposed on request.
fn gemm(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let a = oriented(node, context, 0, "transA")?;
    let b = oriented(node, context, 1, "transB")?;
    let alpha = node.attributes.float("alpha", 1.0)?;
    let b = scaled(node, context, alpha, b)?;
    let mut y = context.push(node, Op::MatMul, &[a, b])?;
    if let Some(c) = node.optional(2) {
        let beta = node.attributes.float("beta", 1.0)?;
        let c = scaled(node, context, beta, c)?;
        y = context.binary(node, Binary::Add, y, c)?;
    }
    Ok(vec![y])
}

/// Each row along an axis times a matrix.
///
/// # Errors
/// If they do not fit.
pub(super) fn along_axis(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    matrix: Tensor,
) -> Result<NodeId> {
    let matrix = context.constant(&node.name, matrix)?;
    let rank = context.shape(x).len();
    let mut axes: Vec<usize> = (0..rank).collect();
    axes.swap(axis, rank - 1); // the axis exists
    let turn = Move::Transpose { axes };
    let turned = if axis + 1 == rank { x } else { context.rearrange(node, turn.clone(), x)? };
    let product = context.push(node, Op::MatMul, &[turned, matrix])?;
    if axis + 1 == rank { Ok(product) } else { context.rearrange(node, turn, product) }
}

fn oriented(node: &NodeView, context: &mut Context, index: usize, name: &str) -> Result<NodeId> {
    let matrix = node.input(index)?;
    let shape = context.shape(matrix);
    if shape.len() != 2 {
        bail!("input {index} must be a matrix, found shape {shape:?}");
    }
    if node.attributes.flag(name, false)? {
        return context.rearrange(node, Move::Transpose { axes: vec![1, 0] }, matrix);
    }
    Ok(matrix)
}

fn scaled(node: &NodeView, context: &mut Context, factor: f64, x: NodeId) -> Result<NodeId> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = context.scalar(node, factor, x)?;
    context.binary(node, Binary::Mul, x, factor)
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, floats, model, node, refusal, with};

    #[test]
    fn gemm_scales_and_transposes() {
        let gemm = with(node("", "Gemm", &["x", "w", "b"], &["y"]), "transB", Given::Int(1));
        let gemm = with(with(gemm, "alpha", Given::Float(2.0)), "beta", Given::Float(0.5));
        let w = floats("w", &[1, 2], &[3.0, 4.0]);
        let b = floats("b", &[1], &[10.0]);
        assert_eq!(apply(gemm, vec![w, b], &[1.0, -1.0])[0], [3.0]);
    }

    #[test]
    fn weights_with_nan_are_named() {
        let matmul = node("", "MatMul", &["x", "w"], &["y"]);
        let w = floats("w", &[2, 1], &[1.0, f32::NAN]);
        assert!(refusal(&model(&[0, 2], vec![matmul], vec![w])).contains("with 'w', which holds NaN"));
    }
}
