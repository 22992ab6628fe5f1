//! Operators that shift and scale elements by statistics, given or their own.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Normalization, Reduction, Unary};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[
    ("", "BatchNormalization", batch_normalization),
    ("", "LayerNormalization", layer_normalization),
    ("", "LpNormalization", lp_normalization),
];

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

/// `(x − mean) / sqrt(variance + epsilon) · scale + bias` over the axes from the given one on.
fn layer_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (x, scale) = (node.input(0)?, node.input(1)?);
    let rank = context.shape(x).len();
    let axes: Vec<usize> = (axis(node.attributes.int("axis", -1)?, rank)?..rank).collect();
    let mean = Op::Reduce { reduction: Reduction::Mean, axes, keep_dims: true };
    let center = context.push(node, mean.clone(), &[x])?;
    let centered = context.binary(node, Binary::Sub, x, center)?;
    let squares = context.binary(node, Binary::Mul, centered, centered)?;
    let variance = context.push(node, mean, &[squares])?;
    let epsilon = context.scalar(node, node.attributes.float("epsilon", 1e-5)?, x)?;
    let variance = context.binary(node, Binary::Add, variance, epsilon)?;
    let deviation = context.unary(node, Unary::Sqrt, variance)?;
    let normal = context.binary(node, Binary::Div, centered, deviation)?;
    let mut y = context.binary(node, Binary::Mul, normal, scale)?;
    if let Some(bias) = node.optional(2) {
        y = context.binary(node, Binary::Add, y, bias)?;
    }
    Ok(vec![y])
}

fn lp_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let axis = axis(node.attributes.int("axis", -1)?, context.shape(x).len())?;
    let norm = match node.attributes.int("p", 2)? {
        1 => Normalization::L1,
        2 => Normalization::L2,
        p => bail!("its norm is {p}, expected 1 or 2"),
    };
    Ok(vec![context.push(node, Op::Normalize { norm, axis }, &[x])?])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{apply, assert_near, floats, node};

    #[test]
    fn batch_statistics_are_by_channel() {
        let norm = node("", "BatchNormalization", &["x", "s", "b", "m", "v"], &["y"]);
        let values = [("s", [2.0, 1.0]), ("b", [1.0, 0.0]), ("m", [3.0, 5.0]), ("v", [4.0, 1.0])];
        let initializers = values.iter().map(|(name, values)| floats(name, &[2], values)).collect();
        let y = apply(norm, initializers, &[5.0, 5.0]).remove(0);
        assert!((y[0] - 3.0).abs() < 1e-4 && y[1].abs() < 1e-4, "{y:?}");
    }

    #[test]
    fn layers_have_their_own_statistics() {
        let norm = node("", "LayerNormalization", &["x", "s", "b"], &["y"]);
        let initializers = vec![floats("s", &[2], &[1.0, 2.0]), floats("b", &[2], &[0.0, 1.0])];
        let size = 2.0 / (4.0_f64 + 1e-5).sqrt();
        assert_near(&apply(norm, initializers, &[1.0, 5.0])[0], &[-size, 2.0 * size + 1.0]);
    }
}
