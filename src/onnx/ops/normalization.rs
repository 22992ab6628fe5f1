//! Operators that shift and scale elements by statistics, given or their own.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Normalization, Reduction, Unary, Window, WindowAxis};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[
    ("", "BatchNormalization", batch_normalization),
    ("", "GroupNormalization", group_normalization),
    ("", "InstanceNormalization", instance_normalization),
    ("", "LayerNormalization", layer_normalization),
    ("", "LpNormalization", lp_normalization),
    ("", "LRN", local_response_normalization),
    ("", "RMSNormalization", rms_normalization),
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
    let axes = axes_from(node, context, x)?;
    let Normalized { normal, center, deviation } = normalized(node, context, x, axes)?;
    let y = scaled(node, context, normal, scale, node.optional(2))?;
    Ok(vec![y, center, context.unary(node, Unary::Reciprocal, deviation)?])
}

fn axes_from(node: &NodeView, context: &Context, x: NodeId) -> Result<Vec<usize>> {
    let rank = context.shape(x).len();
    Ok((axis(node.attributes.int("axis", -1)?, rank)?..rank).collect())
}

/// Numbers less their mean, over their deviation.
struct Normalized {
    normal: NodeId,
    center: NodeId,
    deviation: NodeId,
}

/// `(x − mean) / sqrt(variance + epsilon)` with the mean and variance over some axes.
fn normalized(node: &NodeView, context: &mut Context, x: NodeId, axes: Vec<usize>) -> Result<Normalized> {
    let mean = Op::Reduce { reduction: Reduction::Mean, axes: axes.clone(), keep_dims: true };
    let center = context.push(node, mean, &[x])?;
    let centered = context.binary(node, Binary::Sub, x, center)?;
    let (normal, deviation) = over_deviation(node, context, centered, axes)?;
    Ok(Normalized { normal, center, deviation })
}

/// `x / sqrt(mean of squares + epsilon)` with the mean over some axes, and the divisor.
fn over_deviation(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axes: Vec<usize>,
) -> Result<(NodeId, NodeId)> {
    let squares = context.binary(node, Binary::Mul, x, x)?;
    let mean = Op::Reduce { reduction: Reduction::Mean, axes, keep_dims: true };
    let variance = context.push(node, mean, &[squares])?;
    let epsilon = context.scalar(node, node.attributes.float("epsilon", 1e-5)?, x)?;
    let variance = context.binary(node, Binary::Add, variance, epsilon)?;
    let deviation = context.unary(node, Unary::Sqrt, variance)?;
    Ok((context.binary(node, Binary::Div, x, deviation)?, deviation))
}

fn scaled(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    scale: NodeId,
    bias: Option<NodeId>,
) -> Result<NodeId> {
    let y = context.binary(node, Binary::Mul, x, scale)?;
    bias.map_or(Ok(y), |bias| context.binary(node, Binary::Add, y, bias))
}

fn rms_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let (x, scale) = (node.input(0)?, node.input(1)?);
    let axes = axes_from(node, context, x)?;
    let (normal, _) = over_deviation(node, context, x, axes)?;
    Ok(vec![scaled(node, context, normal, scale, None)?])
}

/// Each channel with its own mean and variance.
fn instance_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let rank = context.shape(x).len();
    let scale = by_channel(node, context, node.input(1)?, rank)?;
    let bias = by_channel(node, context, node.input(2)?, rank)?;
    let normal = normalized(node, context, x, (2..rank).collect())?.normal;
    Ok(vec![scaled(node, context, normal, scale, Some(bias))?])
}

/// Each group of channels with its own mean and variance; before opset 21 also with its own scale and bias.
fn group_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let groups = usize::try_from(node.attributes.int("num_groups", 0)?)?;
    let ([batch, channels, ..], 1..) = (shape.as_slice(), groups) else {
        bail!("its input has shape {shape:?} and {groups} groups");
    };
    let in_group = shape.iter().skip(1).product::<usize>() / groups;
    let grouped = context.reshape(node, &[*batch, groups, in_group], x)?;
    let normal = normalized(node, context, grouped, vec![2])?.normal;
    let for_each = |context: &Context, input: usize| -> Result<(NodeId, bool)> {
        let values = node.input(input)?;
        let count: usize = context.shape(values).iter().product();
        Ok((values, count == *channels && node.opset >= 21))
    };
    let ((scale, by_channels), (bias, _)) = (for_each(context, 1)?, for_each(context, 2)?);
    let normal = if by_channels { context.reshape(node, &shape, normal)? } else { normal };
    let rank = context.shape(normal).len();
    let (scale, bias) = (by_channel(node, context, scale, rank)?, by_channel(node, context, bias, rank)?);
    let y = scaled(node, context, normal, scale, Some(bias))?;
    Ok(vec![context.reshape(node, &shape, y)?])
}

/// `x / (bias + alpha / size · sum of squares)^beta`, the sum over `size` neighbouring channels.
fn local_response_normalization(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let size = usize::try_from(node.attributes.int("size", 0)?)?;
    let [batch, channels, spatial @ ..] = shape.as_slice() else {
        bail!("its input has shape {shape:?}, expected batch and channels");
    };
    if size == 0 {
        bail!("its 'size' is 0");
    }
    let squares = context.binary(node, Binary::Mul, x, x)?;
    let squares = context.reshape(node, &[*batch, 1, *channels, spatial.iter().product()], squares)?;
    let across = WindowAxis { length: size, stride: 1, dilation: 1, before: (size - 1) / 2, after: size / 2 };
    let alone = WindowAxis { length: 1, before: 0, after: 0, ..across };
    let window = Window { axes: vec![across, alone] };
    let sums = context.push(node, Op::Pool { window, reduction: Reduction::Sum }, &[squares])?;
    let sums = context.reshape(node, &shape, sums)?;

    let number = |name: &str, default: f64| node.attributes.float(name, default);
    let factor = context.scalar(node, number("alpha", 1e-4)? / size as f64, x)?;
    let (bias, beta) = (context.scalar(node, number("bias", 1.0)?, x)?, number("beta", 0.75)?);
    let sums = context.binary(node, Binary::Mul, sums, factor)?;
    let sums = context.binary(node, Binary::Add, sums, bias)?;
    let beta = context.scalar(node, beta, x)?;
    let divisor = context.binary(node, Binary::Pow, sums, beta)?;
    Ok(vec![context.binary(node, Binary::Div, x, divisor)?])
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
