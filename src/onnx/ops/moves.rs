//! Operators that give the same elements another shape or order.

use anyhow::{Result, bail};

use super::Family;
use crate::model::NodeId;
use crate::model::op::Move;
use crate::onnx::context::Context;
use crate::onnx::limits::count;
use crate::onnx::node::{NodeView, axes, axis};
use crate::onnx::problem::unsupported;

pub(super) const READERS: &Family = &[
    ("", "Reshape", reshape),
    ("", "Flatten", flatten),
    ("", "Squeeze", squeeze),
    ("", "Unsqueeze", unsqueeze),
    ("", "Transpose", transpose),
    ("", "Expand", expand),
    ("", "Tile", tile),
    ("", "Identity", identity),
    ("", "Dropout", dropout),
];

/// The shape may hold 0 (as it is) and one -1 (what is left).
fn reshape(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let target = match node.attributes.ints("shape")? {
        Some(shape) => shape.to_vec(),
        None => context.ints(node.input(1)?, "target shape")?,
    };
    refuse_batch(context, &target)?;
    let shape = resolve(&target, context.shape(x), node.attributes.flag("allowzero", false)?)?;
    Ok(vec![context.reshape(node, &shape, x)?])
}

/// A shape made for a batch of many rows does not fit one.
fn refuse_batch(context: &Context, target: &[i64]) -> Result<()> {
    match (context.fixed_batch, target.first()) {
        (Some(batch), Some(&first)) if usize::try_from(first) == Ok(batch) => Err(unsupported(format!(
            "its target shape {target:?} is made for a batch of {batch} rows, the model is read for one\nhint: export the model with a dynamic batch axis"
        ))),
        _ => Ok(()),
    }
}

fn resolve(target: &[i64], from: &[usize], zero_is_zero: bool) -> Result<Vec<usize>> {
    let elements = count(from)?;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (index, &length) in target.iter().enumerate() {
        shape.push(match length {
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            0 if !zero_is_zero => match from.get(index) {
                Some(&length) => length,
                None => bail!("the target shape {target:?} keeps axis {index}, the tensor {from:?} has none"),
            },
            _ => match usize::try_from(length) {
                Ok(length) => length,
                Err(_) => bail!("the target shape {target:?} is not a shape"),
            },
        });
    }
    let known = count(&shape)?;
    if let Some(open) = open.and_then(|index| shape.get_mut(index)) {
        *open = elements.checked_div(known).unwrap_or(0);
    }
    if count(&shape)? != elements {
        bail!("cannot reshape {from:?} ({elements} elements) to {target:?}");
    }
    Ok(shape)
}

fn flatten(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let split = match node.attributes.int("axis", 1)? {
        last if usize::try_from(last) == Ok(shape.len()) => shape.len(),
        number => axis(number, shape.len())?,
    };
    let (rows, columns) = shape.split_at(split);
    Ok(vec![context.reshape(node, &[rows.iter().product(), columns.iter().product()], x)?])
}

fn squeeze(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let shape = context.shape(x).to_vec();
    let dropped = match axes_of(node, context)? {
        Some(numbers) => axes(&numbers, shape.len())?,
        None => (0..shape.len()).filter(|&index| shape.get(index) == Some(&1)).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&index| shape.get(index) != Some(&1)) {
        bail!("cannot squeeze axis {axis} of shape {shape:?}: its length is not 1");
    }
    let kept =
        shape.iter().enumerate().filter(|(index, _)| !dropped.contains(index)).map(|(_, &length)| length);
    let kept: Vec<usize> = kept.collect();
    Ok(vec![context.reshape(node, &kept, x)?])
}

fn unsqueeze(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let Some(numbers) = axes_of(node, context)? else { bail!("its axes are missing") };
    let shape = context.shape(x).to_vec();
    let rank = shape.len() + numbers.len();
    let added = axes(&numbers, rank)?;
    let mut kept = shape.into_iter();
    let length = |index| if added.contains(&index) { 1 } else { kept.next().unwrap_or(1) };
    let shape: Vec<usize> = (0..rank).map(length).collect();
    Ok(vec![context.reshape(node, &shape, x)?])
}

/// Axes are an attribute before opset 13, an input since.
fn axes_of(node: &NodeView, context: &Context) -> Result<Option<Vec<i64>>> {
    match (node.attributes.ints("axes")?, node.optional(1)) {
        (Some(axes), _) => Ok(Some(axes.to_vec())),
        (None, Some(id)) => context.ints(id, "axes").map(Some),
        (None, None) => Ok(None),
    }
}

fn transpose(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let rank = context.shape(x).len();
    let order = match node.attributes.ints("perm")? {
        Some(numbers) => axes(numbers, rank)?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        bail!("its 'perm' {order:?} has {} axes, the tensor has {rank}", order.len());
    }
    Ok(vec![context.rearrange(node, Move::Transpose { axes: order }, x)?])
}

/// The shape is broadcast with the input's, so it may be the shorter one.
fn expand(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let target = context.ints(node.input(1)?, "target shape")?;
    refuse_batch(context, &target)?;
    let from = context.shape(x);
    let rank = from.len().max(target.len());
    let mut shape = Vec::with_capacity(rank);
    for back in (0..rank).rev() {
        let own = from.iter().rev().nth(back).copied().unwrap_or(1);
        let wanted = usize::try_from(target.iter().rev().nth(back).copied().unwrap_or(1))?;
        shape.push(match (own, wanted) {
            (own, 1) => own,
            (1, wanted) => wanted,
            (own, wanted) if own == wanted => own,
            _ => bail!("cannot expand {from:?} to {target:?}"),
        });
    }
    Ok(vec![context.rearrange(node, Move::Expand { shape }, x)?])
}

fn tile(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    let x = node.input(0)?;
    let numbers = context.ints(node.input(1)?, "repeats")?;
    let rank = context.shape(x).len();
    let repeats = numbers.iter().filter_map(|&number| usize::try_from(number).ok()).collect::<Vec<usize>>();
    if numbers.len() != rank || repeats.len() != rank {
        bail!("its repeats {numbers:?} do not fit a tensor of {rank} axes");
    }
    Ok(vec![context.rearrange(node, Move::Tile { repeats }, x)?])
}

fn identity(node: &NodeView, _context: &mut Context) -> Result<Vec<NodeId>> {
    Ok(vec![node.input(0)?])
}

/// Nothing is dropped in inference.
fn dropout(node: &NodeView, context: &mut Context) -> Result<Vec<NodeId>> {
    if let Some(training) = node.optional(2) {
        let training =
            context.as_constant(training).and_then(|value| value.as_numbers().ok()?.first().copied());
        if training != Some(0.0) {
            return Err(unsupported(
                "training mode is not supported\nhint: export the model in inference mode",
            ));
        }
    }
    Ok(vec![node.input(0)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_shapes_are_resolved() {
        assert_eq!(resolve(&[-1, 30], &[1, 30], false).unwrap(), [1, 30]);
        assert_eq!(resolve(&[0, -1], &[1, 3, 4], false).unwrap(), [1, 12]);
        assert_eq!(resolve(&[-1], &[], false).unwrap(), [1]);
        assert!(resolve(&[2, 30], &[1, 30], false).is_err());
        assert!(resolve(&[-1, -1], &[1, 30], false).is_err());
        assert!(resolve(&[-1, 7], &[1, 30], false).is_err());
        assert!(resolve(&[0, 0, 0], &[1, 30], false).is_err());
        assert!(resolve(&[i64::MAX, i64::MAX], &[1, 30], false).is_err());
    }
}
