//! Operators on quantized tensors, as products of integers that are scaled.

use anyhow::{Result, bail};

use super::Family;
use super::convolution::convolved;
use super::quantization::quantized;
use crate::model::op::Binary;
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::NodeView;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[
    ("", "ConvInteger", conv_integer),
    ("", "MatMulInteger", matmul_integer),
    ("", "QLinearConv", qlinear_conv),
    ("", "QLinearMatMul", qlinear_matmul),
];

fn conv_integer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = centered(node, context, [0, 2], DType::I32, Channels::Columns)?;
    let weights = centered(node, context, [1, 3], DType::I32, Channels::First)?;
    Ok(vec![convolved(node, context, x, weights)?])
}

fn matmul_integer(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let a = centered(node, context, [0, 2], DType::I32, Channels::Rows)?;
    let b = centered(node, context, [1, 3], DType::I32, Channels::Columns)?;
    Ok(vec![context.push(node, Op::MatMul, &[a, b])?])
}

/// Inputs: x, its scale and zero point, weights and theirs, the result's, and an integer bias.
fn qlinear_conv(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = centered(node, context, [0, 2], DType::F32, Channels::Columns)?;
    let weights = centered(node, context, [3, 5], DType::F32, Channels::First)?;
    let mut sums = convolved(node, context, x, weights)?;
    let rank = context.shape(sums).len();
    if let Some(bias) = node.optional(8) {
        let bias = placed(node, context, bias, rank, Channels::Second)?;
        let bias = context.cast(node, DType::F32, bias)?;
        sums = context.binary(node, Binary::Add, sums, bias)?;
    }
    let weight_scale = placed(node, context, node.input(4)?, rank, Channels::Second)?;
    rescaled(node, context, sums, [node.input(1)?, weight_scale])
}

/// Inputs: a, its scale and zero point, b and its, the result's.
fn qlinear_matmul(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let a = centered(node, context, [0, 2], DType::F32, Channels::Rows)?;
    let b = centered(node, context, [3, 5], DType::F32, Channels::Columns)?;
    let sums = context.push(node, Op::MatMul, &[a, b])?;
    let rank = context.shape(sums).len();
    let a_scale = placed(node, context, node.input(1)?, rank, Channels::Rows)?;
    let b_scale = placed(node, context, node.input(4)?, rank, Channels::Columns)?;
    rescaled(node, context, sums, [a_scale, b_scale])
}

/// Which axis the numbers of a scale or zero point run along, if there are several.
#[derive(Clone, Copy)]
enum Channels {
    First,
    Second,
    Rows,
    Columns,
}

/// An integer input less its zero point; `inputs` are where both are.
fn centered(
    node: &NodeView,
    context: &mut Context,
    inputs: [usize; 2],
    dtype: DType,
    channels: Channels,
) -> Result<NodeId> {
    let x = context.cast(node, dtype, node.input(inputs[0])?)?;
    let Some(zero_point) = node.optional(inputs[1]) else { return Ok(x) };
    let zero_point = placed(node, context, zero_point, context.shape(x).len(), channels)?;
    let zero_point = context.cast(node, dtype, zero_point)?;
    context.binary(node, Binary::Sub, x, zero_point)
}

/// One number, or several along one of `rank` axes.
fn placed(
    node: &NodeView,
    context: &mut Context,
    values: NodeId,
    rank: usize,
    channels: Channels,
) -> Result<NodeId> {
    let given = context.shape(values).to_vec();
    let [count] = given[..] else { return Ok(values) };
    if count == 1 {
        return context.reshape(node, &[], values);
    }
    let axis = match channels {
        Channels::First => Some(0),
        Channels::Second => Some(1),
        Channels::Rows => rank.checked_sub(2),
        Channels::Columns => rank.checked_sub(1),
    };
    let mut shape = vec![1; rank];
    match axis.and_then(|axis| shape.get_mut(axis)) {
        Some(length) => *length = count,
        None => bail!("{count} scales or zero points do not fit a tensor of {rank} axes"),
    }
    context.reshape(node, &shape, values)
}

/// Sums of products times the scales of both factors, quantized with the scale and zero point of the result,
/// inputs 6 and 7.
fn rescaled(
    node: &NodeView,
    context: &mut Context,
    sums: NodeId,
    scales: [NodeId; 2],
) -> Result<Vec<NodeId>> {
    let scales = scales.map(|scale| context.cast(node, DType::F32, scale));
    let [a, b] = scales;
    let scale = context.binary(node, Binary::Mul, a?, b?)?;
    let real = context.binary(node, Binary::Mul, sums, scale)?;
    let result_scale = context.cast(node, DType::F32, node.input(6)?)?;
    let result_scale = placed(node, context, result_scale, 0, Channels::Columns)?;
    let zero_point = placed(node, context, node.input(7)?, 0, Channels::Columns)?;
    Ok(vec![quantized(node, context, real, result_scale, zero_point)?])
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{apply, floats, ints, node};

    #[test]
    fn products_of_integers_are_exact() {
        let cast = node("", "MatMulInteger", &["x", "w"], &["y"]);
        let mut weights = ints("w", &[3, -5]);
        weights.dims = vec![2, 1];
        assert_eq!(apply(cast, vec![weights], &[127.0, -128.0])[0], [127.0 * 3.0 + 128.0 * 5.0]);
    }

    #[test]
    fn sums_are_scaled_to_the_grid_of_the_result() {
        let names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"];
        let scalar = |name: &str, value: f32| floats(name, &[], &[value]);
        let mut initializers = vec![floats("w", &[2, 1], &[2.0, 3.0])];
        initializers.extend([scalar("xs", 0.5), scalar("xz", 1.0), scalar("ws", 0.25), scalar("wz", 0.0)]);
        initializers.push(scalar("ys", 0.5));
        let mut zero = ints("yz", &[10]);
        (zero.dims, zero.data_type) = (vec![], tract_onnx::pb::tensor_proto::DataType::Uint8 as i32);
        (zero.int32_data, zero.int64_data) = (vec![10], vec![]);
        initializers.push(zero);
        // (4 · 2 + 4 · 3) · 0.125 / 0.5 = 5
        assert_eq!(apply(node("", "QLinearMatMul", &names, &["y"]), initializers, &[5.0, 5.0])[0], [15.0]);
    }
}
