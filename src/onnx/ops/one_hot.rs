//! One-hot vectors of places.

use anyhow::{Result, bail};

use super::Family;
use crate::model::op::Binary;
use crate::model::{NodeId, Op};
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::{NodeView, axis};
use crate::onnx::problem::unsupported;
use crate::tensor::Tensor;

pub(super) const READERS: &Family = &[("", "OneHot", one_hot)];

/// A new axis that is on where its place is the index, off elsewhere; negative indices count from the end.
fn one_hot(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let indices = node.input(0)?;
    let depth = match context.as_constant(node.input(1)?).map(Tensor::as_numbers).transpose()? {
        Some(numbers) if numbers.len() == 1 => count(&[numbers.sum() as usize])?,
        Some(numbers) => bail!("its depth is {} numbers, expected one", numbers.len()),
        None => return Err(unsupported("its depth depends on the data")),
    };
    let mut shape = context.shape(indices).to_vec();
    let axis = axis(node.attributes.int("axis", -1)?, shape.len() + 1)?;
    shape.insert(axis, 1);
    let indices = context.reshape(node, &shape, indices)?;
    let (zero, length) = (context.scalar(node, 0.0, indices)?, context.scalar(node, depth as f64, indices)?);
    let is_negative = context.binary(node, Binary::Less, indices, zero)?;
    let from_start = context.binary(node, Binary::Add, indices, length)?;
    let indices = context.push(node, Op::Where, &[is_negative, from_start, indices])?;

    let mut along = vec![1; shape.len()];
    along[axis] = depth; // there is one axis more than the indices have
    let places = context.vector(node, context.dtype(indices), (0..depth).map(|at| at as f64).collect())?;
    let places = context.reshape(node, &along, places)?;
    let is_on = context.binary(node, Binary::Equal, indices, places)?;
    let [off, on] = values(node, context)?;
    Ok(vec![context.push(node, Op::Where, &[is_on, on, off])?])
}

/// What stands off and on the places.
fn values(node: &NodeView, context: &mut Context) -> Result<[NodeId; 2]> {
    let values = node.input(2)?;
    if context.shape(values) != [2] {
        bail!("its values have shape {:?}, expected two", context.shape(values));
    }
    let mut pick = |place: i64| {
        let place = context.constant(&node.name, Tensor::i64s(&[place]).reshape(&[])?)?;
        context.push(node, Op::Gather { axis: 0 }, &[values, place])
    };
    Ok([pick(0)?, pick(1)?])
}
