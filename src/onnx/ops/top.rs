//! The largest or smallest elements along an axis, in order.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::{Binary, Reduction};
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;
use crate::onnx::tensors;
use crate::tensor::DType;

pub(super) const READERS: &Family = &[("", "TopK", top_k)];

/// The most elements that are found one after the other.
const MAX_FOUND: usize = 64;

/// Takes the best element, puts the worst value in its place, and so on.
fn top_k(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let mut x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let axis = axis(node.attributes.int("axis", -1)?, shape.len())?;
    let length = shape.get(axis).copied().unwrap_or(1);
    let count = match context.ints(node.input(1)?, "count")?[..] {
        [count] => usize::try_from(count)?,
        ref counts => bail!("its count is {counts:?}, expected one number"),
    };
    if count == 0 || count > length {
        bail!("it takes {count} elements of {length}");
    }
    if count > MAX_FOUND {
        return Err(unsupported(format!("it takes {count} elements, the limit is {MAX_FOUND}")));
    }
    let largest = node.attributes.flag("largest", true)?;
    let worst = context.scalar(node, if largest { f64::NEG_INFINITY } else { f64::INFINITY }, x)?;
    let places = places(node, context, axis, &shape)?;
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (value, index) = best(node, context, x, axis, largest)?;
        let is_best = context.binary(node, Binary::Equal, places, index)?;
        x = context.push(node, Op::Where, &[is_best, worst, x])?;
        values.push(value);
        indices.push(index);
    }
    let join = Op::Concat { axis };
    Ok(vec![context.push(node, join.clone(), &values)?, context.push(node, join, &indices)?])
}

fn best(
    node: &NodeView,
    context: &mut Context,
    x: NodeId,
    axis: usize,
    largest: bool,
) -> Result<(NodeId, NodeId)> {
    let reduction = if largest { Reduction::Max } else { Reduction::Min };
    let value = context.push(node, Op::Reduce { reduction, axes: vec![axis], keep_dims: true }, &[x])?;
    let index = context.push(node, Op::ArgExtreme { largest, last: false, axis, keep_dims: true }, &[x])?;
    Ok((value, index))
}

/// 0, 1, 2 … along the axis.
fn places(node: &NodeView, context: &mut Context, axis: usize, shape: &[usize]) -> Result<NodeId> {
    let along = |(index, &length): (usize, &usize)| if index == axis { length } else { 1 };
    let shape: Vec<usize> = shape.iter().enumerate().map(along).collect();
    let numbers = (0..shape.iter().product::<usize>()).map(|place| place as f64).collect();
    context.constant(&node.name, tensors::array(DType::I64, &shape, numbers)?)
}

#[cfg(test)]
mod tests {
    use crate::onnx::trial::{Given, apply, ints, model, node, refusal, with};

    #[test]
    fn the_best_come_first_and_the_first_of_equals() {
        let top = node("", "TopK", &["x", "k"], &["values", "indices"]);
        let results = apply(top.clone(), vec![ints("k", &[3])], &[2.0, 7.0, 1.0, 7.0]);
        assert_eq!(results, [[7.0, 7.0, 2.0], [1.0, 3.0, 0.0]]);
        let bottom = with(top.clone(), "largest", Given::Int(0));
        assert_eq!(apply(bottom, vec![ints("k", &[1])], &[2.0, -7.0]), [[-7.0], [1.0]]);
        assert!(refusal(&model(&[0, 2], vec![top], vec![ints("k", &[3])])).contains("takes 3 elements of 2"));
    }
}
