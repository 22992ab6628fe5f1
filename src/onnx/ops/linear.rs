//! Matrix products and what folds into them.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Move, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family =
    &[("", "MatMul", matmul), ("", "Gemm", gemm), ("", "BatchNormalization", batch_normalization)];

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

/// `(x − mean) / sqrt(variance + epsilon) · scale + bias`, for each channel (axis 1): one factor
/// and one offset, both constant where the statistics are.
fn batch_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    if node.attributes.flag("training_mode", false)? {
        return Err(unsupported("training mode is not supported\nhint: export the model in inference mode"));
    }
    if !node.attributes.flag("spatial", true)? {
        return Err(unsupported("'spatial' 0 is not supported"));
    }
    let x = node.input(0)?;
    let rank = context.shape(x).len();
    let mut statistics = [node.input(1)?, node.input(2)?, node.input(3)?, node.input(4)?];
    for statistic in &mut statistics {
        *statistic = by_channel(node, context, *statistic, rank)?;
    }
    let [scale, bias, mean, variance] = statistics;
    let epsilon = context.scalar(node, node.attributes.float("epsilon", 1e-5)?, variance)?;
    let variance = context.binary(node, Binary::Add, variance, epsilon)?;
    let deviation = context.unary(node, Unary::Sqrt, variance)?;
    let factor = context.binary(node, Binary::Div, scale, deviation)?;
    let moved = context.binary(node, Binary::Mul, mean, factor)?;
    let offset = context.binary(node, Binary::Sub, bias, moved)?;
    let y = context.binary(node, Binary::Mul, x, factor)?;
    Ok(vec![context.binary(node, Binary::Add, y, offset)?])
}

/// A value for each channel, shaped to be broadcast over a tensor of this rank.
fn by_channel(node: &NodeView, context: &mut Context, values: NodeId, rank: usize) -> Result<NodeId> {
    let channels: usize = context.shape(values).iter().product();
    let mut shape = vec![1; rank.max(2)];
    shape[1] = channels; // there are at least two axes
    if rank < 2 {
        bail!("its input must have a channel axis, found {rank} axes");
    }
    context.reshape(node, &shape, values)
}
