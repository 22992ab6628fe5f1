//! Operators that look at all elements along an axis.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::Reduction;
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axes, axis};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::DType;

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
    ("", "CumSum", running_sum),
    ("", "ArgMax", arg_extreme),
    ("", "ArgMin", arg_extreme),
    ("", "Softmax", softmax),
    ("", "LogSoftmax", softmax),
    ("", "Hardmax", softmax),
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

/// Sums of an element and those before it (`exclusive`: without it, `reverse`: those after it): each is one of all
/// elements along the axis, of which the others count as 0.
fn running_sum(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let axis = match context.ints(node.input(1)?, "axis")?[..] {
        [number] => axis(number, shape.len())?,
        ref numbers => bail!("its axis is {numbers:?}, expected one number"),
    };
    let (exclusive, reverse) =
        (node.attributes.flag("exclusive", false)?, node.attributes.flag("reverse", false)?);
    // The result's place lies along a new axis before the one that is summed up.
    let (before, rest) = shape.split_at(axis);
    let Some((&length, after)) = rest.split_first() else { bail!("a single number has no axis") };
    let apart = [before, &[1, length], after].concat();
    let counts = |place: usize| {
        let (sum, element) = (place / length.max(1), place % length.max(1));
        let (first, second) = if reverse { (sum, element) } else { (element, sum) };
        f64::from(first < second || (first == second && !exclusive))
    };
    let mask = [vec![length, length], vec![1; after.len()]].concat();
    let mask = tensors::array(DType::Bool, &mask, (0..length * length).map(counts).collect())?;
    let mask = context.constant(&node.name, mask)?;
    let x = context.reshape(node, &apart, x)?;
    let nothing = context.scalar(node, 0.0, x)?;
    let counted = context.push(node, Op::Where, &[mask, x, nothing])?;
    let sum = Op::Reduce { reduction: Reduction::Sum, axes: vec![axis + 1], keep_dims: false };
    Ok(vec![context.push(node, sum, &[counted])?])
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

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, assert_near, evaluate, ints, model, node, with};

    #[test]
    fn axes_are_an_attribute_or_an_input_or_all() {
        let sum = node("", "ReduceSum", &["x"], &["y"]);
        assert_eq!(apply(with(sum.clone(), "axes", Given::Ints(&[-1])), vec![], &[1.0, 2.0])[0], [3.0]);
        assert_eq!(apply(sum.clone(), vec![], &[1.0, 2.0])[0], [3.0]);
        assert_eq!(
            apply(with(sum, "noop_with_empty_axes", Given::Int(1)), vec![], &[1.0, 2.0])[0],
            [1.0, 2.0]
        );
        let sum = node("", "ReduceSum", &["x", "axes"], &["y"]);
        assert_eq!(apply(sum, vec![ints("axes", &[1])], &[1.0, 2.0])[0], [3.0]);
    }

    #[test]
    fn running_sums_go_either_way_with_or_without_their_element() {
        let sum = node("", "CumSum", &["x", "axis"], &["y"]);
        for (exclusive, reverse, expected) in [
            (0, 0, [1.0, 3.0, 6.0]),
            (1, 0, [0.0, 1.0, 3.0]),
            (0, 1, [6.0, 5.0, 3.0]),
            (1, 1, [5.0, 3.0, 0.0]),
        ] {
            let sum = with(sum.clone(), "exclusive", Given::Int(exclusive));
            let sum = with(sum, "reverse", Given::Int(reverse));
            assert_eq!(apply(sum, vec![ints("axis", &[1])], &[1.0, 2.0, 3.0])[0], expected);
        }
    }

    #[test]
    fn old_softmax_flattens() {
        let softmax = node("", "Softmax", &["x"], &["y"]);
        let mut proto = model(&[0, 2, 2], vec![softmax], vec![]);
        let new = evaluate(&proto, &[0.0; 4]);
        assert_near(new[0].as_numbers().unwrap().as_slice().unwrap(), &[0.5; 4]);
        proto.opset_import[0].version = 11;
        let old = evaluate(&proto, &[0.0; 4]);
        assert_near(old[0].as_numbers().unwrap().as_slice().unwrap(), &[0.25; 4]);
    }
}
