//! Operators that look at all elements along an axis.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Normalization, Reduction};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axes, axis};
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[
    ("", "ReduceL1", reduce),
    ("", "ReduceL2", reduce),
    ("", "ReduceLogSum", reduce),
    ("", "ReduceLogSumExp", reduce),
    ("", "ReduceMax", reduce),
    ("", "ReduceMean", reduce),
    ("", "ReduceMin", reduce),
    ("", "ReduceProd", reduce),
    ("", "ReduceSum", reduce),
    ("", "ReduceSumSquare", reduce),
    ("", "ArgMax", arg_extreme),
    ("", "ArgMin", arg_extreme),
    ("", "Softmax", softmax),
    ("", "LogSoftmax", softmax),
    ("", "Hardmax", softmax),
    ("", "LpNormalization", lp_normalization),
];

/// Axes are an attribute in old opsets, an input in new ones; none means all.
fn reduce(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let reduction = match node.op {
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceLogSum" => Reduction::LogSum,
        "ReduceLogSumExp" => Reduction::LogSumExp,
        "ReduceMax" => Reduction::Max,
        "ReduceMean" => Reduction::Mean,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Product,
        "ReduceSum" => Reduction::Sum,
        "ReduceSumSquare" => Reduction::SumSquare,
        other => return Err(unsupported(format!("'{other}' is not a reduction"))),
    };
    let x = node.input(0)?;
    let rank = context.shape(x).len();
    let numbers = match (node.attributes.ints("axes")?, node.optional(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(id)) => context.ints(id, "axes")?,
        (None, None) => Vec::new(),
    };
    if numbers.is_empty() && node.attributes.flag("noop_with_empty_axes", false)? {
        return Ok(vec![x]);
    }
    let axes = if numbers.is_empty() { (0..rank).collect() } else { axes(&numbers, rank)? };
    let keep_dims = node.attributes.flag("keepdims", true)?;
    Ok(vec![context.push(node, Op::Reduce { reduction, axes, keep_dims }, &[x])?])
}

fn arg_extreme(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let axis = axis(node.attributes.int("axis", 0)?, context.shape(x).len())?;
    let keep_dims = node.attributes.flag("keepdims", true)?;
    let last = node.attributes.flag("select_last_index", false)?;
    let op = Op::ArgExtreme { largest: node.op == "ArgMax", last, axis, keep_dims };
    Ok(vec![context.push(node, op, &[x])?])
}

/// Since opset 13 along one axis, the last by default; before that over all axes from the given
/// one on, the second by default.
fn softmax(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let flattens = node.opset < 13;
    let axis = axis(node.attributes.int("axis", if flattens { 1 } else { -1 })?, shape.len())?;
    if !flattens || axis + 1 == shape.len() {
        return Ok(vec![context.push(node, softmax_op(node, axis)?, &[x])?]);
    }
    let (rows, columns) = shape.split_at(axis);
    let flat = context.reshape(node, &[rows.iter().product(), columns.iter().product()], x)?;
    let result = context.push(node, softmax_op(node, 1)?, &[flat])?;
    Ok(vec![context.reshape(node, &shape, result)?])
}

fn softmax_op(node: &NodeView, axis: usize) -> Result<Op> {
    match node.op {
        "Softmax" => Ok(Op::Softmax { axis }),
        "LogSoftmax" => Ok(Op::LogSoftmax { axis }),
        "Hardmax" => Ok(Op::Hardmax { axis }),
        other => bail!("'{other}' is not a softmax"),
    }
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
